"""The dashboard of one model, with its own lanes and objectives."""

from codegen.monitoring.boards.overview import FIRST
from codegen.monitoring.facts import Facts
from codegen.monitoring.panels import Board, Panel, graph, percentiles
from codegen.monitoring.queries import Queries, one_of
from nexusflow.telemetry.catalogue import (
    ATTEMPTS,
    CHARGED,
    DEPLOYMENT_STATE,
    DURATION,
    FAILOVERS,
    REQUESTS,
    RETRIES_REFUSED,
    TIME_PER_TOKEN,
    TOKENS,
    TTFT,
    Metric,
)

TOKEN = "From the first content of a stream to its end, by its tokens."  # noqa: S105  # of text


def model(facts: Facts, name: str) -> Board:
    """Calls of one model, and how its deployments serve."""
    queries, lanes = facts.queries, facts.lanes[name]
    times = (
        percentiles(queries, TTFT, "First token", FIRST, _bound(facts, name, TTFT), model=name),
        percentiles(
            queries, TIME_PER_TOKEN, "Time per output token", TOKEN, _bound(facts, name, TIME_PER_TOKEN), model=name
        ),
    )
    return Board(
        name=f"model {name}",
        title=f"Model {name}",
        description=f"Calls of {name}. Its deployments: {', '.join(lanes)}.",
        rows=(
            ("Calls", (*_calls(queries, name), *times, *_use(facts, name))),
            ("Deployments", _deployments(queries, name, lanes)),
        ),
    )


def _bound(facts: Facts, name: str, metric: Metric) -> float | None:
    """What its objective allows, in seconds."""
    found = [float(one.bound) for one in facts.objectives if one.model == name and one.metric is metric]
    return min(found, default=None)


def _calls(queries: Queries, name: str) -> tuple[Panel, ...]:
    return (
        graph(
            "Calls by outcome",
            "Calls a second of this model by how they ended, and their status.",
            "reqps",
            (queries.rate(REQUESTS, "outcome", "code", model=name), "{{outcome}} {{code}}"),
            stacked=True,
            alert="burn_rate_fast",
        ),
        graph(
            "Durations",
            "How long calls of this model take, from head to end; the darker, the more.",
            "s",
            (queries.total("rate", DURATION, "le", suffix="_bucket", model=name), "{{le}}"),
            kind="heatmap",
        ),
    )


def _use(facts: Facts, name: str) -> tuple[Panel, ...]:
    queries = facts.queries
    return (
        graph(
            "Tokens",
            "Tokens a second of this model, by class; no token is in two of them.",
            "ops",
            (queries.rate(TOKENS, "type", model=name), "{{type}}"),
            stacked=True,
        ),
        graph(
            "Charged",
            "What customers are charged for this model in an hour.",
            f"currency:{facts.currency} ",
            (queries.total("increase", CHARGED, window="1h", model=name), "an hour"),
        ),
    )


def _deployments(queries: Queries, name: str, lanes: tuple[str, ...]) -> tuple[Panel, ...]:
    mine = one_of(lanes)
    return (
        graph(
            "State",
            "0 healthy, 1 degraded, 2 down or cooling.",
            "none",
            (queries.gauge(DEPLOYMENT_STATE, "deployment", deployment=mine), "{{deployment}}"),
            alert="model_without_lanes",
            limit=2,
        ),
        graph(
            "Attempts",
            "Attempts a second at its deployments, by how each ended. Other models may share them.",
            "ops",
            (queries.rate(ATTEMPTS, "deployment", "result", deployment=mine), "{{deployment}} {{result}}"),
        ),
        graph(
            "Failovers, and retries refused",
            "Attempts a second after which another followed, by class of failure; and calls that failed for want of"
            " budget though another way was left.",
            "ops",
            (queries.rate(FAILOVERS, "reason", model=name), "{{reason}}"),
            (queries.rate(RETRIES_REFUSED, model=name), "no budget"),
        ),
    )
