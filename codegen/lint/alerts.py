"""NF80x: alerts and objectives that would not do what they look like."""

from collections import Counter
from collections.abc import Iterator

from codegen.diagnostics import Diagnostic, Severity
from codegen.lint.context import Context
from codegen.monitoring.alerts import cases_of
from codegen.monitoring.conditions import CONDITIONS
from codegen.monitoring.facts import facts_of
from codegen.rules import rule


@rule("NF801", "alert-name-taken")
def alert_name_taken(context: Context) -> Iterator[Diagnostic]:
    """Two alerts or two objectives have one name, or an alert has the name of a built-in alert of another kind.

    ## Why
    Who is told, which runbook is opened and which budget is spent goes by that name. A condition that no alert names is
    watched by a built-in alert, which is called like the condition.

    ## Bad
        alerts:
          - {name: disk, when: disk_free_percent, threshold: "20"}
          - {name: disk, when: disk_free_percent, threshold: "5"}

    ## Good
        alerts:
          - {name: disk-filling, when: disk_free_percent, threshold: "20"}
          - {name: disk-full, when: disk_free_percent, threshold: "5"}
    """
    document = context.document
    names = {"alerts": [one.name for one in document.alerts], "slos": [one.name for one in document.slos]}
    for field, listed in names.items():
        seen: Counter[str] = Counter()
        for at, name in enumerate(listed):
            seen[name] += 1
            if seen[name] > 1:
                message = f"another of the `{field}` is called `{name}` too"
                yield context.report("NF801", message, (field, at, "name"), help=("choose another name",))
    for at, alert in enumerate(document.alerts):
        if alert.name in CONDITIONS and alert.name != alert.when:
            yield context.report(
                "NF801",
                f"`{alert.name}` is the name of the built-in alert of another condition",
                ("alerts", at, "name"),
                help=("choose another name",),
            )


@rule("NF802", "alert-never-fires", Severity.WARNING)
def alert_never_fires(context: Context) -> Iterator[Diagnostic]:
    """An alert has a threshold that its condition has no use for, or that nothing can pass.

    ## Why
    Some conditions hold or do not, with no number. And an error budget of 10 % cannot be spent 14 times too fast: even
    where every call fails it goes only 10 times too fast.

    ## Bad
        slos:
          - {name: most, success_rate: "90"}
        alerts:
          - {name: too-fast, when: burn_rate_fast, threshold: "50"}

    ## Good
        slos:
          - {name: most, success_rate: "90"}
        alerts:
          - {name: too-fast, when: burn_rate_fast, threshold: "5"}
    """
    facts = facts_of(context.document)
    for at, alert in enumerate(context.document.alerts):
        if alert.threshold is not None and CONDITIONS[alert.when].threshold is None:
            yield context.report(
                "NF802",
                f"`{alert.when}` holds or does not, so that a threshold means nothing",
                ("alerts", at, "threshold"),
                help=("remove `threshold`",),
            )
        elif not cases_of(facts, alert):
            yield context.report(
                "NF802",
                f"alert `{alert.name}` can never fire: no error budget can be spent so fast",
                ("alerts", at, "threshold" if alert.threshold is not None else "when"),
                help=("write a lower threshold, or promise more",),
            )


@rule("NF803", "objective-without-promise", Severity.WARNING)
def objective_without_promise(context: Context) -> Iterator[Diagnostic]:
    """An objective says neither how many calls succeed nor how fast they begin.

    ## Why
    There is nothing to hold the gateway to, and no alert comes of it.

    ## Bad
        slos:
          - {name: availability}

    ## Good
        slos:
          - {name: availability, success_rate: "99.9"}
    """
    for at, objective in enumerate(context.document.slos):
        if objective.success_rate is None and objective.ttft_p95_ms is None:
            yield context.report(
                "NF803",
                f"objective `{objective.name}` promises nothing",
                ("slos", at),
                help=("add `success_rate` or `ttft_p95_ms`",),
            )
