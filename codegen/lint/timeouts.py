"""NF303 and NF306: timeouts that outlast the phase around them, or the same one of a wider place."""

from collections.abc import Iterator

from codegen import spec
from codegen.diagnostics import Diagnostic, Label
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
    counts is what holds in the end: a lane's timeouts replace its model's, those its provider's, those the gateway's.

    ## Bad
        providers:
          openai:
            timeouts: {first_byte_seconds: 300, total_seconds: 120}

    ## Good
        providers:
          openai:
            timeouts: {first_byte_seconds: 60, total_seconds: 120}
    """
    for levels in _chains(context):
        path, owner, _ = levels[-1]
        seconds = timeouts(*(level for _, _, level in levels))
        for narrow, wide in NESTED:
            written = [(*path, field) for field in (narrow, wide) if (*path, field) in context.tree.keys]
            if not written or seconds[narrow] <= seconds[wide]:
                continue
            lower = f"lower `{narrow}` to at most {seconds[wide]:g}"
            yield context.report(
                "NF303",
                f"`{narrow}` of {owner} is {seconds[narrow]:g}, longer than its `{wide}` of {seconds[wide]:g}",
                written[0],
                help=(f"{lower}, or raise `{wide}` to at least {seconds[narrow]:g}",),
                fix=context.replace(written[0], seconds[wide], lower) if written[0][-1] == narrow else None,
            )


@rule("NF306", "longer-than-wider-timeout")
def longer_than_wider_timeout(context: Context) -> Iterator[Diagnostic]:
    """A provider, a model or a lane has a timeout that is longer than what a wider place allows.

    ## Why
    What stands under `gateway.timeouts` is a promise to every caller, and what stands at a provider or a model one to
    whoever uses that; one lane that takes longer breaks it for all of them. From wide to narrow: the gateway, the
    provider, the model, the lane. A timeout that the wider place does not write may be chosen freely.

    ## Bad
        gateway:
          timeouts: {total_seconds: 120}
        models:
          gpt:
            timeouts: {total_seconds: 300}

    ## Good
        gateway:
          timeouts: {total_seconds: 300}
        models:
          gpt:
            timeouts: {total_seconds: 300}
    """
    for levels in _chains(context):
        path, owner, own = levels[-1]
        for field in _FIELDS:
            seconds, at = getattr(own, field), (*path, field)
            wider = [level for level in levels[:-1] if (*level[0], field) in context.tree.keys]
            if seconds is None or not wider:
                continue
            most, holder = getattr(wider[-1][2], field), wider[-1][1]
            if seconds <= most:
                continue
            lower = f"lower it to at most {most:g}"
            yield context.report(
                "NF306",
                f"`{field}` of {owner} is {seconds:g}, longer than the {most:g} of {holder}",
                at,
                help=(f"{lower}, or raise `{field}` of {holder} to at least {seconds:g}",),
                secondary=(Label(context.tree.at((*wider[-1][0], field)), "the wider timeout"),),
                fix=context.replace(at, most, lower),
            )


_NONE = spec.TimeoutOverrides()
_FIELDS = spec.Timeouts.__struct_fields__


def _chains(context: Context) -> Iterator[tuple[Level, ...]]:
    """Each place with timeouts, the last of its tuple, behind all that it inherits from; a model once per provider."""
    document = context.document
    top: Level = (("gateway", "timeouts"), "the gateway", document.gateway.timeouts)
    yield (top,)
    middle: dict[str, Level] = {
        name: (("providers", name, "timeouts"), f"provider `{name}`", provider.timeouts)
        for name, provider in document.providers.items()
    }
    yield from ((top, level) for level in middle.values() if level[2] != _NONE)
    for name, model in document.models.items():
        known = [lane.provider for lane in model.lanes if lane.provider in middle]
        whole: Level = (("models", name, "timeouts"), f"model `{name}`", model.timeouts)
        if model.timeouts != _NONE:
            yield from ((top, middle[provider], whole) for provider in dict.fromkeys(known))
        for at, lane in enumerate(model.lanes):
            if lane.timeouts != _NONE and lane.provider in middle:
                path = ("models", name, "lanes", at, "timeouts")
                yield (top, middle[lane.provider], whole, (path, f"a lane of model `{name}`", lane.timeouts))
