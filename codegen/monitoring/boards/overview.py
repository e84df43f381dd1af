"""The first dashboard: how the gateway does, at one glance."""

from codegen.monitoring.facts import Facts
from codegen.monitoring.objectives import RATIO, SERVER, recorded
from codegen.monitoring.panels import Board, Panel, graph, number, percentiles
from codegen.monitoring.queries import Pattern, Queries
from nexusflow.telemetry.catalogue import (
    DEPLOYMENT_STATE,
    DURATION,
    FAILOVERS,
    IN_FLIGHT,
    OVERHEAD,
    REFUSED,
    REQUESTS,
    TTFT,
    WORKERS,
)

_BAD = Pattern("failed|broken")
FIRST = "From admission to the first content of a stream."


def overview(facts: Facts) -> Board:
    """Requests, errors and times of the whole gateway, and how its providers stand."""
    queries = facts.queries
    times = (
        percentiles(queries, DURATION, "Duration", "From the head of a request to its end."),
        percentiles(queries, TTFT, "First token", FIRST),
        percentiles(queries, OVERHEAD, "Overhead", "What the gateway itself adds to an unstreamed call."),
    )
    return Board(
        name="overview",
        title="Overview",
        description="How much is asked of the gateway, how it answers, and how fast.",
        rows=(
            ("Now", _now(facts)),
            ("Requests", (*_requests(queries), *_failures(queries))),
            ("Times", times),
            ("Providers", _providers(queries)),
        ),
    )


def _now(facts: Facts) -> tuple[Panel, ...]:
    queries, first = facts.queries, facts.objectives[0]
    failing = f"Share of the calls of the last hour that count against the objective `{first.slo}`."
    return (
        number("Calls a second", "Calls that ended.", "reqps", queries.rate(REQUESTS, window="5m")),
        number(
            "Failing", failing, "percentunit", recorded(facts, RATIO + "1h", first),
            alert="burn_rate_fast", limit=float(first.budget),
        ),
        number("In flight", "Requests under way, on all workers.", "none", queries.gauge(IN_FLIGHT)),
        number(
            "Workers", "Worker processes that are alive and scraped.", "none", queries.gauge(WORKERS),
            alert="gateway_down",
        ),
    )  # fmt: skip


def _requests(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Calls by outcome",
            "Calls a second: done, failed before any content, broken after some, or left by the client.",
            "reqps",
            (queries.rate(REQUESTS, "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        graph(
            "Calls by protocol",
            "Calls a second by the protocol that the client speaks.",
            "reqps",
            (queries.rate(REQUESTS, "protocol"), "{{protocol}}"),
            stacked=True,
        ),
        graph(
            "Busiest models",
            "Calls a second of the ten models that are asked most.",
            "reqps",
            (f"topk(10, {queries.rate(REQUESTS, 'model')})", "{{model}}"),
        ),
    )


def _failures(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Calls that ended badly, by status",
            "Calls a second that failed or broke off, by HTTP status. 4xx are the callers' own.",
            "reqps",
            (queries.rate(REQUESTS, "code", outcome=_BAD), "{{code}}"),
            stacked=True,
            alert="burn_rate_fast",
        ),
        graph(
            "Models with most failures",
            "Calls a second that failed for a reason on our side or the provider's, of the ten models with most.",
            "reqps",
            (f"topk(10, {queries.rate(REQUESTS, 'model', outcome=_BAD, code=SERVER)})", "{{model}}"),
            alert="burn_rate_fast",
        ),
        graph(
            "Requests refused",
            "Requests a second that never became calls: no key, no such model, bad JSON, overload.",
            "reqps",
            (queries.rate(REFUSED, "protocol", "code"), "{{protocol}} {{code}}"),
        ),
    )


def _providers(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "State of deployments",
            "0 healthy, 1 degraded, 2 down or cooling, as the worker sees it that sees it worst.",
            "none",
            (queries.gauge(DEPLOYMENT_STATE, "deployment"), "{{deployment}}"),
            width=12,
            alert="model_without_lanes",
            limit=2,
        ),
        graph(
            "Failovers",
            "Attempts a second after which another followed, by model and class of failure.",
            "ops",
            (queries.rate(FAILOVERS, "model", "reason"), "{{model}} {{reason}}"),
            width=12,
        ),
    )
