"""R-03, R-31: how much there is to do decides whose calls are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.flow.load import ALL, CHECKS, DEFAULT, NOTHING, SHEDDABLE, Load, level_of
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import Overload, Thresholds

BOUNDS = Thresholds(100, 200)


@pytest.mark.parametrize(
    ("amount", "level"), [(0, NOTHING), (99, NOTHING), (100, SHEDDABLE), (149, SHEDDABLE), (150, DEFAULT), (200, ALL)]
)
def test_R03_between_soft_and_hard_the_less_important_go_first(amount: int, level: int) -> None:
    assert level_of(amount, BOUNDS) == level


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2).map(sorted), st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_load_never_refuses_fewer(amounts: list[float], soft: int, more: int) -> None:
    less, much = (level_of(amount, Thresholds(soft, soft + more)) for amount in amounts)
    assert less <= much


def test_R03_the_worst_measure_counts_and_is_named() -> None:
    bounds = Overload(loop_lag_ms=BOUNDS, requests=Thresholds(2, 4), memory_mb=Thresholds(1, 2))
    load = Load(bounds, range(3))
    load.weigh(lag_ms=0)
    assert (load.level, load.reason) == (ALL, "memory")
    calm = Load(Overload(loop_lag_ms=BOUNDS, requests=Thresholds(2, 4)), range(3))
    calm.weigh(lag_ms=0)
    assert (calm.level, calm.reason) == (DEFAULT, "requests")
    for _ in range(CHECKS - 1):
        calm.weigh(lag_ms=250)
        assert (calm.level, calm.reason) == (DEFAULT, "requests")
    calm.weigh(lag_ms=250)
    assert (calm.level, calm.reason) == (ALL, "loop_lag")


def test_R31_refusals_are_counted_by_priority() -> None:
    load = Load(Overload(loop_lag_ms=BOUNDS), ())
    for _ in range(CHECKS):
        load.weigh(lag_ms=120)
    load.admit("critical")
    load.admit("default")
    with pytest.raises(RequestRefused) as refused:
        load.admit("sheddable")
    assert refused.value.problem.kind is Kind.BUSY
    for _ in range(CHECKS):
        load.weigh(lag_ms=500)
    for priority in ("critical", "default"):
        with pytest.raises(RequestRefused):
            load.admit(priority)
    names = {priority: count for (priority, _), count in load.shed.items()}
    assert names == {"sheddable": 1, "critical": 1, "default": 1}
