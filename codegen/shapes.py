"""What a model narrows in a chat request: which parameters it refuses, and how it bounds the others."""

from typing import NamedTuple

from codegen import spec
from nexusflow.ir.plan import FieldRule, RequestShape


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


def narrow(model: spec.Model) -> RequestShape:
    """The narrowings of `model`, sorted, so that models that narrow alike share one struct."""
    flags = model.capabilities
    rules: dict[str, FieldRule] = {}
    for off, names in (
        (flags.tools is False, TOOLS),
        (flags.parallel_tools is False, ("parallel_tool_calls",)),
        (flags.sampling is False, ("temperature", "top_p")),
        (flags.penalties is False, ("presence_penalty", "frequency_penalty")),
        (flags.logprobs is False, ("logprobs", "top_logprobs")),
        (flags.stop_max == 0, ("stop",)),
    ):
        if off:
            rules.update({name: FieldRule(name=name, accept=False) for name in names})
    if flags.stop_max:
        rules["stop"] = FieldRule(name="stop", maximum=flags.stop_max)
    if flags.n_max is not None:
        rules["n"] = FieldRule(name="n", minimum=1, maximum=flags.n_max)
    if model.max_output_tokens is not None:
        for name in ("max_tokens", "max_completion_tokens"):
            rules[name] = FieldRule(name=name, minimum=1, maximum=model.max_output_tokens)
    for name, rule in model.parameters.items():
        if name in KNOWN:
            _merge(rules, name, rule)
    return RequestShape(tuple(rules[name] for name in sorted(rules)))


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
