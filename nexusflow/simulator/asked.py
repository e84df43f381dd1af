"""The request as the simulated model reads it: what it acts on is typed, and everything else is left alone."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Bound = Annotated[int, Meta(ge=1)]


class ImageUrl(Struct, frozen=True):
    """Where an image is."""

    url: str


class Part(Struct, frozen=True):
    """A part of a message's content. Kinds other than text and image are not looked into."""

    type: str
    text: str = ""
    image_url: ImageUrl | None = None


class Message(Struct, frozen=True):
    """One message."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its text parts, joined by spaces."""
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content or () if part.type == "text")

    @property
    def images(self) -> list[str]:
        """The URLs of its images."""
        parts = self.content if isinstance(self.content, list) else []
        return [part.image_url.url for part in parts if part.image_url is not None]


class Named(Struct, frozen=True):
    """A function or a custom tool."""

    name: str
    parameters: dict[str, Any] | None = None


class Tool(Struct, frozen=True):
    """A tool on offer, or one named by `tool_choice`: one of the two is there, by `type`."""

    type: str = "function"
    function: Named | None = None
    custom: Named | None = None

    @property
    def named(self) -> Named:
        """Its name and parameters."""
        return self.function or self.custom or Named("")


class AllowedTools(Struct, frozen=True):
    """The part of the tools that may be used, and whether one must be."""

    mode: str
    tools: list[Tool]


class ToolChoice(Tool, frozen=True):
    """`tool_choice` in its object form."""

    allowed_tools: AllowedTools | None = None


class JsonSchema(Struct, frozen=True):
    """The schema that a reply has to satisfy."""

    schema: dict[str, Any] = {}


class ResponseFormat(Struct, frozen=True):
    """`type` is text, json_object or json_schema."""

    type: str
    json_schema: JsonSchema = JsonSchema()


class StreamOptions(Struct, frozen=True):
    """Whether the stream ends with its usage."""

    include_usage: bool | None = None


class Chat(Struct, frozen=True):
    """The fields of `POST /v1/chat/completions` that change the reply (protocols 1.2.1)."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Bound | None = None
    max_tokens: Bound | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None

    @property
    def bound(self) -> int | None:
        """The most completion tokens of one choice."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """The stop sequences."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: typed, as it came, and the twenty hexadecimal digits that stand for it.

    A request and the same one streamed have the same digits, hence the same ids in their replies.
    """

    chat: Chat
    body: dict[str, Any]
    identity: str


def read(data: bytes) -> Asked:
    """Read a body. Raises `ValueError` with the reason, and with the place of the fault where there is one."""
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
        chat = msgspec.convert(body, Chat)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    same = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    digest = hashlib.sha256(msgspec.json.encode(same, order="deterministic"))
    return Asked(chat, body, digest.hexdigest()[:20])
