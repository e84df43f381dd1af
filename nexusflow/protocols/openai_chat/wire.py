"""Typed wire forms of OpenAI Chat Completions. Source: OpenAI's OpenAPI description of August 2026 (protocols 1.2.1).

The request is validated with these structs and forwarded from its raw fields, so a struct lists what we check and
leaves everything else alone. Generated artifacts narrow `ChatRequest` per model and never widen it.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
MAX_INTEGER = 9_223_372_036_854_775_807

# Parts of protocols 1.2.2 and the media parts that compatible providers add; unlisted types are forwarded as text.
PART_MODALITIES = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "document_url": "file",
}


class Part(Struct, frozen=True, gc=False):
    """One piece of a message's content."""

    type: str
    text: str | None = None


class Message(Struct, frozen=True):
    """One message. Content may be null or absent only where a role has other content, which the provider decides."""

    role: Role
    content: str | list[Part] | None = None


class FunctionTool(Struct, frozen=True, gc=False):
    """The definition inside a tool of type `function`."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]


class Tool(Struct, frozen=True):
    """One tool. Providers have tool types of their own, which are forwarded; some let the type go without saying."""

    type: str | None = None
    function: FunctionTool | None = None


class StreamOptions(Struct, frozen=True, gc=False):
    """`stream_options`; other members are forwarded."""

    include_usage: bool | None = None


class ChatRequest(Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/chat/completions`. Ranges are the protocol's; artifacts narrow them per model."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-MAX_INTEGER - 1, le=MAX_INTEGER)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=64)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Raw] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Raw] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Raw] | None = None
    prediction: dict[str, Raw] | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    functions: list[dict[str, Raw]] | None = None
    function_call: str | dict[str, Raw] | None = None
    web_search_options: dict[str, Raw] | None = None


class ErrorBody(Struct, frozen=True):
    """What a provider says went wrong. Compatible providers bend every member, hence `Any`."""

    message: Any = None
    type: Any = None
    param: Any = None
    code: Any = None


class ChoiceEnd(Struct, frozen=True, gc=False):
    """The members of a streamed choice that decide how a stream may end."""

    index: int = 0
    finish_reason: Any = None


class ChoiceStart(ChoiceEnd, frozen=True):
    """And the one that decides when it may begin."""

    delta: dict[str, Raw] | None = None


class ChunkPeek(Struct, frozen=True):
    """The least of a streamed chunk: enough to know errors, ends and usage. Decoding it proves the JSON well-formed."""

    choices: list[ChoiceEnd] | None = None
    model: str | None = None
    usage: Any = None
    error: Any = None


class FirstChunkPeek(ChunkPeek, frozen=True):
    """The same while nothing with content has come."""

    choices: list[ChoiceStart] | None = None  # type: ignore[assignment]  # narrower, and never written
