"""Typed wire form of an Anthropic Messages request. Source: the official SDK's types of October 2026 (protocols 1.4.1).

The request is validated with these structs and forwarded from its raw fields, so a struct lists what we check and
leaves everything else alone. Generated artifacts narrow `MessagesRequest` per model and never widen it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

Role = Literal["user", "assistant", "system"]
MIN_THINKING_TOKENS = 1024
"""The least `thinking.budget_tokens` that the protocol takes."""

MEDIA_BLOCKS = {"image": "image", "document": "file"}
"""Blocks that are media, by the input modality that a model must have for them."""


class Source(Struct, frozen=True, gc=False):
    """Where the bytes of an image or a document are."""

    type: str = ""


class Block(Struct, frozen=True):
    """One piece of content. `source` is an object, or the name of a search result's source."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    content: Raw = Raw()


class Message(Struct, frozen=True):
    """One message. A `system` message among the others needs a model that takes them."""

    role: Role
    content: str | list[Block]


class Tool(Struct, frozen=True):
    """One tool: the caller's own (no type, or `custom`), or one that the provider defines."""

    type: str | None = None
    name: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    input_schema: dict[str, Raw] | None = None


class ToolChoice(Struct, frozen=True, gc=False):
    """`tool_choice`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Struct, frozen=True, gc=False):
    """`thinking`. Providers have types of their own, which are forwarded."""

    type: str
    budget_tokens: Annotated[int, Meta(ge=MIN_THINKING_TOKENS, le=1_000_000_000)] | None = None
    display: str | None = None


class OutputConfig(Struct, frozen=True):
    """`output_config`."""

    effort: str | None = None
    format: dict[str, Raw] | None = None


class PromptRequest(Struct, frozen=True, kw_only=True):
    """What `/v1/messages` and `/v1/messages/count_tokens` have in common."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    cache_control: dict[str, Raw] | None = None
    context_management: dict[str, Raw] | None = None
    mcp_servers: list[dict[str, Raw]] | None = None
    speed: str | None = None


class MessagesRequest(PromptRequest, frozen=True, kw_only=True):
    """The body of `POST /v1/messages`. Ranges are the protocol's; artifacts narrow them per model.

    `max_tokens` of 0 fills the cache without an answer.
    """

    max_tokens: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=8_192)] | None = None
    metadata: dict[str, Raw] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    container: str | dict[str, Raw] | None = None
    diagnostics: dict[str, Raw] | None = None
    compaction: dict[str, Raw] | None = None
    thread: str | dict[str, Raw] | None = None
    output_format: dict[str, Raw] | None = None
    fallbacks: str | list[dict[str, Raw]] | dict[str, Raw] | None = None
    fallback_credit_token: str | None = None
    billing_policy: str | dict[str, Raw] | None = None
