"""The conditions that alerts watch: what each asks Prometheus, when it fires by itself, and what to do then.

Conditions that have a number fire beyond `threshold`, which gateway.yaml may set, in the unit that `unit` names.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from codegen.monitoring.facts import Facts, plain
from codegen.monitoring.objectives import FAST, SLOW, Pair, burning
from codegen.monitoring.queries import Pattern, one_of
from nexusflow.telemetry import catalogue
from nexusflow.telemetry.catalogue import Metric

Severity = Literal["page", "ticket"]
_DAY_S = 86_400


class Case(Struct, frozen=True):
    """One rule of an alert: an expression, the labels that tell it from the others, and what has happened."""

    expr: str
    happened: str
    labels: dict[str, str] = {}


class Condition(Struct, frozen=True, kw_only=True):
    """A kind of alert. It fires when `cases` have held for `lasting`.

    `sign` is what is seen, in a few words; `why` and `steps` are for the runbook, `board` says which dashboard
    to look at.
    """

    sign: str
    severity: Severity
    lasting: str
    board: str
    why: str
    steps: tuple[str, ...]
    cases: Callable[[Facts, Decimal], Iterator[Case]]
    threshold: Decimal | None = None
    unit: str = ""


def _burn(facts: Facts, wanted: Decimal, pairs: tuple[Pair, ...]) -> Iterator[Case]:
    for objective in facts.objectives:
        for pair in pairs:
            # What gateway.yaml sets is for the first pair and 30 days; the other pair and other objectives follow it.
            factor = max(pair.factor(objective.days) * wanted / pairs[0].factor(30), Decimal(1))
            expr = burning(facts, objective, pair, factor)
            if expr is not None:
                happened = (
                    f"The promise that {objective.title} is being broken: its error budget of {objective.days} days"
                    f" goes {plain(round(factor, 2))} times too fast, for {pair.long} and still in the last"
                    f" {pair.short}."
                )
                yield Case(expr, happened, {**objective.labels, "window": pair.long})


def _fast(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    return _burn(facts, wanted, FAST)


def _slow(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    return _burn(facts, wanted, SLOW)


def _gone(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    yield Case(f"absent({facts.queries.of(catalogue.WORKERS)})", "Prometheus gets no metrics of the gateway.")


def _journal(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    expr = f"{facts.queries.gauge(catalogue.JOURNAL_AGE)} > {plain(wanted)}"
    yield Case(expr, "The oldest record that the ledger does not hold yet is {{ $value | humanizeDuration }} old.")


def _violation(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    broken = facts.queries.gained(catalogue.VIOLATIONS, "invariant", window="1h")
    yield Case(f"{broken} > 0", "A proof of the ledger found {{ $labels.invariant }} broken.")


def _credential(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    by = ("provider", "deployment")
    refused = facts.queries.gained(catalogue.ATTEMPTS, *by, window="5m", result="credential")
    yield Case(
        f"{refused} > {plain(wanted)}",
        "{{ $labels.deployment }} does not accept our credential, or does not know the model.",
    )


def _no_lane(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    for model, lanes in facts.lanes.items():
        state = facts.queries.of(catalogue.DEPLOYMENT_STATE, deployment=one_of(lanes))
        # On any machine: a lane that another one still reaches does not help its clients.
        expr = f"max(min by (instance) ({state})) >= 2"
        yield Case(expr, f"Every deployment of {model} is down or cooling.", {"model": model})


def _at_all(metric: Metric, happened: str, *by: str) -> Callable[[Facts, Decimal], Iterator[Case]]:
    def cases(facts: Facts, wanted: Decimal) -> Iterator[Case]:
        yield Case(f"{facts.queries.gauge(metric, *by)} > 0", happened)

    return cases


def _disk(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    free, size = facts.queries.of(catalogue.DISK_FREE), facts.queries.of(catalogue.DISK_SIZE)
    expr = f"100 * min by (instance) ({free} / {size}) < {plain(wanted)}"
    yield Case(expr, '{{ $value | printf "%.1f" }} % of the disk of {{ $labels.instance }} is free.')


def _restarts(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    ended = facts.queries.total("increase", catalogue.WORKERS_ENDED, window="10m")
    expr = f"{ended} > {plain(wanted)}"
    yield Case(expr, 'About {{ $value | printf "%.0f" }} worker processes ended in ten minutes.')


def _absorbed(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    expr = f"{facts.queries.gained(catalogue.ABSORBED, window='1h')} > {plain(wanted)}"
    yield Case(expr, f'{{{{ $value | printf "%.2f" }}}} {facts.currency} were owed in an hour that no customer pays.')


def _estimated(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    output = Pattern("output|reasoning")
    some = facts.queries.rate(catalogue.TOKENS, window="10m", type=output, source="estimated")
    whole = facts.queries.rate(catalogue.TOKENS, window="10m", type=output)
    happened = '{{ $value | printf "%.1f" }} % of the output tokens are charged as we estimate them.'
    yield Case(f"100 * {some} / {whole} > {plain(wanted)}", happened)


def _certificate(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    left = f"min by (provider) ({facts.queries.of(catalogue.CERTIFICATE)} - time())"
    expr = f"{left} < {plain(wanted * _DAY_S)}"
    yield Case(expr, "The certificate of {{ $labels.provider }} ends in {{ $value | humanizeDuration }}.")


def _budget(facts: Facts, wanted: Decimal) -> Iterator[Case]:
    expr = f"100 * {facts.queries.gauge(catalogue.BUDGET_USED, 'scope', 'period')} > {plain(wanted)}"
    happened = '{{ $value | printf "%.0f" }} % of a {{ $labels.scope }}\'s budget of a {{ $labels.period }} is used.'
    yield Case(expr, happened)


CONDITIONS: dict[str, Condition] = {
    "burn_rate_fast": Condition(
        sign="an error budget goes much too fast",
        severity="page",
        lasting="0m",
        board="slo",
        threshold=Decimal("14.4"),
        unit="times too fast over an hour and five minutes, for an objective of 30 days; over six hours and half an"
        " hour 6 for each 14.4",
        why="Customers notice. If nothing changes, the error budget of the whole period is gone within days or hours.",
        steps=(
            "Look at the errors by code and by model: is it one model, one provider, or all?",
            "One provider: its dashboard shows how attempts end. `nexusflow route explain MODEL` shows which lanes are"
            " left; give the model another lane or a fallback, or a lower `priority` to the bad one.",
            "All: look at overload, the event loop and the stores on the operations dashboard, and at what changed"
            " last (`nexusflow_build_info`).",
        ),
        cases=_fast,
    ),
    "burn_rate_slow": Condition(
        sign="an error budget has been going too fast for days",
        severity="ticket",
        lasting="0m",
        board="slo",
        threshold=Decimal(1),
        unit="times too fast over three days and six hours, for an objective of 30 days",
        why="Nobody need get up, but at this rate the objective will be missed.",
        steps=(
            "Find the errors that keep coming back: errors by code and model over three days.",
            "Decide whether to mend the cause, to add a lane, or to promise less.",
        ),
        cases=_slow,
    ),
    "gateway_down": Condition(
        sign="Prometheus gets no metrics",
        severity="page",
        lasting="2m",
        board="overview",
        why="The gateway has stopped, or Prometheus cannot reach it. In the second case every other alert is blind.",
        steps=(
            "`curl` its `/readyz`. Does it answer? Then the scrape is at fault: address, port and firewall of the job.",
            "It does not answer: look at its log and at the last lines of its service manager, and start it again.",
        ),
        cases=_gone,
    ),
    "ledger_violation": Condition(
        sign="a proof of the ledger found an invariant broken, in the last hour",
        severity="page",
        lasting="0m",
        board="money",
        why="The books do not add up: money was counted twice, lost, or changed by hand. It is watched as often as a"
        " proof is asked for: have a timer ask for `GET /admin/v1/ledger/proof`.",
        steps=(
            "`nexusflow ledger verify` names the rows that break the invariant.",
            "Counters alone are wrong: `nexusflow ledger rebuild` computes them again from the transfers.",
            "Transfers are wrong: keep a copy of the database and the journals as they are, and report it.",
        ),
        cases=_violation,
    ),
    "journal_age_seconds": Condition(
        sign="a record waits for the ledger",
        severity="page",
        lasting="0m",
        board="money",
        threshold=Decimal(300),
        unit="seconds",
        why="Calls are answered and recorded in the journal, but the ledger does not get them: balances are out of"
        " date, and the journal's disk fills.",
        steps=(
            "Is the database there, and does it take writes? A full disk and a lock held by another session are usual.",
            "The log of the gateway names the error of each attempt to post.",
            "When the database is back the backlog goes by itself; then run `nexusflow ledger verify`.",
        ),
        cases=_journal,
    ),
    "credential_bad": Condition(
        sign="a provider refuses our credential, or does not know the model",
        severity="page",
        lasting="0m",
        board="that of the provider",
        threshold=Decimal(0),
        unit="attempts in five minutes",
        why="A provider answered 401, 402, 403 or 404. The deployment is left alone for a minute each time, so that"
        " its calls go to other lanes, or fail.",
        steps=(
            "Has the provider's key been revoked, run out of money, or lost its right to this model?",
            "Put the new key where `credential` of the provider says, and restart the gateway.",
            "Does the provider still have a model of this name?",
        ),
        cases=_credential,
    ),
    "model_without_lanes": Condition(
        sign="every deployment of a model is down or cooling",
        severity="page",
        lasting="1m",
        board="that of the model",
        why="Calls of this model fail, unless it has fallbacks.",
        steps=(
            "The model's dashboard shows how attempts at each deployment end.",
            "A provider that is down: wait for it, or add a lane to another one.",
            "Cooling, after 429: ask the provider for more, or add a lane.",
        ),
        cases=_no_lane,
    ),
    "store_down": Condition(
        sign="a worker cannot use the database",
        severity="page",
        lasting="1m",
        board="operations",
        why="Without its database the gateway serves what it has set aside for, and then refuses calls.",
        steps=(
            "Is the database server there, and does the gateway reach it?",
            "The log of the gateway names the error.",
        ),
        cases=_at_all(catalogue.STORE_DOWN, "A worker cannot use its {{ $labels.store }}.", "store"),
    ),
    "limits_degraded": Condition(
        sign="limits are not shared between workers",
        severity="page",
        lasting="5m",
        board="operations",
        why="The store of the limits does not answer, and workers do as `limits.on_store_loss` says: each counts"
        " alone, lets everything pass, or refuses everything.",
        steps=("Is Redis there, and does the gateway reach it?", "The log of the gateway names the error."),
        cases=_at_all(catalogue.LIMITS_DEGRADED, "Limits are not shared between workers."),
    ),
    "disk_free_percent": Condition(
        sign="the disk with the journals fills up",
        severity="page",
        lasting="5m",
        board="operations",
        threshold=Decimal(10),
        unit="percent that are free",
        why="On this disk are the journals, and with SQLite the ledger. When it is full, calls are refused.",
        steps=(
            "What grew? The log, results of tasks, or the journals because the database is away?",
            "Make room, or give the folder a larger disk.",
        ),
        cases=_disk,
    ),
    "worker_restarts": Condition(
        sign="worker processes die",
        severity="page",
        lasting="0m",
        board="operations",
        threshold=Decimal(3),
        unit="worker processes that ended in ten minutes",
        why="Workers die and are started again. Each takes the calls that it had under way with it.",
        steps=(
            "Does the system kill them for memory? `dmesg` and the service manager tell.",
            "Otherwise the log holds a traceback: please report it.",
            "A restart that you asked for ends each worker too; then there is nothing to do.",
        ),
        cases=_restarts,
    ),
    "absorbed_cost_per_hour": Condition(
        sign="providers are owed what no customer pays",
        severity="page",
        lasting="0m",
        board="money",
        threshold=Decimal(10),
        unit="units of the currency an hour",
        why="Providers charge for calls that customers do not pay for: errors, lost attempts, clients that left.",
        steps=(
            "The money dashboard shows the reason.",
            "Is one provider slow or broken, so that attempts are lost and made again? Lower its priority.",
            "`billing` of a provider and of a model says who pays for calls that do not end well.",
        ),
        cases=_absorbed,
    ),
    "estimated_tokens_percent": Condition(
        sign="tokens are charged as we estimate them",
        severity="ticket",
        lasting="30m",
        board="money",
        threshold=Decimal(5),
        unit="percent of the output tokens",
        why="A provider reports no usage, or streams are cut off. What customers pay then rests on our estimate.",
        steps=(
            "Which provider? `nexusflow usage calls` shows the source of each call's tokens.",
            "Does it send usage in streams only when asked? See `stream_usage` of the provider.",
        ),
        cases=_estimated,
    ),
    "certificate_days": Condition(
        sign="a provider's certificate ends soon",
        severity="ticket",
        lasting="1h",
        board="that of the provider",
        threshold=Decimal(14),
        unit="days that are left",
        why="When it has ended, the gateway refuses to speak to this provider.",
        steps=("Tell whoever runs the provider, above all where that is you.",),
        cases=_certificate,
    ),
    "budget_used_percent": Condition(
        sign="a budget is nearly used up",
        severity="ticket",
        lasting="0m",
        board="money",
        threshold=Decimal(90),
        unit="percent of a budget",
        why="When a hard budget is used up, calls that count towards it are refused.",
        steps=(
            "`nexusflow budgets list` shows each one, and whose it is.",
            "Is the use as it should be? Then raise the amount; otherwise look at `nexusflow usage report`.",
        ),
        cases=_budget,
    ),
}
"""By what `when` of an alert says."""
