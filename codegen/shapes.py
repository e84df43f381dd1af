"""What a model narrows in the requests of each client protocol: what it refuses, and how it bounds the rest."""

from typing import NamedTuple

import msgspec

from codegen import media, spec
from nexusflow.ir.parameters import spelled
from nexusflow.ir.plan import FieldRule, Protocol, RequestShape


class Range(NamedTuple):
    """A numeric parameter: its type and the protocol's own bounds, inclusive (protocols 1.2.1)."""

    kind: type[int] | type[float]
    minimum: int | float
    maximum: int | float


# The parameters of ChatRequest that an artifact may narrow. A test holds this table against the struct.
NUMBERS = {
    "max_tokens": Range(int, 1, 1_000_000_000),
    "max_completion_tokens": Range(int, 1, 1_000_000_000),
    "n": Range(int, 1, 128),
    "seed": Range(int, -(2**63), 2**63 - 1),
    "top_logprobs": Range(int, 0, 20),
    "temperature": Range(float, 0, 2),
    "top_p": Range(float, 0, 1),
    "presence_penalty": Range(float, -2, 2),
    "frequency_penalty": Range(float, -2, 2),
}
OTHERS = frozenset(
    (
        "stop",
        "logprobs",
        "logit_bias",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "verbosity",
        "modalities",
        "audio",
        "prediction",
        "service_tier",
        "store",
        "metadata",
        "user",
        "functions",
        "function_call",
        "web_search_options",
    )
)
KNOWN = NUMBERS.keys() | OTHERS
TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")


_MEDIA = {"n": Range(int, 1, 64), "seed": Range(int, 0, 2**53 - 1), "duration": Range(int, 1, 3_600)}
BOUNDS: dict[str, dict[str, Range]] = {
    "openai/chat-completions": NUMBERS,
    "openai/responses": {
        "max_output_tokens": Range(int, 1, 1_000_000_000),
        "temperature": Range(float, 0, 2),
        "top_p": Range(float, 0, 1),
        "top_logprobs": Range(int, 0, 20),
    },
    "anthropic/messages": {
        "max_tokens": Range(int, 0, 1_000_000_000),
        "temperature": Range(float, 0, 1),
        "top_p": Range(float, 0, 1),
        "top_k": Range(int, 0, 1_000_000_000),
    },
    "nexusflow/tasks": _MEDIA,
    "openai/image-generations": {"n": Range(int, 1, 10), "seed": _MEDIA["seed"]},
    "google/generate-content": {
        "maxOutputTokens": Range(int, 1, 1_000_000_000),
        "temperature": Range(float, 0, 2),
        "topP": Range(float, 0, 1),
        "topK": Range(float, 0, 1_000_000),
        "candidateCount": Range(int, 1, 128),
        "seed": Range(int, -(2**31), 2**31 - 1),
        "presencePenalty": Range(float, -2, 2),
        "frequencyPenalty": Range(float, -2, 2),
        "logprobs": Range(int, 0, 20),
    },
}
"""By client protocol: the numeric parameters in its own spelling. Tests hold them against the request structs."""

LISTS = {
    "openai/chat-completions": "stop",
    "anthropic/messages": "stop_sequences",
    "google/generate-content": "stopSequences",
    "nexusflow/tasks": "reference_urls",
}
"""By client protocol: the list whose length a model may bound."""


FIELDS: dict[str, frozenset[str]] = {
    protocol: frozenset((*bounds, *(own for name in OTHERS if (own := spelled(protocol, name)) is not None)))
    for protocol, bounds in BOUNDS.items()
} | media.FIELDS
"""By client protocol: every field that an artifact may narrow."""


def narrow(model: spec.Model, protocol: Protocol, native: bool, *, unpriced_search: bool = False) -> RequestShape:
    """The narrowings of `model` over `protocol`, sorted, so that models that narrow alike share one struct.

    Hints that are left out with a warning (sampling, penalties) are no matter of it. Whether calls may be parallel is
    only refused where a provider speaks the client's own protocol (`native`) and would refuse it itself. So is a
    search of the web that has no price (`unpriced_search`, B-13), and sound from a model that makes none.
    """
    if protocol in media.FIELDS:
        narrowed = media.narrowed(protocol, model.media) if model.media is not None else []
        return RequestShape(protocol, tuple(_bounded(protocol, rule.name, rule) for rule in narrowed))
    if protocol not in BOUNDS:
        return RequestShape(protocol, ())
    rules = _implied(model, native, chat=protocol == "openai/chat-completions")
    if unpriced_search and "web_search_options" not in model.parameters:
        rules["web_search_options"] = FieldRule(name="web_search_options", accept=False)
    if native and "audio" not in model.output and "audio" not in model.parameters and not model.free:
        rules["audio"] = FieldRule(name="audio", accept=False)
    for name, rule in model.parameters.items():
        if name in KNOWN:
            _merge(rules, name, rule)
    fields: dict[str, FieldRule] = {}
    for name, found in sorted(rules.items()):
        own = spelled(protocol, name)
        if own is not None:
            fields.setdefault(own, _bounded(protocol, own, found))
    return RequestShape(protocol, tuple(fields[name] for name in sorted(fields)))


def _implied(model: spec.Model, native: bool, chat: bool) -> dict[str, FieldRule]:
    """What the capabilities imply."""
    flags = model.capabilities
    rules: dict[str, FieldRule] = {}
    for off, names in (
        (flags.tools is False, TOOLS),
        (native and flags.parallel_tools is False, ("parallel_tool_calls",)),
        (flags.logprobs is False, ("logprobs", "top_logprobs")),
        (flags.stop_max == 0, ("stop",)),
    ):
        if off:
            rules.update({name: FieldRule(name=name, accept=False) for name in names})
    if flags.stop_max:
        rules["stop"] = FieldRule(name="stop", maximum=flags.stop_max)
    if flags.n_max is not None:
        rules["n"] = FieldRule(name="n", minimum=1, maximum=flags.n_max)
    if chat and model.max_output_tokens is not None:
        for name in ("max_tokens", "max_completion_tokens"):
            rules[name] = FieldRule(name=name, minimum=1, maximum=model.max_output_tokens)
    return rules


def _bounded(protocol: Protocol, own: str, rule: FieldRule) -> FieldRule:
    """A rule in the protocol's spelling and within its own bounds, so that a struct never widens its base."""
    known = BOUNDS[protocol].get(own)
    if not rule.accept or known is None or rule.minimum is None or rule.maximum is None:
        return msgspec.structs.replace(rule, name=own)
    return FieldRule(name=own, minimum=max(rule.minimum, known.minimum), maximum=min(rule.maximum, known.maximum))


def _merge(rules: dict[str, FieldRule], name: str, rule: spec.ParameterRule) -> None:
    """An explicit rule wins over what the capabilities imply."""
    if not rule.accept:
        rules[name] = FieldRule(name=name, accept=False)
    elif name in NUMBERS and (rule.min is not None or rule.max is not None):
        before = rules.get(name)
        known = before if before is not None and before.accept else NUMBERS[name]
        rules[name] = FieldRule(
            name=name,
            minimum=rule.min if rule.min is not None else known.minimum,
            maximum=rule.max if rule.max is not None else known.maximum,
        )
