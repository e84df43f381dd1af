"""The body of `generateContent`, no field more than Gemini takes, in either case (protocols 1.5.1).

Google takes `generation_config` for `generationConfig` and so on; `shape` reads both.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from nexusflow.simulator.shape import Misfit, fit

Name = Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the body."""


class Blob(Strict, frozen=True):
    mime_type: str
    data: str
    display_name: str | None = None


class FileData(Strict, frozen=True):
    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Strict, frozen=True):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class ResponsePart(Strict, frozen=True):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Strict, frozen=True):
    name: str
    response: dict[str, Any]
    id: str | None = None
    parts: list[ResponsePart] | None = None
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(Strict, frozen=True):
    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    media_resolution: dict[str, Any] | None = None
    video_metadata: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None
    speech_metadata: dict[str, Any] | None = None


# The fields of a part of which it has exactly one.
DATA = (
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
    "code_execution_result", "tool_call", "tool_response",
)  # fmt: skip


class Content(Strict, frozen=True):
    parts: list[Part] = []
    role: str | None = None


class Schema(Strict, frozen=True):
    """The part of OpenAPI's schemas that `parameters` and `responseSchema` may have."""

    type: str | None = None
    any_of: list["Schema"] | None = None
    default: Any = None
    description: str | None = None
    enum: list[str] | None = None
    example: Any = None
    format: str | None = None
    items: "Schema | None" = None
    max_items: int | str | None = None
    max_length: int | str | None = None
    max_properties: int | str | None = None
    maximum: float | None = None
    min_items: int | str | None = None
    min_length: int | str | None = None
    min_properties: int | str | None = None
    minimum: float | None = None
    nullable: bool | None = None
    pattern: str | None = None
    properties: dict[str, "Schema"] | None = None
    property_ordering: list[str] | None = None
    required: list[str] | None = None
    title: str | None = None


class FunctionDeclaration(Strict, frozen=True):
    name: Name
    description: str | None = None
    behavior: str | None = None
    parameters: Schema | None = None
    parameters_json_schema: Any = None
    response: Any = None
    response_json_schema: Any = None


class Tool(Strict, frozen=True):
    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    computer_use: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None


class FunctionCallingConfig(Strict, frozen=True):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Strict, frozen=True):
    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: dict[str, Any] | None = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(Strict, frozen=True):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1)] | None = None
    thinking_level: str | None = None


class GenerationConfig(Strict, frozen=True):
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[float, Meta(ge=0)] | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    response_mime_type: Literal["", "text/plain", "application/json", "text/x.enum"] | None = None
    response_schema: Schema | None = None
    response_json_schema: Any = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_modalities: list[str] | None = None
    speech_config: dict[str, Any] | None = None
    media_resolution: str | None = None
    thinking_config: ThinkingConfig | None = None
    image_config: dict[str, Any] | None = None
    audio_transcription_config: dict[str, Any] | None = None
    enable_enhanced_civic_answers: bool | None = None


class Body(Strict, frozen=True):
    contents: list[Content] = []
    model: str | None = None
    system_instruction: Content | str | None = None
    tools: list[Tool] = []
    tool_config: ToolConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    continuation_token: str | None = None


class CountBody(Strict, frozen=True):
    contents: list[Content] = []
    generate_content_request: Body | None = None


class EmbedBody(Strict, frozen=True):
    content: Content
    model: str | None = None
    task_type: Literal[
        "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING",
        "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
    ] | None = None  # fmt: skip
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1)] | None = None


class BatchBody(Strict, frozen=True):
    requests: Annotated[list[EmbedBody], Meta(min_length=1, max_length=100)]


# Below these names nothing is Google's: what users or schemas name there stays as it is.
_FREE = frozenset((
    "args", "response", "parametersJsonSchema", "responseJsonSchema", "default", "example", "partMetadata", "enum",
))  # fmt: skip
_SINGLE = frozenset(("contents", "tools", "functionDeclarations", "parts"))


def _fields(*kinds: type[Struct]) -> dict[str, str]:
    """Each name of a field in the other case, with the case that `fit` reads."""
    return {str(field.name): str(field.encode_name) for kind in kinds for field in msgspec.structs.fields(kind)}


CAMEL = _fields(
    Blob, FileData, FunctionCall, ResponsePart, FunctionResponse, Part, Content, Schema, FunctionDeclaration, Tool,
    FunctionCallingConfig, ToolConfig, ThinkingConfig, GenerationConfig, Body, CountBody, EmbedBody, BatchBody,
)  # fmt: skip


def shape(data: dict[str, Any], kind: type[Any]) -> Any:
    """The body as a `kind`. Raises `Misfit`."""
    return fit(_camel(data), kind)


def _camel(value: Any, name: str = "") -> Any:
    """`value` with Google's own names in camel case; one thing where a list belongs is a list of it."""
    if name in _FREE:
        return value
    if isinstance(value, list):
        return [_camel(one, "") for one in value]
    if not isinstance(value, dict):
        return value
    if name == "properties":
        return {key: _camel(one) for key, one in value.items()}
    made: dict[str, Any] = {}
    for key, one in value.items():
        known = CAMEL.get(str(key), str(key))
        if known in made:
            raise Misfit("wrong", (known,), "oneof field is set twice")
        found = _camel(one, known)
        made[known] = [found] if known in _SINGLE and isinstance(found, dict) else found
    return made
