"""OpenAI's shape: all models at once."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.protocols.model_lists.card import Card, members


def item(card: Card) -> dict[str, Any]:
    """One model. `created` is 0: nobody knows."""
    model = card.model
    own: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.owner,
        "title": model.title,
        **({"description": model.description} if model.description is not None else {}),
    }
    return {**own, **members(card)}


def listing(items: Sequence[Raw]) -> bytes:
    """The whole list; OpenAI does not page it."""
    return msgspec.json.encode({"object": "list", "data": items})
