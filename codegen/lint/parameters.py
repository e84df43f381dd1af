"""NF304 and NF305: rules about request parameters that contradict themselves, or that nothing can check."""

from collections.abc import Iterator
from typing import NamedTuple

from codegen import spec
from codegen.diagnostics import Diagnostic, Severity
from codegen.lint.context import Context
from codegen.rules import rule
from codegen.shapes import KNOWN, NUMBERS
from codegen.source import Path

WORDS = frozenset(("reasoning_effort", "verbosity", "service_tier", "user", "tool_choice", "function_call", "stop"))
"""Parameters that can be one word."""
FLAGS = frozenset(("logprobs", "parallel_tool_calls", "store"))
GATEWAY = frozenset(("model", "messages", "stream", "stream_options"))
"""Parameters that steer the gateway itself."""


class Entry(NamedTuple):
    """One entry of `parameters`: the model it belongs to, its path, the parameter's name, the rule."""

    model: spec.Model
    path: Path
    name: str
    rule: spec.ParameterRule


Problem = tuple[str, str, str]
"""The field that is wrong, what is wrong with it, and what to do."""


@rule("NF304", "strange-parameter")
def strange_parameter(context: Context) -> Iterator[Diagnostic]:
    """A rule about a request parameter contradicts itself, or says what cannot be checked.

    ## Why
    Bounds that exclude each other refuse every request, a default outside of them makes requests fail that name no
    value, and bounds on something that is no number would do nothing.

    ## Bad
        models:
          gpt:
            parameters:
              temperature: {min: 0, max: 1, default: 1.5}

    ## Good
        models:
          gpt:
            parameters:
              temperature: {min: 0, max: 1, default: 0.5}
    """
    for entry in _entries(context):
        for field, what, remedy in _problems(entry):
            path = (*entry.path, field) if field else entry.path
            message = f"`{entry.name}` of model `{entry.path[1]}` {what}"
            yield context.report("NF304", message, path, key=not field, help=(remedy,))


@rule("NF305", "loose-bound", Severity.WARNING)
def loose_bound(context: Context) -> Iterator[Diagnostic]:
    """A bound is wider than what the chat protocol takes.

    ## Why
    `parameters` narrows what a caller may send. A bound beyond the protocol's own lets values through that most
    providers refuse, and clients that check their requests can never send them.

    ## Bad
        models:
          gpt:
            parameters:
              temperature: {min: 0, max: 5}

    ## Good
        models:
          gpt:
            parameters:
              temperature: {min: 0, max: 2}
    """
    for entry in _entries(context):
        known = NUMBERS.get(entry.name)
        if known is None:
            continue
        for field, bound in (("min", entry.rule.min), ("max", entry.rule.max)):
            if bound is not None and not known.minimum <= bound <= known.maximum:
                range_ = f"from {known.minimum} to {known.maximum}"
                yield context.report(
                    "NF305",
                    f"`{entry.name}` of model `{entry.path[1]}` has {field} {bound:g}; the protocol takes {range_}",
                    (*entry.path, field),
                    help=(f"choose a value {range_}",),
                )


def _entries(context: Context) -> Iterator[Entry]:
    for name, model in context.document.models.items():
        for parameter, rule_ in model.parameters.items():
            yield Entry(model, ("models", name, "parameters", parameter), parameter, rule_)


def _problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with one entry. The first kind that applies makes the others pointless."""
    name, rule_ = entry.name, entry.rule
    if name in GATEWAY:
        if name in ("model", "messages") or rule_ != spec.ParameterRule(accept=False):
            yield "", "steers the gateway itself and cannot be narrowed", "remove the rule"
        return
    bound = "min" if rule_.min is not None else "max" if rule_.max is not None else None
    if not rule_.accept and (bound or rule_.allowed):
        yield "accept", "is not accepted, so its other rules are never used", "remove `accept: false`, or the others"
    elif bound and name not in NUMBERS:
        what = (
            "is no number and takes no" if name in KNOWN else "is no parameter of chat completions, which ignores its"
        )
        remedy = "set `capabilities.stop_max` instead" if name == "stop" else "remove it"
        yield bound, f"{what} `{bound}`", remedy
    elif rule_.allowed is not None and name not in WORDS:
        what = "is no word and takes no" if name in KNOWN else "is no parameter of chat completions, which ignores its"
        yield "allowed", f"{what} `allowed`", "remove it"
    elif name in NUMBERS and bound and (contradiction := _contradiction(entry)):
        yield bound, contradiction, "change one of the two"
    elif rule_.default is not None:
        yield from _default(entry, rule_.default)


def _effective(entry: Entry) -> tuple[int | float, int | float]:
    """The bounds that hold in the end: what the rule says, else what the model's own limits say, else the protocol."""
    known, rule_ = NUMBERS[entry.name], entry.rule
    own = {
        "n": entry.model.capabilities.n_max,
        "max_tokens": entry.model.max_output_tokens,
        "max_completion_tokens": entry.model.max_output_tokens,
    }.get(entry.name)
    top = own if own is not None else known.maximum
    return (
        rule_.min if rule_.min is not None else known.minimum,
        rule_.max if rule_.max is not None else top,
    )


def _contradiction(entry: Entry) -> str | None:
    low, high = _effective(entry)
    if low > high:
        return f"must be at least {low:g} and at most {high:g}, which no value is"
    if NUMBERS[entry.name].kind is int:
        broken = [bound for bound in (entry.rule.min, entry.rule.max) if bound is not None and bound != int(bound)]
        if broken:
            return f"is a whole number and cannot be bound by {broken[0]:g}"
    return None


def _default(entry: Entry, default: str | int | float | bool) -> Iterator[Problem]:
    """What is wrong with the value that is sent when a request has none."""
    name, allowed = entry.name, entry.rule.allowed
    if name in NUMBERS:
        number = isinstance(default, int | float) and not isinstance(default, bool)
        low, high = _effective(entry)
        whole = NUMBERS[name].kind is int
        if not number or (whole and not isinstance(default, int)):
            kind = "whole number" if whole else "number"
            yield "default", f"is a {kind}, and its default is not", f"write a {kind}"
        elif isinstance(default, int | float) and not low <= default <= high:
            yield (
                "default",
                f"has default {default:g}, outside {low:g} to {high:g}",
                "choose a default within the bounds",
            )
    elif name in FLAGS:
        if not isinstance(default, bool):
            yield "default", "is true or false, and its default is neither", "write true or false"
    elif name in WORDS:
        if not isinstance(default, str):
            yield "default", "is a word, and its default is not", "write text"
        elif allowed is not None and default not in allowed:
            yield "default", f"has default `{default}`, which is not among its allowed words", "add it to `allowed`"
    elif name in KNOWN:
        yield "default", "is neither a number nor a word, so it can have no default", "remove `default`"
