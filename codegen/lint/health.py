"""NF307: a provider that is out before it is degraded."""

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
