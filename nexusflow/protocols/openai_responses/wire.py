"""Typed wire forms of OpenAI Responses. Source: OpenAI's OpenAPI description of August 2026 (protocols 1.3).

The request is validated with these structs and forwarded from its raw fields, so a struct lists what we check and
leaves everything else alone. Generated artifacts narrow `ResponsesRequest` per model and never widen it.
"""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

ABSENT = Raw()
"""What a raw member is that did not come: `Raw | None` takes nothing but null. One that came as null is `null`."""

# Parts of protocols 1.3 that are media; unlisted types are text to us.
PART_MODALITIES = {"input_image": "image", "input_audio": "audio", "input_file": "file", "input_video": "video"}


class Part(Struct, frozen=True, gc=False):
    """One piece of an item's content."""

    type: str | None = None


class InputItem(Struct, frozen=True):
    """One input item. Messages may leave out their type; other items have no role."""

    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    output: Any = None


class Tool(Struct, frozen=True, gc=False):
    """One tool. Providers have tool types of their own, which are forwarded."""

    type: str
    name: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class Format(Struct, frozen=True, gc=False):
    """`text.format`."""

    type: str | None = None


class TextConfig(Struct, frozen=True):
    """`text`; other members are forwarded."""

    format: Format | None = None
    verbosity: str | None = None


class ReasoningConfig(Struct, frozen=True, gc=False):
    """`reasoning`; other members are forwarded."""

    effort: str | None = None
    summary: str | None = None


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/responses`. Ranges are the protocol's; artifacts narrow them per model."""

    model: str
    input: str | list[InputItem] | None = None
    instructions: str | list[InputItem] | None = None
    stream: bool | None = None
    stream_options: dict[str, Raw] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Raw] | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    include: list[str] | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Raw] | None = None
    store: bool | None = None
    background: bool | None = None
    background_options: dict[str, Raw] | None = None
    truncation: str | None = None
    context_management: list[dict[str, Raw]] | None = None
    prompt: dict[str, Raw] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Raw] | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    moderation: dict[str, Raw] | None = None
    metadata: dict[str, str] | None = None
    image: dict[str, Raw] | None = None
    access_programs: dict[str, Raw] | None = None
    user: str | None = None


class Peek(Struct, frozen=True):
    """The least of a streamed event on the identity lane. Decoding it proves the JSON well-formed."""

    type: str = ""
    response: Raw = ABSENT
    error: Any = None
    code: Any = None
    message: Any = None


class ItemPeek(Struct, frozen=True, gc=False):
    """Enough of an output item to count it."""

    type: Any = None
    status: Any = None
