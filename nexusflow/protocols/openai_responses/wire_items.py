"""Typed wire forms of items and parts, for reading requests and answers alike (protocols 1.3).

Members of an item that the canonical chat has no use for (`status`, a message's `id`) are not listed and fall away.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.openai_responses.wire import ABSENT


class Breakpoint(Struct, frozen=True, gc=False):
    """`prompt_cache_breakpoint` of a part."""

    ttl: str | None = None


class Audio(Struct, frozen=True, gc=False):
    """`input_audio` of a part."""

    data: str
    format: str


class PartForm(Struct, frozen=True):
    """A part of a message, a reasoning item or a tool's output."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    input_audio: Audio | None = None
    annotations: list[Raw] | None = None
    logprobs: list["LogprobForm"] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class LogprobForm(Struct, frozen=True):
    """One token of `logprobs`."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["LogprobForm"] | None = None


class ItemForm(Struct, frozen=True):
    """An input or output item: a message, a call, its output, reasoning, or one of the provider's own."""

    type: str | None = None
    role: str | None = None
    id: str | None = None
    status: str | None = None
    phase: str | None = None
    content: Raw = ABSENT
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: Raw = ABSENT
    input: Raw = ABSENT
    output: Raw = ABSENT
    is_error: bool | None = None
    summary: list[PartForm] | None = None
    encrypted_content: str | None = None
    tools: list[Raw] | None = None
    result: Raw = ABSENT


class AnnotationForm(Struct, frozen=True):
    """An annotation of a text part."""

    type: str | None = None
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


T = TypeVar("T")
Decoder = Callable[[Raw], T]

item_form: Decoder[ItemForm] = msgspec.json.Decoder(ItemForm).decode
part_form: Decoder[PartForm] = msgspec.json.Decoder(PartForm).decode
annotation_form: Decoder[AnnotationForm] = msgspec.json.Decoder(AnnotationForm).decode
raw_list: Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw]).decode


def formed(decode: Decoder[T], raw: Raw, path: str) -> T:
    """`raw` decoded. Raises `RequestRefused` naming the member of `path` that does not fit (contract 3 row 10)."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        at = (path + where.rstrip("`")).lstrip(".")
        raise refuse(Kind.PARAM, f"`{at}`: {what[:1].lower()}{what[1:]}", param=at, code="invalid_type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.PARSE, f"`{path}` is not valid JSON", param=path) from None


def missing(path: str) -> RequestRefused:
    """A member that must be there is not."""
    return refuse(Kind.PARAM, f"`{path}` is required", param=path, code="missing_required_parameter")
