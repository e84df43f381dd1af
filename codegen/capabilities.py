"""Capabilities of a lane: what `gateway.yaml` says of the model, and the usual values of the provider's protocol."""

from typing import Any

import msgspec

from codegen import spec
from nexusflow.ir.capabilities import Capabilities, ReasoningFlags

_USUAL: dict[str, dict[str, Any]] = {
    "openai/chat-completions": {"stop_max": 4, "n_max": 128, "logprobs": True},
    "openai/responses": {
        "max_tokens_field": "max_completion_tokens",
        "penalties": False,
        "stop_max": 0,
        "developer_role": True,
        "system_parts": True,
        "custom_tools": True,
        "logprobs": True,
        "function_response_media": True,
    },
    "anthropic/messages": {
        "top_k": True,
        "penalties": False,
        "mid_system": False,
        "system_parts": True,
        "cache": "anthropic",
        "function_response_media": True,
    },
    "google/generate-content": {
        "top_k": True,
        "mid_system": False,
        "system_parts": True,
        "stop_max": 5,
        "prefill": True,
        "image_url": False,
    },
}
"""By upstream protocol: what differs from the defaults of `Capabilities` (protocols 1, 2.1 and 6)."""


_THINKING = {
    "openai/chat-completions": ReasoningFlags(shape="effort"),
    "openai/responses": ReasoningFlags(shape="effort"),
    "anthropic/messages": ReasoningFlags(shape="adaptive", values=("low", "medium", "high", "max"), legacy_budget=True),
    "google/generate-content": ReasoningFlags(shape="level", values=("minimal", "low", "medium", "high")),
}


def resolve(model: spec.Model, provider: spec.Provider) -> Capabilities:
    """Every flag of `model` behind `provider`."""
    usual = _USUAL.get(provider.protocol, _USUAL["openai/chat-completions"])
    flags = msgspec.structs.asdict(model.capabilities)
    known = Capabilities.__struct_fields__
    said = {name: value for name, value in flags.items() if value is not None and name in known and name != "reasoning"}
    return Capabilities(
        **{
            **usual,
            **said,
            "reasoning": _reasoning(model.capabilities.reasoning),
            "max_output_tokens": model.max_output_tokens,
            "input": model.input,
            "output": model.output,
            "stream_usage": provider.stream_usage,
        }
    )


def usual(protocol: str) -> Capabilities:
    """A model of which nothing is said, behind a provider of `protocol`; it reads and thinks as its vendor's do."""
    media = {"input": ("text", "image", "audio", "video", "file")}
    return Capabilities(**{**_USUAL[protocol], **media, "reasoning": _THINKING[protocol], "max_output_tokens": 64_000})


def _reasoning(flags: spec.Reasoning | None) -> ReasoningFlags:
    if flags is None:
        return ReasoningFlags(shape="none")
    return ReasoningFlags(
        shape=flags.shape,
        values=flags.values,
        always_on=flags.always_on,
        legacy_budget=flags.legacy_budget,
        roundtrip=flags.roundtrip,
    )
