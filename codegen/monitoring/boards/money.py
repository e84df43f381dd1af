"""The dashboard of money. The ledger is the truth; these are its numbers in floating point."""

from codegen.monitoring.facts import Facts
from codegen.monitoring.panels import Board, Panel, graph
from codegen.monitoring.queries import Pattern, Queries
from nexusflow.telemetry.catalogue import (
    ABSORBED,
    BUDGET_USED,
    CHARGED,
    JOURNAL_AGE,
    JOURNAL_BACKLOG,
    PROVIDER_COST,
    SETTLEMENTS,
    TOKENS,
    VIOLATIONS,
)


def money(facts: Facts) -> Board:
    """What comes in, what is owed, and whether the books keep up."""
    return Board(
        name="money",
        title="Money",
        description="What customers are charged, what providers are owed, and whether the books keep up.",
        rows=(
            ("Amounts", _amounts(facts)),
            ("Charges and tokens", _charges(facts.queries)),
            ("Books", _books(facts.queries)),
        ),
    )


def _amounts(facts: Facts) -> tuple[Panel, ...]:
    queries, unit = facts.queries, f"currency:{facts.currency} "
    charged, owed, absorbed = (
        queries.total("increase", metric, window="1h") for metric in (CHARGED, PROVIDER_COST, ABSORBED)
    )
    return (
        graph(
            "Charged by model",
            "What customers are charged in an hour, for the ten models that bring most.",
            unit,
            (f"topk(10, {queries.total('increase', CHARGED, 'model', window='1h')})", "{{model}}"),
        ),
        graph(
            "Charged and owed",
            "What customers are charged in an hour, and what providers are owed with and without one who pays.",
            unit,
            (charged, "charged"),
            (owed, "owed"),
            (absorbed, "absorbed"),
        ),
        graph(
            "Absorbed by reason",
            "What providers are owed in an hour that no customer pays.",
            unit,
            (queries.total("increase", ABSORBED, "reason", window="1h"), "{{reason}}"),
            stacked=True,
            alert="absorbed_cost_per_hour",
        ),
    )


def _charges(queries: Queries) -> tuple[Panel, ...]:
    output = Pattern("output|reasoning")
    share = f"{queries.rate(TOKENS, type=output, source='estimated')} / {queries.rate(TOKENS, type=output)}"
    return (
        graph(
            "What charges rest on",
            "Settled calls a second: what the provider reported, an estimate, or nothing where nobody pays.",
            "ops",
            (queries.rate(SETTLEMENTS, "result"), "{{result}}"),
            stacked=True,
        ),
        graph(
            "Estimated output tokens",
            "Share of the output tokens that are charged as we estimate them.",
            "percentunit",
            (share, "estimated"),
            alert="estimated_tokens_percent",
        ),
        graph(
            "Tokens by class",
            "Tokens a second; no token is in two classes.",
            "ops",
            (queries.rate(TOKENS, "type"), "{{type}}"),
            stacked=True,
        ),
    )


def _books(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Records on their way to the ledger",
            "Records of calls that are in the journals and not yet in the ledger.",
            "none",
            (queries.gauge(JOURNAL_BACKLOG), "records"),
            width=12,
            alert="journal_age_seconds",
        ),
        graph(
            "Age of the oldest record",
            "For how long the oldest of them waits.",
            "s",
            (queries.gauge(JOURNAL_AGE), "oldest"),
            width=12,
            alert="journal_age_seconds",
        ),
        graph(
            "Broken invariants",
            "Invariants that proofs of the ledger found broken in an hour; nothing where none is asked for.",
            "none",
            (queries.gained(VIOLATIONS, "invariant", window="1h"), "{{invariant}}"),
            width=12,
            alert="ledger_violation",
        ),
        graph(
            "Budgets",
            "What is spent and held of the fullest budget of each kind.",
            "percentunit",
            (queries.gauge(BUDGET_USED, "scope", "period"), "{{scope}} {{period}}"),
            width=12,
            alert="budget_used_percent",
            limit=1,
        ),
    )
