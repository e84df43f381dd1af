"""The body of `POST /v1/chat/completions`, no field more than OpenAI takes (protocols 1.2.1, 1.2.2).

Where frameworks hand back what a library made of the model's own message, or describe an image with a field more,
OpenAI takes no notice of what it does not know: `Lenient`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Bound = Annotated[int, Meta(ge=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the body."""


class Lenient(Struct, frozen=True, kw_only=True):
    """A part of the body in which a field that OpenAI does not know changes nothing."""


class Breakpoint(Strict, frozen=True):
    """`prompt_cache_breakpoint`."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] = "30m"


class Text(Strict, frozen=True, tag_field="type", tag="text"):
    text: str
    prompt_cache_breakpoint: Breakpoint | None = None


class ImageUrl(Lenient, frozen=True):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class Image(Strict, frozen=True, tag_field="type", tag="image_url"):
    image_url: ImageUrl
    prompt_cache_breakpoint: Breakpoint | None = None


class Sound(Strict, frozen=True):
    data: str
    format: Literal["wav", "mp3"]


class Audio(Strict, frozen=True, tag_field="type", tag="input_audio"):
    input_audio: Sound
    prompt_cache_breakpoint: Breakpoint | None = None


class FileData(Strict, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class File(Strict, frozen=True, tag_field="type", tag="file"):
    file: FileData
    prompt_cache_breakpoint: Breakpoint | None = None


class Refusal(Strict, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


TextParts = Annotated[list[Text], Meta(min_length=1)]


class System(Strict, frozen=True, tag_field="role", tag="system"):
    content: str | TextParts
    name: str | None = None


class Developer(Strict, frozen=True, tag_field="role", tag="developer"):
    content: str | TextParts
    name: str | None = None


class User(Strict, frozen=True, tag_field="role", tag="user"):
    content: str | Annotated[list[Text | Image | Audio | File], Meta(min_length=1)]
    name: str | None = None


class FunctionCalled(Lenient, frozen=True):
    name: str
    arguments: str


class CustomCalled(Lenient, frozen=True):
    name: str
    input: str


class CalledFunction(Lenient, frozen=True, tag_field="type", tag="function"):
    id: Annotated[str, Meta(max_length=40)]
    function: FunctionCalled
    index: int | None = None


class CalledCustom(Lenient, frozen=True, tag_field="type", tag="custom"):
    id: Annotated[str, Meta(max_length=40)]
    custom: CustomCalled
    index: int | None = None


class Assistant(Lenient, frozen=True, tag_field="role", tag="assistant"):
    content: str | Annotated[list[Text | Refusal], Meta(min_length=1)] | None = None
    name: str | None = None
    refusal: str | None = None
    audio: dict[str, Any] | None = None
    annotations: list[Any] | None = None
    tool_calls: Annotated[list[CalledFunction | CalledCustom], Meta(min_length=1)] | None = None
    function_call: FunctionCalled | None = None
    reasoning_content: str | None = None


class ToolAnswer(Strict, frozen=True, tag_field="role", tag="tool"):
    content: str | TextParts
    tool_call_id: str
    name: str | None = None


class FunctionAnswer(Strict, frozen=True, tag_field="role", tag="function"):
    content: str | None
    name: str


Message = System | Developer | User | Assistant | ToolAnswer | FunctionAnswer


class Function(Strict, frozen=True):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Strict, frozen=True, tag_field="type", tag="function"):
    function: Function


class Custom(Strict, frozen=True):
    name: Name
    description: str | None = None
    format: dict[str, Any] | None = None


class CustomTool(Strict, frozen=True, tag_field="type", tag="custom"):
    custom: Custom


class Named(Strict, frozen=True):
    name: str


class ChosenFunction(Strict, frozen=True, tag_field="type", tag="function"):
    function: Named


class ChosenCustom(Strict, frozen=True, tag_field="type", tag="custom"):
    custom: Named


class AllowedTools(Strict, frozen=True):
    mode: Literal["auto", "required"]
    tools: list[ChosenFunction | ChosenCustom]


class ChosenAllowed(Strict, frozen=True, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


class JsonSchema(Strict, frozen=True):
    name: Name
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class FormatText(Strict, frozen=True, tag_field="type", tag="text"):
    """`response_format` of plain text."""


class FormatJson(Strict, frozen=True, tag_field="type", tag="json_object"):
    """`response_format` of any JSON object."""


class FormatSchema(Strict, frozen=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class StreamOptions(Strict, frozen=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Body(Strict, frozen=True):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    audio: dict[str, Any] | None = None
    frequency_penalty: Penalty | None = None
    function_call: str | Named | None = None
    functions: Annotated[list[Function], Meta(min_length=1)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Bound | None = None
    max_tokens: Bound | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    moderation: dict[str, Any] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    prediction: dict[str, Any] | None = None
    presence_penalty: Penalty | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    reasoning_effort: str | None = None
    response_format: FormatText | FormatJson | FormatSchema | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | ChosenCustom | ChosenAllowed | None = None
    tools: Annotated[list[FunctionTool | CustomTool], Meta(max_length=128)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: dict[str, Any] | None = None
