"""A request that leans on stored state, made into one that does not.

`wanted` says what must be fetched, `expand` puts it in its place; both are pure. `resolve` does the fetching.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.responses.items import items_of, reference
from nexusflow.responses.table import ContextTooLarge, ResponseTable
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_NULL = b"null"


class Wanted(Struct, frozen=True):
    """The stored state that a request names: a response to continue, and single items."""

    previous: str | None
    references: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.previous is not None or bool(self.references)


class Expanded(Struct, frozen=True):
    """`fields` is the request with all its items and without any reference; `input` is what was new in it, the items
    to store with the answer; `previous` is the id of the response that it continues."""

    fields: Fields
    input: tuple[Raw, ...]
    previous: str | None

    @property
    def body(self) -> bytes:
        """The request as a body again."""
        return jsonedit.join(self.fields)


def stores(fields: Fields) -> bool:
    """Whether the answer to this request is to be stored: the API's default is yes."""
    return bytes(fields.get("store", Raw(_NULL))) != b"false"


def wanted(fields: Fields) -> Wanted:
    """What a request needs from the store. Raises `RequestRefused` for an input that is not one."""
    previous = fields.get("previous_response_id")
    id_ = jsonedit.as_text(previous) if previous is not None else None
    given = fields.get("input")
    references: tuple[str, ...] = ()
    if given is not None and b'"id"' in bytes(given):
        references = tuple(found for item in items_of(given) if (found := reference(item)) is not None)
    return Wanted(id_, references)


def expand(fields: Fields, history: Sequence[Raw] | None, found: Mapping[str, Raw]) -> Expanded:
    """The request with `history`, the items of the conversation it continues, before its own, and with each
    `item_reference` replaced by the item that it names in `found`.

    `instructions` are not part of a history: the API wants them anew with each request. Raises `RequestRefused`, in
    the official API's words, for a conversation or an item that is not there.
    """
    asked = wanted(fields)
    if asked.previous is not None and history is None:
        raise refuse(
            Kind.PARAM,
            f"Previous response with id '{asked.previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    own = [_resolved(item, found) for item in items_of(fields.get("input"))]
    full = {name: value for name, value in fields.items() if name != "previous_response_id"}
    if asked:
        full["input"] = Raw(msgspec.json.encode([*(history or ()), *own]))
    return Expanded(full, tuple(own), asked.previous)


def resolve(table: ResponseTable, fields: Fields, key_id: str, now_ms: int) -> Expanded:
    """`expand` with what `key_id` has stored. Blocks on the disk when the request names anything stored."""
    asked = wanted(fields)
    history = None
    if asked.previous is not None:
        try:
            history = table.chain(asked.previous, key_id, now_ms)
        except ContextTooLarge:
            raise _too_large() from None
    found = table.items(dict.fromkeys(asked.references), key_id, now_ms) if asked.references else {}
    return expand(fields, history, found)


def _resolved(item: Raw, found: Mapping[str, Raw]) -> Raw:
    id_ = reference(item)
    if id_ is None:
        return item
    if id_ not in found:
        raise refuse(Kind.PARAM, f"Item with id '{id_}' not found.", param="input", code="item_not_found", status=404)
    return found[id_]


def _too_large() -> RequestRefused:
    return refuse(
        Kind.SIZE, "The stored conversation is too large to be continued.", param="previous_response_id", status=400
    )
