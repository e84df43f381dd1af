"""The body of `POST /v1/responses`, no field more than OpenAI takes (protocols 1.3)."""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta

from nexusflow.simulator.openai.chat_body import Breakpoint, Name, StreamOptions, Strict
from nexusflow.simulator.shape import Misfit, fit

# Items and tools that OpenAI runs itself: taken as they are, and not acted upon.
HOSTED_ITEM = re.compile(
    r"(web_search|file_search|code_interpreter|image_generation|computer|local_shell|shell|apply_patch|tool_search|mcp)"
    r"_(call|call_output|output|list_tools|approval_request|approval_response)|program(_output)?"
    r"|compaction|additional_tools"
)
HOSTED_TOOL = re.compile(
    r"web_search(_preview)?(_\d{4}_\d\d_\d\d)?|file_search|code_interpreter|image_generation|mcp|computer(_use_preview)?"
    r"|local_shell|shell|apply_patch|tool_search|programmatic_tool_calling|namespace"
)
Status = Literal["in_progress", "completed", "incomplete"]


class InputText(Strict, frozen=True, tag_field="type", tag="input_text"):
    text: str
    prompt_cache_breakpoint: Breakpoint | None = None


class InputImage(Strict, frozen=True, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class InputFile(Strict, frozen=True, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: Literal["auto", "low", "high"] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class OutputText(Strict, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class Refusal(Strict, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


InputPart = InputText | InputImage | InputFile
AnyPart = InputText | InputImage | InputFile | OutputText | Refusal


class Message(Strict, frozen=True, tag_field="type", tag="message"):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[AnyPart]
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class Reasoning(Strict, frozen=True, tag_field="type", tag="reasoning"):
    summary: list[dict[str, str]]
    id: str | None = None
    content: list[dict[str, str]] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class FunctionCall(Strict, frozen=True, tag_field="type", tag="function_call"):
    call_id: Annotated[str, Meta(max_length=64)]
    name: str
    arguments: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class FunctionOutput(Strict, frozen=True, tag_field="type", tag="function_call_output"):
    call_id: str
    output: str | list[InputPart]
    id: str | None = None
    status: Status | None = None
    caller: dict[str, Any] | None = None


class CustomCall(Strict, frozen=True, tag_field="type", tag="custom_tool_call"):
    call_id: str
    name: str
    input: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None


class CustomOutput(Strict, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    call_id: str
    output: str | list[InputPart]
    id: str | None = None
    status: Status | None = None


class Reference(Strict, frozen=True, tag_field="type", tag="item_reference"):
    id: str


class Hosted(Strict, frozen=True, tag_field="type", tag="hosted"):
    """An item or tool of OpenAI's own."""

    call_id: str | None = None


Item = Message | Reasoning | FunctionCall | FunctionOutput | CustomCall | CustomOutput | Reference | Hosted


class Function(Strict, frozen=True, tag_field="type", tag="function"):
    name: Name
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    output_schema: dict[str, Any] | None = None


class Custom(Strict, frozen=True, tag_field="type", tag="custom"):
    name: Name
    description: str | None = None
    format: dict[str, Any] | None = None
    defer_loading: bool | None = None


class ChosenFunction(Strict, frozen=True, tag_field="type", tag="function"):
    name: str


class ChosenCustom(Strict, frozen=True, tag_field="type", tag="custom"):
    name: str


class ChosenAllowed(Strict, frozen=True, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: list[ChosenFunction | ChosenCustom | Hosted]


Chosen = ChosenFunction | ChosenCustom | ChosenAllowed | Hosted


class FormatText(Strict, frozen=True, tag_field="type", tag="text"):
    """`text.format` of plain text."""


class FormatJson(Strict, frozen=True, tag_field="type", tag="json_object"):
    """`text.format` of any JSON object."""


class FormatSchema(Strict, frozen=True, tag_field="type", tag="json_schema"):
    name: Name
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(Strict, frozen=True):
    format: FormatText | FormatJson | FormatSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(Strict, frozen=True):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    mode: Literal["standard", "pro"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class Body(Strict, frozen=True):
    model: str
    input: str | list[Item] = ""
    background: bool | None = None
    background_options: dict[str, Any] | None = None
    client_metadata: dict[str, Any] | None = None  # of Codex
    context_management: list[dict[str, Any]] | None = None
    conversation: str | dict[str, Any] | None = None
    include: list[str] | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    reasoning: ReasoningOptions | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    text: TextOptions | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None
    tools: list[Function | Custom | Hosted] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


def shape(data: dict[str, Any], items: list[Any] | None) -> Body:
    """The body, with `items` for its input where that is a list. Raises `Misfit`."""
    plain = dict(data)
    if items is not None:
        plain["input"] = [_item(item) for item in items]
    if isinstance(plain.get("tools"), list):
        plain["tools"] = [_hosted(tool, HOSTED_TOOL) for tool in plain["tools"]]
    choice = plain.get("tool_choice")
    if isinstance(choice, dict):
        plain["tool_choice"] = _hosted(choice, HOSTED_TOOL)
        if choice.get("type") == "allowed_tools" and isinstance(choice.get("tools"), list):
            plain["tool_choice"] = {**choice, "tools": [_hosted(tool, HOSTED_TOOL) for tool in choice["tools"]]}
    if "input" not in plain and not any(plain.get(name) for name in ("prompt", "previous_response_id", "conversation")):
        raise Misfit("missing", ("input",), "Object missing required field `input`")
    return fit(plain, Body)


def _item(item: Any) -> Any:
    """An input item with the type it may leave out."""
    if isinstance(item, dict) and "type" not in item and "role" in item:
        return {"type": "message", **item}
    return _hosted(item, HOSTED_ITEM)


def _hosted(value: Any, types: re.Pattern[str]) -> Any:
    own = isinstance(value, dict) and types.fullmatch(str(value.get("type")))
    return {"type": "hosted", "call_id": value.get("call_id")} if own else value
