"""NF307 and NF308: thresholds in the wrong order."""

from collections.abc import Iterator

from codegen.diagnostics import Diagnostic
from codegen.lint.context import Context
from codegen.rules import rule


@rule("NF307", "down-before-degraded")
def down_before_degraded(context: Context) -> Iterator[Diagnostic]:
    """A provider is not used any more after fewer failures than it takes to be used last.

    ## Why
    Failures in a row first make a provider degraded, so that others go before it, and then down. With the smaller
    number at `down_after` the first step never happens; most often the two were mixed up.

    ## Bad
        providers:
          openai:
            health: {degraded_after: 6}

    ## Good
        providers:
          openai:
            health: {degraded_after: 6, down_after: 10}
    """
    for name, provider in context.document.providers.items():
        health = provider.health
        if health is None or health.degraded_after <= health.down_after:
            continue
        path = ("providers", name, "health")
        written = "degraded_after" if (*path, "degraded_after") in context.tree.keys else "down_after"
        yield context.report(
            "NF307",
            f"provider `{name}` is down after {health.down_after} failures, but degraded only after "
            f"{health.degraded_after}",
            (*path, written),
            help=(f"raise `down_after` to at least {health.degraded_after}, or lower `degraded_after`",),
        )


@rule("NF308", "hard-before-soft")
def hard_before_soft(context: Context) -> Iterator[Diagnostic]:
    """A worker refuses all calls at a load at which it does not yet refuse the less important ones.

    ## Why
    Between `soft` and `hard` the calls of sheddable and default keys are refused, so that those of critical keys go
    on. Where `hard` is not the larger number, all are refused at once; most often the two were mixed up.

    ## Bad
        gateway:
          overload:
            requests: {soft: 1000, hard: 500}

    ## Good
        gateway:
          overload:
            requests: {soft: 500, hard: 1000}
    """
    overload = context.document.gateway.overload
    for name in overload.__struct_fields__:
        bounds = getattr(overload, name)
        if bounds is not None and bounds.hard <= bounds.soft:
            yield context.report(
                "NF308",
                f"`{name}` is hard at {bounds.hard} already, and soft only at {bounds.soft}",
                ("gateway", "overload", name, "hard"),
                help=("make `hard` the larger number",),
            )
