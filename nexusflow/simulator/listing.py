"""The list of models, in the three shapes that there are (protocols 1.8)."""

from collections.abc import Mapping
from typing import Any

from nexusflow.simulator.anthropic.vendor import ANTHROPIC
from nexusflow.simulator.failure import Refused, Vendor
from nexusflow.simulator.gemini.vendor import GEMINI
from nexusflow.simulator.models import MODELS, Model
from nexusflow.simulator.traits import MAX_INPUT, MAX_OUTPUT

CREATED = "2026-01-01T00:00:00Z"


def list_models(vendor: Vendor, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of the list, the whole of it with OpenAI."""
    cards = [_card(vendor, name, model) for name, model in MODELS.items()]
    if vendor is ANTHROPIC:
        return _anthropic(cards, query)
    if vendor is GEMINI:
        return _gemini(cards, query)
    return {"object": "list", "data": cards}


def describe(vendor: Vendor, name: str) -> dict[str, Any]:
    """One model. Raises `Refused` where there is none."""
    if name not in MODELS:
        raise Refused(vendor.no_model(name, "models"))
    return _card(vendor, name, MODELS[name])


def _card(vendor: Vendor, name: str, model: Model) -> dict[str, Any]:
    if vendor is ANTHROPIC:
        bounds = {"max_input_tokens": MAX_INPUT, "max_tokens": MAX_OUTPUT}
        named = {"id": name, "type": "model", "display_name": f"Simulated {name}", "created_at": CREATED}
        return {**named, "lifecycle": "active", "capabilities": None, **bounds}
    if vendor is GEMINI:
        methods = ["generateContent", "countTokens"] if model.talks else []
        return {
            "name": f"models/{name}",
            "version": "simulated",
            "displayName": f"Simulated {name}",
            "description": model.what,
            "inputTokenLimit": MAX_INPUT,
            "outputTokenLimit": MAX_OUTPUT,
            "supportedGenerationMethods": methods + (["embedContent"] if model.embeds else []),
            "thinking": model.traits.thinks,
        }
    return {"id": name, "object": "model", "created": 0, "owned_by": "simulated"}


def _anthropic(cards: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    ids = [card["id"] for card in cards]
    first = ids.index(query["after_id"]) + 1 if query.get("after_id") in ids else 0
    last = ids.index(query["before_id"]) if query.get("before_id") in ids else len(ids)
    limit = _number(query.get("limit"), 20, 1000)
    page = cards[max(first, last - limit) : last] if "before_id" in query else cards[first:last][:limit]
    more = page[-1:] != cards[-1:] if "before_id" not in query else page[:1] != cards[:1]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"data": page, "has_more": more, **ends}


def _gemini(cards: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    since = _number(query.get("pageToken"), 0, len(cards))
    until = since + _number(query.get("pageSize"), 50, 1000)
    return {"models": cards[since:until], **({"nextPageToken": str(until)} if until < len(cards) else {})}


def _number(text: str | None, usual: int, most: int) -> int:
    return min(int(text), most) if text and text.isdigit() else usual
