"""Gemini's shape: the models that its addresses can call, in pages that continue with a token."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.protocols.model_lists import query as queries
from nexusflow.protocols.model_lists.card import Card, members
from nexusflow.protocols.model_lists.query import Query

# By client protocol of ours: the methods by which Google's clients know it.
METHODS: dict[str, tuple[str, ...]] = {
    "google/generate-content": ("generateContent", "streamGenerateContent", "countTokens"),
    "openai/embeddings": ("embedContent", "batchEmbedContents"),
}
USUAL_SIZE = 50
MAX_SIZE = 1000
_TOKEN = "after."  # noqa: S105  # the mark of our own page tokens, not a secret


def methods(card: Card) -> list[str]:
    """What can be done with the model at Gemini's addresses."""
    return [method for protocol in card.model.protocols for method in METHODS.get(protocol, ())]


def item(card: Card) -> dict[str, Any]:
    """One model. Limits that the catalogue does not know are left out, as Google leaves out zeros."""
    model = card.model
    own: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": "1",
        "displayName": model.title,
        "description": model.description,
        "inputTokenLimit": model.max_input_tokens or model.context_tokens,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": methods(card),
        "thinking": any(lane.capabilities.reasoning.shape != "none" for lane in model.lanes) or None,
    }
    return {**{name: value for name, value in own.items() if value is not None}, **members(card)}


def page(cards: Sequence[Card], items: Sequence[Raw], query: Query) -> bytes:
    """The page that `pageSize` and `pageToken` ask for; `items[i]` is `cards[i]`.

    Raises `RequestRefused` (400) for a size that is none or a token that is not ours.
    """
    size = min(queries.number(query, "pageSize", least=0) or USUAL_SIZE, MAX_SIZE)
    start = _start([card.model.id for card in cards], queries.text(query, "pageToken"))
    end = start + size
    body: dict[str, Any] = {"models": items[start:end]}
    if end < len(items):
        body["nextPageToken"] = _TOKEN + cards[end - 1].model.id
    return msgspec.json.encode(body)


def _start(ids: list[str], token: str | None) -> int:
    """Where a page begins. Tokens name the model before it, so that they outlive a change of the catalogue."""
    if token is None:
        return 0
    if not token.startswith(_TOKEN):
        raise queries.wrong("pageToken", "is not a token of this gateway")
    last = token.removeprefix(_TOKEN)
    return sum(1 for one in ids if one <= last)
