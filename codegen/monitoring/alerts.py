"""The alerts of one gateway: those of gateway.yaml, and the built-in one of each condition that it names none for."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from codegen import spec
from codegen.monitoring.conditions import CONDITIONS, Case, Condition
from codegen.monitoring.facts import Facts
from codegen.monitoring.queries import GATEWAY


class Watch(Struct, frozen=True, kw_only=True):
    """One alert: its `name`, which condition it watches, beyond which threshold, and who hears of it."""

    name: str
    when: str
    threshold: Decimal
    cases: tuple[Case, ...]
    notify: tuple[spec.WebhookNotice, ...] = ()

    @property
    def condition(self) -> Condition:
        """What there is to know of its kind."""
        return CONDITIONS[self.when]


def watches(facts: Facts) -> tuple[Watch, ...]:
    """All alerts that can fire here, in the order of the conditions."""
    return tuple(watch for when in CONDITIONS for watch in _of(facts, when) if watch.cases)


def _of(facts: Facts, when: str) -> Iterator[Watch]:
    wanted = [alert for alert in facts.alerts if alert.when == when]
    if not wanted:
        yield _watch(facts, spec.Alert(name=when, when=when))  # type: ignore[arg-type]  # one of the words of `when`
    for alert in wanted:
        yield _watch(facts, alert)


def cases_of(facts: Facts, alert: spec.Alert) -> tuple[Case, ...]:
    """What an alert watches; nothing where it could never fire."""
    return tuple(CONDITIONS[alert.when].cases(facts, _threshold(alert)))


def _watch(facts: Facts, alert: spec.Alert) -> Watch:
    return Watch(
        name=alert.name,
        when=alert.when,
        threshold=_threshold(alert),
        cases=cases_of(facts, alert),
        notify=alert.notify or (),
    )


def _threshold(alert: spec.Alert) -> Decimal:
    usual = CONDITIONS[alert.when].threshold
    return Decimal(alert.threshold) if alert.threshold is not None else usual or Decimal(0)


def rules(facts: Facts, runbooks: str) -> list[dict[str, Any]]:
    """The alerting rules, a group for each alert; `runbooks` is where their pages are."""
    return [
        {
            "name": f"nexusflow/{facts.name}/{watch.name}",
            "rules": [_rule(facts, watch, case, runbooks) for case in watch.cases],
        }
        for watch in watches(facts)
    ]


def _rule(facts: Facts, watch: Watch, case: Case, runbooks: str) -> dict[str, Any]:
    return {
        "alert": watch.name,
        "expr": case.expr,
        "for": watch.condition.lasting,
        "labels": {GATEWAY: facts.name, "severity": watch.condition.severity, "when": watch.when, **case.labels},
        "annotations": {"summary": case.happened, "runbook_url": f"{runbooks}/{watch.name}.md"},
    }
