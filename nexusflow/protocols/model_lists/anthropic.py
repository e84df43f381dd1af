"""Anthropic's shape: the models offered over Messages, in pages that begin after or end before a model."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.protocols.model_lists import query as queries
from nexusflow.protocols.model_lists.card import Card, members
from nexusflow.protocols.model_lists.query import Query

PROTOCOL = "anthropic/messages"
USUAL_LIMIT = 20
MAX_LIMIT = 1000
UNKNOWN_TIME = "1970-01-01T00:00:00Z"
"""What Anthropic itself says of a model whose release date is unknown."""


def item(card: Card) -> dict[str, Any]:
    """One model. `capabilities` is null, Anthropic's word for unknown; the modalities say what is known."""
    model = card.model
    since = model.deprecated.removeprefix("since ")[:10] if model.deprecated else None
    return {
        **members(card),
        "type": "model",
        "id": model.id,
        "display_name": model.title,
        "created_at": UNKNOWN_TIME,
        "lifecycle": lifecycle(card),
        "deprecated_at": f"{since}T00:00:00Z" if since else None,
        "retires_at": None,
        "line": None,
        "capabilities": None,
        "max_input_tokens": model.max_input_tokens or model.context_tokens,
        "max_tokens": model.max_output_tokens,
    }


def lifecycle(card: Card) -> str:
    """Anthropic's word for the stage a model is in; a retired one is not in the catalogue at all."""
    return "deprecated" if card.model.deprecated else "active"


def page(cards: Sequence[Card], items: Sequence[Raw], query: Query) -> bytes:
    """The page that `limit`, `after_id`, `before_id` and `lifecycle[]` ask for; `items[i]` is `cards[i]`.

    Raises `RequestRefused` (400) for a parameter that makes no sense.
    """
    limit = queries.number(query, "limit", least=1)
    if limit is not None and limit > MAX_LIMIT:
        raise queries.wrong("limit", f"must be at most {MAX_LIMIT}")
    stages = [stage for name in ("lifecycle[]", "lifecycle") for stage in query.get(name, [])]
    chosen = [at for at, card in enumerate(cards) if not stages or lifecycle(card) in stages]
    found, more = _window([cards[at].model.id for at in chosen], query, limit or USUAL_LIMIT)
    shown = [chosen[at] for at in found]
    return msgspec.json.encode(
        {
            "data": [items[at] for at in shown],
            "has_more": more,
            "first_id": cards[shown[0]].model.id if shown else None,
            "last_id": cards[shown[-1]].model.id if shown else None,
        }
    )


def _window(ids: list[str], query: Query, limit: int) -> tuple[range, bool]:
    """Which of `ids` the page holds, and whether there are more in the direction of reading."""
    after, before = queries.text(query, "after_id"), queries.text(query, "before_id")
    if after is not None and before is not None:
        raise queries.wrong("before_id", "cannot be combined with `after_id`")
    if before is not None:
        end = _position(ids, before, "before_id")
        return range(max(0, end - limit), end), end > limit
    start = _position(ids, after, "after_id") + 1 if after is not None else 0
    return range(start, min(len(ids), start + limit)), start + limit < len(ids)


def _position(ids: list[str], wanted: str, name: str) -> int:
    try:
        return ids.index(wanted)
    except ValueError:
        raise queries.wrong(name, "names no model of this list") from None
