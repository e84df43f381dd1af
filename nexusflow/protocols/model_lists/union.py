"""A body that every official SDK can read, for callers that do not show which of them they are (protocols 1.8)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.protocols.model_lists import anthropic, gemini, openai
from nexusflow.protocols.model_lists.card import Card


def item(card: Card) -> dict[str, Any]:
    """One model with the members of OpenAI's and Anthropic's shapes."""
    return {**openai.item(card), **anthropic.item(card)}


def whole(card: Card) -> dict[str, Any]:
    """One model, asked for by its id, with the members of all three shapes."""
    return {**gemini.item(card), **item(card)}


def listing(ids: Sequence[str], items: Sequence[Raw], gemini_items: Sequence[Raw]) -> bytes:
    """All models, in one page, under the names that each SDK looks for."""
    return msgspec.json.encode(
        {
            "object": "list",
            "data": items,
            "has_more": False,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "models": gemini_items,
        }
    )
