"""The dashboard of one provider, with all that is deployed there."""

from codegen.monitoring.boards.model import TOKEN
from codegen.monitoring.boards.overview import FIRST
from codegen.monitoring.facts import Facts
from codegen.monitoring.panels import Board, Panel, graph, number, percentiles
from codegen.monitoring.queries import Queries, one_of
from nexusflow.telemetry.catalogue import (
    ATTEMPTS,
    CERTIFICATE,
    DEPLOYMENT_STATE,
    PROVIDER_COST,
    TIME_PER_TOKEN,
    TOKENS,
    TTFT,
)


def provider(facts: Facts, name: str) -> Board:
    """What a provider is asked, how it answers, and what it is owed."""
    queries = facts.queries
    times = (
        percentiles(queries, TTFT, "First token", FIRST, provider=name),
        percentiles(queries, TIME_PER_TOKEN, "Time per output token", TOKEN, provider=name),
        number(
            "Certificate",
            "Time until the certificate ends that it showed last; nothing where it shows none.",
            "s",
            f"{queries.gauge(CERTIFICATE, provider=name)} - time()",
            alert="certificate_days",
            width=8,
        ),
    )
    return Board(
        name=f"provider {name}",
        title=f"Provider {name}",
        description=f"What {name} is asked, how it answers, and what it is owed.",
        rows=(
            ("Attempts", _attempts(queries, name, facts.providers[name])),
            ("Times", times),
            ("Use", _use(facts, name)),
        ),
    )


def _attempts(queries: Queries, name: str, lanes: tuple[str, ...]) -> tuple[Panel, ...]:
    refused = queries.total("increase", ATTEMPTS, "deployment", window="5m", provider=name, result="credential")
    return (
        graph(
            "Attempts by result",
            "Attempts a second at this provider, by how each ended; `done` is well.",
            "ops",
            (queries.rate(ATTEMPTS, "result", provider=name), "{{result}}"),
            stacked=True,
        ),
        graph(
            "Refused credentials",
            "Attempts in five minutes that were answered with 401, 402, 403 or 404.",
            "none",
            (refused, "{{deployment}}"),
            alert="credential_bad",
        ),
        graph(
            "State of deployments",
            "0 healthy, 1 degraded, 2 down or cooling.",
            "none",
            (queries.gauge(DEPLOYMENT_STATE, "deployment", deployment=one_of(lanes)), "{{deployment}}"),
            alert="model_without_lanes",
            limit=2,
        ),
    )


def _use(facts: Facts, name: str) -> tuple[Panel, ...]:
    queries = facts.queries
    return (
        graph(
            "Tokens",
            "Tokens a second by class, and by who counted them.",
            "ops",
            (queries.rate(TOKENS, "type", "source", provider=name), "{{type}} {{source}}"),
            width=12,
            alert="estimated_tokens_percent",
        ),
        graph(
            "Owed",
            "What this provider is owed in an hour for calls that were charged.",
            f"currency:{facts.currency} ",
            (queries.total("increase", PROVIDER_COST, window="1h", provider=name), "an hour"),
            width=12,
        ),
    )
