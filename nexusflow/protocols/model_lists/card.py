"""One model as the lists know it, and the members that every shape adds to its protocol's own."""

from typing import Any

from msgspec import Struct

from nexusflow.ir.plan import Model


class Card(Struct, frozen=True, kw_only=True):
    """A model, and whether a call to it can be served now: `reason` says why not, and is None when it can."""

    model: Model
    reason: str | None = None
    simulated: bool = False


def members(card: Card) -> dict[str, Any]:
    """What a client may want to know and no protocol has a place for (L40, L41). Absent means unknown or no."""
    model = card.model
    shown: dict[str, Any] = {
        "category": model.category,
        "tags": model.tags or None,
        "aliases": model.aliases or None,
        "supported_protocols": model.protocols,
        "context_length": model.context_tokens,
        "max_input_tokens": model.max_input_tokens,
        "max_output_tokens": model.max_output_tokens,
        "input_modalities": model.input,
        "output_modalities": model.output,
        "deprecated": model.deprecated,
        "available": card.reason is None,
        "unavailable_reason": card.reason,
        "simulated": card.simulated or None,
    }
    return {name: value for name, value in shown.items() if value is not None}
