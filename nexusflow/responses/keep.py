"""Storing an answer, and the answers of the endpoints that read what was stored."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.responses.expand import Expanded
from nexusflow.responses.items import listed
from nexusflow.responses.model import StoredResponse
from nexusflow.responses.table import ContextTooLarge, ResponseTable

LIMIT = 20
MOST = 100


class _Answer(Struct):
    id: str
    model: str = ""
    output: list[Raw] = []


_answer = msgspec.json.Decoder(_Answer).decode


def keep(table: ResponseTable, request: Expanded, response: bytes, key_id: str, now_ms: int) -> bool:
    """Store the final response object of `request`, for which `stores` was true. Blocks on the disk.

    False when it could not be kept: too large, or no response object. Raises StoreError.
    """
    try:
        answer = _answer(response)
    except msgspec.DecodeError:
        return False
    return table.save(
        StoredResponse(
            id=answer.id,
            key_id=key_id,
            model=answer.model,
            previous=request.previous,
            input=request.input,
            output=tuple(answer.output),
            body=response,
            created_ms=now_ms,
        ),
        now_ms,
    )


def retrieve(table: ResponseTable, id_: str, key_id: str, now_ms: int) -> bytes:
    """The body of `GET /v1/responses/{id}`. Raises `RequestRefused` (404)."""
    body = table.load(id_, key_id, now_ms)
    if body is None:
        raise _unknown(id_)
    return body


def remove(table: ResponseTable, id_: str, key_id: str, now_ms: int) -> bytes:
    """The body of `DELETE /v1/responses/{id}`, after the deed. Raises `RequestRefused` (404)."""
    if not table.delete(id_, key_id, now_ms):
        raise _unknown(id_)
    return msgspec.json.encode({"id": id_, "object": "response", "deleted": True})


def list_input(table: ResponseTable, id_: str, key_id: str, now_ms: int, query: Mapping[str, str]) -> bytes:
    """The body of `GET /v1/responses/{id}/input_items`: what the response was made from, the newest first.

    `query` may hold `limit` (1 to 100, usually 20), `order` (`asc` or `desc`) and `after` (an item's id). Raises
    `RequestRefused`: 404 for an unknown response, 400 for a query that is not understood.
    """
    limit, order = query.get("limit", str(LIMIT)), query.get("order", "desc")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MOST:
        raise refuse(Kind.PARAM, f"`limit` must be 1 to {MOST}", param="limit")
    if order not in ("asc", "desc"):
        raise refuse(Kind.PARAM, "`order` must be asc or desc", param="order")
    try:
        items = table.input_items(id_, key_id, now_ms)
    except ContextTooLarge:
        raise refuse(Kind.SIZE, "The stored conversation is too large to be listed.", status=400) from None
    if items is None:
        raise _unknown(id_)
    if order == "desc":
        items.reverse()
    return _page(items, int(limit), query.get("after"))


def _page(items: list[tuple[str, Raw]], limit: int, after: str | None) -> bytes:
    ids = [id_ for id_, _ in items]
    start = 0
    if after is not None:
        if after not in ids:
            raise refuse(Kind.PARAM, f"Item with id '{after}' not found.", param="after")
        start = ids.index(after) + 1
    shown = items[start : start + limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [listed(item, id_) for id_, item in shown],
            "first_id": shown[0][0] if shown else None,
            "last_id": shown[-1][0] if shown else None,
            "has_more": start + limit < len(items),
        }
    )


def _unknown(id_: str) -> RequestRefused:
    return refuse(Kind.ROUTE, f"Response with id '{id_}' not found.", code="response_not_found")
