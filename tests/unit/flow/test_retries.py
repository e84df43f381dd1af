"""R-01: trying again adds at most a fifth to what callers send, and what it adds dies away with them."""

from hypothesis import given
from hypothesis import strategies as st

from nexusflow.flow.retries import FEWEST, HALF_LIFE_S, SHARE, RetryBudget


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def budget(clock: Clock | None = None) -> RetryBudget:
    return RetryBudget(clock or Clock())


def test_R01_a_model_that_is_rarely_called_may_be_tried_again_every_time() -> None:
    clock = Clock()
    found = budget(clock)
    for _ in range(1_000):
        clock.now += 4.0
        found.called()
        assert found.take()


def test_R01_where_everything_fails_a_fifth_is_tried_again() -> None:
    found = budget()
    retries = 0
    for calls in range(1, 1_001):
        found.called()
        retries += found.take() + found.take()
        assert retries <= max(FEWEST, calls * SHARE)
    assert retries == 1_000 * SHARE
    assert found.exhausted == 2_000 - retries


def test_R01_attempts_that_answer_well_cost_nothing() -> None:
    found = budget()
    for _ in range(1_000):
        found.called()
        assert found.take()
        found.give_back()
    assert found.exhausted == 0


def test_R01_at_once_no_more_than_the_share_is_under_way() -> None:
    found = budget()
    for _ in range(200):
        found.called()
    assert sum(found.take() for _ in range(200)) == 40
    found.give_back()
    assert [found.take(), found.take()] == [True, False]


def test_R01_what_was_is_forgotten() -> None:
    clock = Clock()
    found = budget(clock)
    while found.take():
        pass
    clock.now += HALF_LIFE_S
    assert sum(found.take() for _ in range(FEWEST)) == FEWEST // 2
    clock.now += 3_600 * 24 * 365
    assert sum(found.take() for _ in range(FEWEST)) == FEWEST


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3)), max_size=200))
def test_R01_over_any_time_a_fifth_and_a_floor(steps: list[tuple[float, int]]) -> None:
    """Whatever comes when: of attempts that fail there are never more than the share and what the floor grants."""
    clock = Clock()
    found = budget(clock)
    retries, began = 0, clock.now
    for seconds, wanted in steps:
        clock.now += seconds
        found.called()
        retries += sum(found.take() for _ in range(wanted))
    half_lives = (clock.now - began) // HALF_LIFE_S
    assert retries <= len(steps) * SHARE + FEWEST * (1 + half_lives)
