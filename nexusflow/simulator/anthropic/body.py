"""The body of `POST /v1/messages`, no field more than Anthropic takes (protocols 1.4.1)."""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from nexusflow.simulator.shape import fit

# Blocks and tools that Anthropic runs itself: taken as they are, and not acted upon.
HOSTED_BLOCK = re.compile(
    r"(server|mcp)_tool_use|(?!tool_result)\w+_tool_result|container_upload|compaction|fallback|tool_addition|tool_removal"
)
HOSTED_TOOL = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_\w+|tool_search_\w+|advisor|mcp_toolset)(_\d{8})?"
)
CLIENT_TOOL = re.compile(r"(bash|text_editor|memory|computer|computer_toolset|browser_toolset)_\d{8}")

Id = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+$")]
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the body."""


class Cache(Strict, frozen=True):
    """`cache_control`."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Text(Strict, frozen=True, tag_field="type", tag="text"):
    text: str
    cache_control: Cache | None = None
    citations: list[dict[str, Any]] | None = None


class Base64(Strict, frozen=True, tag_field="type", tag="base64"):
    media_type: str
    data: str


class Url(Strict, frozen=True, tag_field="type", tag="url"):
    url: str


class FileId(Strict, frozen=True, tag_field="type", tag="file"):
    file_id: str


class PlainText(Strict, frozen=True, tag_field="type", tag="text"):
    media_type: Literal["text/plain"]
    data: str


class Image(Strict, frozen=True, tag_field="type", tag="image"):
    source: Base64 | Url | FileId
    cache_control: Cache | None = None
    transformations: list[Any] | None = None


class Content(Strict, frozen=True, tag_field="type", tag="content"):
    content: str | list[Text | Image]


class Document(Strict, frozen=True, tag_field="type", tag="document"):
    source: Base64 | Url | FileId | PlainText | Content
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None
    cache_control: Cache | None = None


class SearchResult(Strict, frozen=True, tag_field="type", tag="search_result"):
    source: str
    title: str
    content: list[Text]
    citations: dict[str, Any] | None = None
    cache_control: Cache | None = None


class Thinking(Strict, frozen=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class Redacted(Strict, frozen=True, tag_field="type", tag="redacted_thinking"):
    data: str


class ToolUse(Strict, frozen=True, tag_field="type", tag="tool_use"):
    id: Id
    name: Name
    input: dict[str, Any]
    cache_control: Cache | None = None
    caller: dict[str, Any] | None = None


class ToolReference(Strict, frozen=True, tag_field="type", tag="tool_reference"):
    tool_name: str
    cache_control: Cache | None = None


class ToolResult(Strict, frozen=True, tag_field="type", tag="tool_result"):
    tool_use_id: Id
    content: str | list[Text | Image | Document | SearchResult | ToolReference] | None = None
    is_error: bool | None = None
    cache_control: Cache | None = None


class Hosted(Strict, frozen=True, tag_field="type", tag="hosted"):
    """A block or tool of Anthropic's own."""


Block = Text | Image | Document | SearchResult | Thinking | Redacted | ToolUse | ToolResult | Hosted


class Message(Strict, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class CustomTool(Strict, frozen=True, tag_field="type", tag="custom"):
    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    cache_control: Cache | None = None
    input_examples: list[dict[str, Any]] | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    eager_input_streaming: bool | None = None


class ClientTool(Strict, frozen=True, tag_field="type", tag="client"):
    """A tool of a kind that Anthropic knows and the caller runs."""

    name: Name
    cache_control: Cache | None = None


class Auto(Strict, frozen=True, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool = False


class AnyTool(Strict, frozen=True, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool = False


class OneTool(Strict, frozen=True, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool = False


class NoTool(Strict, frozen=True, tag_field="type", tag="none"):
    """`tool_choice` of no tool at all."""


class Adaptive(Strict, frozen=True, tag_field="type", tag="adaptive"):
    display: Literal["summarized", "omitted"] | None = None


class Enabled(Strict, frozen=True, tag_field="type", tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class Disabled(Strict, frozen=True, tag_field="type", tag="disabled"):
    """`thinking` turned off."""


class BetweenTools(Strict, frozen=True, tag_field="type", tag="between_tools"):
    """`thinking` only between calls of tools."""


class Format(Strict, frozen=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Strict, frozen=True):
    effort: str | None = None
    format: Format | None = None
    task_budget: dict[str, Any] | None = None


class Counted(Strict, frozen=True):
    """The body of `POST /v1/messages/count_tokens`."""

    model: str
    messages: list[Message]
    system: str | list[Text] = ""
    tools: list[CustomTool | ClientTool | Hosted] = []
    tool_choice: Auto | AnyTool | OneTool | NoTool | None = None
    thinking: Adaptive | Enabled | Disabled | BetweenTools | None = None
    output_config: OutputConfig | None = None
    cache_control: Cache | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] = []


class Body(Counted, frozen=True, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    stop_sequences: list[str] | None = None
    stream: bool = False
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    metadata: dict[str, str | None] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    inference_geo: str | None = None
    container: str | dict[str, Any] | None = None
    diagnostics: dict[str, Any] | None = None
    compaction: dict[str, Any] | None = None
    thread: dict[str, Any] | None = None
    fallbacks: list[Any] | None = None
    fallback_credit_token: str | None = None
    billing_policy: dict[str, Any] | None = None


# Fields that only a request with `anthropic-beta` may have.
BETA = (
    "mcp_servers", "context_management", "compaction", "thread", "fallbacks", "fallback_credit_token", "billing_policy"
)  # fmt: skip


def shape(data: dict[str, Any], kind: type[Counted]) -> Any:
    """The body as a `kind`. Raises `Misfit`."""
    plain = dict(data)
    if isinstance(plain.get("messages"), list):
        plain["messages"] = [_message(message) for message in plain["messages"]]
    if isinstance(plain.get("tools"), list):
        plain["tools"] = [_tool(tool) for tool in plain["tools"]]
    return fit(plain, kind)


def _message(message: Any) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [_block(block) for block in message["content"]]}


def _block(block: Any) -> Any:
    own = isinstance(block, dict) and HOSTED_BLOCK.fullmatch(str(block.get("type")))
    return {"type": "hosted"} if own else block


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict):
        return tool
    kind = str(tool.get("type") or "custom")
    if HOSTED_TOOL.fullmatch(kind):
        return {"type": "hosted"}
    if CLIENT_TOOL.fullmatch(kind):
        return {"type": "client", **{key: tool[key] for key in ("name", "cache_control") if key in tool}}
    return {**tool, "type": kind}
