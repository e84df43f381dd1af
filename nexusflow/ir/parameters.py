"""How each client protocol spells the request parameters that `gateway.yaml` names as Chat does."""

SPELLINGS: dict[str, dict[str, str]] = {
    "openai/responses": {
        "max_tokens": "max_output_tokens",
        "max_completion_tokens": "max_output_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_logprobs": "top_logprobs",
        "tools": "tools",
        "tool_choice": "tool_choice",
        "parallel_tool_calls": "parallel_tool_calls",
        "metadata": "metadata",
        "service_tier": "service_tier",
        "store": "store",
        "user": "user",
    },
    "anthropic/messages": {
        "max_tokens": "max_tokens",
        "max_completion_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "stop": "stop_sequences",
        "tools": "tools",
        "tool_choice": "tool_choice",
        "metadata": "metadata",
        "service_tier": "service_tier",
        "speed": "speed",
        "inference_geo": "inference_geo",
    },
    "google/generate-content": {
        "max_tokens": "maxOutputTokens",
        "max_completion_tokens": "maxOutputTokens",
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "stop": "stopSequences",
        "n": "candidateCount",
        "seed": "seed",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "top_logprobs": "logprobs",
        "tools": "tools",
        "tool_choice": "toolConfig",
        "service_tier": "serviceTier",
    },
}
"""By client protocol: Chat's name to its own. Gemini's, but for `tools`, `toolConfig` and `serviceTier`, stand inside
`generationConfig`. A name that is missing has no place there; Chat itself needs no table."""

GEMINI_TOP_LEVEL = frozenset(("tools", "toolConfig", "serviceTier"))


def spelled(protocol: str, name: str) -> str | None:
    """`name` in the spelling of `protocol`; None when the protocol has no such parameter."""
    table = SPELLINGS.get(protocol)
    return name if table is None else table.get(name)
