"""Typed wire form of content blocks, and of tools: what we look into. All else of a block is kept beside it.

Source: the official SDK's types of October 2026 (protocols 1.4.1).
"""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from nexusflow.ir.chat import Ext
from nexusflow.ir.errors import Kind, refuse
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

T = TypeVar("T", bound=Struct)


class Form(Generic[T]):
    """A decoder of one struct that tells errors in the caller's path, and what the struct has left."""

    def __init__(self, struct: type[T]) -> None:
        self._decode = msgspec.json.Decoder(struct).decode
        exact: Any = msgspec.defstruct(  # made here, so that a type checker knows nothing of it
            struct.__name__, [("type", Any, None)], bases=(struct,), frozen=True, forbid_unknown_fields=True
        )
        self._decode_exact: Callable[[bytes], T] = msgspec.json.Decoder(exact).decode
        self._known = frozenset((*struct.__struct_fields__, "type"))

    def read(self, raw: bytes, path: str) -> T:
        """The struct. Raises `RequestRefused` naming the member that does not fit."""
        try:
            return self._decode(raw)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$")
            place = (path + where.removesuffix("`")).removeprefix(".")
            message = f"`{place}`: {what[0].lower()}{what[1:]}"
            raise refuse(Kind.PARAM, message, param=place, code="invalid_type") from None

    def read_all(self, raw: bytes, path: str) -> tuple[T, Ext | None]:
        """The struct, and the members that it does not have. Most blocks have none, which one pass can tell."""
        try:
            return self._decode_exact(raw), None
        except msgspec.ValidationError:
            return self.read(raw, path), self._rest(jsonedit.split(bytes(raw)))

    def _rest(self, fields: Fields) -> Ext | None:
        """The members that the struct does not have, but for null ones."""
        found = {name: value for name, value in fields.items() if name not in self._known and bytes(value) != b"null"}
        return found or None


class CacheControl(Struct, frozen=True, gc=False):
    """`cache_control`. Its only type is `ephemeral`."""

    ttl: str | None = None


class Tagged(Struct, frozen=True):
    """Any block."""

    type: str


class TextBlock(Struct, frozen=True):
    """`text`."""

    text: str
    citations: list[Fields] | None = None
    cache_control: CacheControl | None = None


class Source(Struct, frozen=True):
    """Where an image or a document is."""

    type: Literal["base64", "url", "file", "text", "content"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Raw] | None = None


class ImageBlock(Struct, frozen=True):
    """`image`."""

    source: Source
    cache_control: CacheControl | None = None


class Citing(Struct, frozen=True, gc=False):
    """`citations` of a document."""

    enabled: bool | None = None


class DocumentBlock(Struct, frozen=True):
    """`document`."""

    source: Source
    title: str | None = None
    context: str | None = None
    citations: Citing | None = None
    cache_control: CacheControl | None = None


class SearchResultBlock(Struct, frozen=True):
    """`search_result`."""

    source: str
    content: str | list[Raw]
    title: str | None = None
    citations: Citing | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Struct, frozen=True):
    """`thinking`."""

    thinking: str
    signature: str | None = None


class RedactedBlock(Struct, frozen=True):
    """`redacted_thinking`."""

    data: str


class ToolUseBlock(Struct, frozen=True):
    """`tool_use`."""

    id: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(min_length=1)]
    input: Raw = Raw(b"{}")
    caller: Raw = Raw()
    cache_control: CacheControl | None = None


class ToolResultBlock(Struct, frozen=True):
    """`tool_result`."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ToolForm(Struct, frozen=True):
    """A tool of the caller's own. Members that say what is usual anyway are listed so that they are not kept."""

    name: str
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    input_examples: list[Raw] | None = None
    eager_input_streaming: bool | None = None
    cache_control: CacheControl | None = None


TAGGED = Form(Tagged)
TEXT = Form(TextBlock)
IMAGE = Form(ImageBlock)
DOCUMENT = Form(DocumentBlock)
SEARCH_RESULT = Form(SearchResultBlock)
THINKING = Form(ThinkingBlock)
REDACTED = Form(RedactedBlock)
TOOL_USE = Form(ToolUseBlock)
TOOL_RESULT = Form(ToolResultBlock)
TOOL = Form(ToolForm)
