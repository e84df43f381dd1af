"""All lists of one artifact: each model encoded once in each shape, and joined into pages when asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.protocols.model_lists import anthropic, gemini, openai, query, union
from nexusflow.protocols.model_lists.callers import Shape
from nexusflow.protocols.model_lists.card import Card

_WHOLE: dict[Shape, Callable[[Card], dict[str, Any]]] = {
    "openai": openai.item,
    "anthropic": anthropic.item,
    "gemini": gemini.item,
    "union": union.whole,
}


class Catalogue:
    """The lists of `cards`, which are kept in the order of their ids.

    OpenAI's shape and the union list everything. Anthropic's and Gemini's list what can be called over them, since
    their clients offer the whole list to their users; a single model is described in any shape.
    """

    def __init__(self, cards: Sequence[Card]) -> None:
        cards = sorted(cards, key=lambda card: card.model.id)
        self._messages = [card for card in cards if anthropic.PROTOCOL in card.model.protocols]
        self._google = [card for card in cards if gemini.methods(card)]
        self._messages_items = [_encoded(anthropic.item(card)) for card in self._messages]
        self._google_items = [_encoded(gemini.item(card)) for card in self._google]
        self._openai = openai.listing([_encoded(openai.item(card)) for card in cards])
        self._union = union.listing(
            [card.model.id for card in cards], [_encoded(union.item(card)) for card in cards], self._google_items
        )
        self._named = {name: card for card in cards for name in (card.model.id, *card.model.aliases)}

    def listed(self, shape: Shape, raw_query: bytes) -> bytes:
        """The list, or the page of it that the query asks for. Raises `RequestRefused` (400) for an odd query."""
        if shape == "anthropic":
            return anthropic.page(self._messages, self._messages_items, query.parse(raw_query))
        if shape == "gemini":
            return gemini.page(self._google, self._google_items, query.parse(raw_query))
        return self._openai if shape == "openai" else self._union

    def one(self, shape: Shape, name: str) -> bytes | None:
        """One model by its id or an alias; None when there is none."""
        card = self._named.get(name)
        return msgspec.json.encode(_WHOLE[shape](card)) if card is not None else None


def _encoded(item: dict[str, Any]) -> Raw:
    return Raw(msgspec.json.encode(item))
