"""The dashboard of objectives: how much of each error budget is left, and how fast it goes."""

from collections.abc import Iterator

from codegen.monitoring.facts import Facts, Objective, plain
from codegen.monitoring.objectives import COUNT, LEFT, RATIO, recorded
from codegen.monitoring.panels import Board, Panel, graph, number

_PACES = ("1h", "6h", "3d")


def slo(facts: Facts) -> Board:
    """A row for each objective."""
    return Board(
        name="slo",
        title="Objectives",
        description="How much of each error budget is left, and how fast it goes.",
        rows=tuple((_named(one), tuple(_panels(facts, one))) for one in facts.objectives),
    )


def _named(objective: Objective) -> str:
    return f"{objective.slo} {objective.kind}"


def _panels(facts: Facts, objective: Objective) -> Iterator[Panel]:
    name, promise = _named(objective), f"The promise: {objective.title}."
    if objective.budget:
        yield number(
            f"{name}: budget left",
            f"{promise} What is left of the calls that may be bad in {objective.days} days.",
            "percentunit",
            recorded(facts, LEFT, objective),
            height=8,
            alert="burn_rate_slow",
        )
        paces = [
            (f"{recorded(facts, RATIO + window, objective)} / {plain(objective.budget)}", f"over {window}")
            for window in _PACES
        ]
        yield graph(
            f"{name}: pace",
            f"{promise} How many times as fast as it may its budget goes: at 1 it is used up exactly at the end.",
            "none",
            *paces,
            width=10,
            alert="burn_rate_fast",
            limit=1,
        )
    else:
        yield graph(
            f"{name}: bad calls",
            f"{promise} The share of calls that are bad.",
            "percentunit",
            *((recorded(facts, RATIO + window, objective), f"over {window}") for window in _PACES),
            width=16,
            alert="burn_rate_fast",
        )
    yield graph(
        f"{name}: calls",
        "Calls that count, in five minutes; with few, nothing fires.",
        "none",
        (recorded(facts, COUNT + "5m", objective), "in 5 minutes"),
    )
