"""What a model narrows in a chat request: which parameters it refuses, and how it bounds the others."""

from codegen import spec
from nexusflow.ir.plan import FieldRule, RequestShape

# Parameters of ChatRequest that an artifact may narrow, by the kind of bound that makes sense for them.
NUMBERS = {
    "max_tokens": int,
    "max_completion_tokens": int,
    "n": int,
    "seed": int,
    "top_logprobs": int,
    "temperature": float,
    "top_p": float,
    "presence_penalty": float,
    "frequency_penalty": float,
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
    elif rule.min is not None or rule.max is not None:
        before = rules.get(name)
        minimum = rule.min if rule.min is not None else before.minimum if before else None
        maximum = rule.max if rule.max is not None else before.maximum if before else None
        rules[name] = FieldRule(name=name, minimum=minimum, maximum=maximum)
