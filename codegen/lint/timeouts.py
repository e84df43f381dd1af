"""NF303: timeouts of one phase that outlast the phase around them."""

from collections.abc import Iterator

from codegen import spec
from codegen.diagnostics import Diagnostic
from codegen.lint.context import Context
from codegen.resolve import timeouts
from codegen.rules import rule
from codegen.source import Path

# Each phase lies within the other (reliability 1.4). A write stall is about the client, so it lies within none.
NESTED = (
    ("connect_seconds", "first_byte_seconds"),
    ("first_byte_seconds", "total_seconds"),
    ("first_byte_seconds", "stream_total_seconds"),
    ("idle_seconds", "stream_total_seconds"),
)

Level = tuple[Path, str, spec.Timeouts | spec.TimeoutOverrides]
"""Where timeouts stand, whose they are, and the timeouts."""


@rule("NF303", "narrow-timeout")
def narrow_timeout(context: Context) -> Iterator[Diagnostic]:
    """A phase of a call may take longer than the phase that contains it.

    ## Why
    The longer timeout could never be reached: the shorter one around it ends the call first, under another name. What
    counts is what holds in the end: a lane's timeouts replace those of its provider, which replace the gateway's.

    ## Bad
        providers:
          openai:
            timeouts: {first_byte_seconds: 300, total_seconds: 120}

    ## Good
        providers:
          openai:
            timeouts: {first_byte_seconds: 60, total_seconds: 120}
    """
    document = context.document
    top: Level = (("gateway", "timeouts"), "the gateway", document.gateway.timeouts)
    yield from _check(context, top)
    for name, provider in document.providers.items():
        if provider.timeouts != _NONE:
            yield from _check(context, top, (("providers", name, "timeouts"), f"provider `{name}`", provider.timeouts))
    for name, model in document.models.items():
        for at, lane in enumerate(model.lanes):
            if lane.timeouts == _NONE or lane.provider not in document.providers:
                continue
            path, owner = ("models", name, "lanes", at, "timeouts"), f"a lane of model `{name}`"
            middle: Level = (
                ("providers", lane.provider, "timeouts"),
                f"provider `{lane.provider}`",
                document.providers[lane.provider].timeouts,
            )
            yield from _check(context, top, middle, (path, owner, lane.timeouts))


_NONE = spec.TimeoutOverrides()


def _check(context: Context, *levels: Level) -> Iterator[Diagnostic]:
    """What is wrong because of what the last level says; a level above answers for itself."""
    path, owner, _ = levels[-1]
    seconds = timeouts(*(level for _, _, level in levels))
    for narrow, wide in NESTED:
        written = [(*path, field) for field in (narrow, wide) if (*path, field) in context.tree.keys]
        if not written or seconds[narrow] <= seconds[wide]:
            continue
        yield context.report(
            "NF303",
            f"`{narrow}` of {owner} is {seconds[narrow]:g}, longer than its `{wide}` of {seconds[wide]:g}",
            written[0],
            help=(f"lower `{narrow}` to at most {seconds[wide]:g}, or raise `{wide}` to at least {seconds[narrow]:g}",),
        )
