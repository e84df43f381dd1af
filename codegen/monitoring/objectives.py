"""Objectives as recording rules, and how fast their budgets are spent (reliability 4.5, OBS-30).

A pair of windows fires when a budget goes too fast over both: the long one shows that it matters, the short one that it
goes on. What a pair may spend is a share of the whole budget, so that an objective over fewer days fires sooner.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from codegen.monitoring.facts import Facts, Objective, plain
from codegen.monitoring.queries import GATEWAY, Pattern, Queries, selector
from nexusflow.telemetry.catalogue import REFUSED, REQUESTS, Metric

RATIO, COUNT, LEFT = "nexusflow:slo_errors:ratio_rate", "nexusflow:slo_requests:increase", "nexusflow:slo_left:ratio"
RECENT, LONGEST = ("5m", "30m", "1h", "6h"), "3d"
SELDOM = "2m"
"""More often than Prometheus forgets a value."""
FEWEST = 50
"""Calls in the short window, below which a single failure would be an alarm."""
SERVER = Pattern("5..")
_HOURS_A_DAY = 24


class Pair(Struct, frozen=True):
    """Two windows, and the share of the whole budget that may be spent in the long one."""

    long: str
    short: str
    hours: int
    share: Decimal

    def factor(self, days: int) -> Decimal:
        """How many times as fast as it may the budget goes then; never less than just too fast."""
        return max(self.share * days * _HOURS_A_DAY / self.hours, Decimal(1))


FAST = (Pair("1h", "5m", 1, Decimal("0.02")), Pair("6h", "30m", 6, Decimal("0.05")))
SLOW = (Pair("3d", "6h", 72, Decimal("0.10")),)


def recorded(facts: Facts, record: str, objective: Objective) -> str:
    """The selector of a recorded series."""
    return selector(record, {GATEWAY: facts.name, **objective.labels})


def burning(facts: Facts, objective: Objective, pair: Pair, factor: Decimal) -> str | None:
    """The condition that the budget goes `factor` times too fast; None where not even failing all the time would."""
    limit = factor * objective.budget
    if limit >= 1:
        return None
    long, short, count = (
        recorded(facts, name + window, objective)
        for name, window in ((RATIO, pair.long), (RATIO, pair.short), (COUNT, pair.short))
    )
    return f"{long} > {plain(limit)} and {short} > {plain(limit)} and {count} >= {FEWEST}"


def rules(facts: Facts) -> list[dict[str, Any]]:
    """The groups of recording rules, two for each objective: what looks far back is computed less often."""
    return [
        {"name": "/".join(("nexusflow", facts.name, *objective.labels.values(), speed)), **more, "rules": list(of)}
        for objective in facts.objectives
        for speed, more, of in (
            ("now", {}, _recent(facts, objective)),
            ("slowly", {"interval": SELDOM}, _long(facts, objective)),
        )
    ]


def _recent(facts: Facts, objective: Objective) -> Iterator[dict[str, Any]]:
    labels = {GATEWAY: facts.name, **objective.labels}
    for window in RECENT:
        yield _ratio(facts, objective, window)
    for pair in (*FAST, *SLOW):
        _, count = _bad_and_all(facts.queries, objective, "increase", pair.short)
        yield {"record": COUNT + pair.short, "expr": count, "labels": labels}


def _ratio(facts: Facts, objective: Objective, window: str) -> dict[str, Any]:
    bad, count = _bad_and_all(facts.queries, objective, "rate", window)
    labels = {GATEWAY: facts.name, **objective.labels}
    return {"record": RATIO + window, "expr": f"({bad}) / ({count})", "labels": labels}


def _long(facts: Facts, objective: Objective) -> Iterator[dict[str, Any]]:
    labels = {GATEWAY: facts.name, **objective.labels}
    yield _ratio(facts, objective, LONGEST)
    if objective.budget:
        bad, count = _bad_and_all(facts.queries, objective, "increase", f"{objective.days}d")
        left = f"1 - (({bad}) / ({count})) / {plain(objective.budget)}"
        yield {"record": LEFT, "expr": left, "labels": labels}


def _bad_and_all(queries: Queries, objective: Objective, call: str, window: str) -> tuple[str, str]:
    """How many calls are bad, and how many there are: sums without labels."""
    of = {} if objective.model is None else {"model": objective.model}

    def total(metric: Metric, suffix: str = "", **labels: str) -> str:
        return queries.total(call, metric, window=window, suffix=suffix, **of, **labels)

    if objective.metric is not None:
        count = total(objective.metric, "_count")
        return f"{count} - ({_within(objective, total)})", count
    broken, failed = total(REQUESTS, outcome="broken"), total(REQUESTS, outcome="failed", code=SERVER)
    bad = f"({broken} or vector(0)) + ({failed} or vector(0))"
    count = total(REQUESTS)
    if objective.model is None:  # what was refused for overload names no model
        refused = f"({queries.total(call, REFUSED, window=window, code=SERVER)} or vector(0))"
        return f"{bad} + {refused}", f"({count} or vector(0)) + {refused}"
    return bad, count


def _within(objective: Objective, total: Any) -> str:
    """How many calls were fast enough. Between two buckets calls are taken for evenly spread, as quantiles are."""
    metric = objective.metric
    assert metric is not None
    bounds = [Decimal(repr(bound)) for bound in metric.buckets]
    above = next((at for at, bound in enumerate(bounds) if bound >= objective.bound), None)
    if above is None:  # beyond the last bucket nothing is known, so that its bound is the objective's
        return str(total(metric, "_bucket", le=bucket(bounds[-1])))
    high = str(total(metric, "_bucket", le=bucket(bounds[above])))
    if bounds[above] == objective.bound:
        return high
    below = bounds[above - 1] if above else Decimal(0)
    share = plain(round((objective.bound - below) / (bounds[above] - below), 6))
    if not above:
        return f"{share} * {high}"
    low = str(total(metric, "_bucket", le=bucket(bounds[above - 1])))
    return f"{low} + {share} * ({high} - {low})"


def bucket(bound: Decimal) -> str:
    """The label `le` of a bucket. Prometheus 3 writes whole numbers with a zero behind the point, older ones do not."""
    text = plain(bound)
    return Pattern(f"{text}(\\.0)?") if bound == bound.to_integral_value() else text
