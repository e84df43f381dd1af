"""What a request may ask for that costs money of its own, and whether a price covers it (B-13).

Tokens are always covered, also those of several answers and of thinking. What else a provider charges for is refused
unless every price list of the model names it. A rule of the model's own `parameters` goes before these.
"""

from collections.abc import Iterator
from typing import Any

from codegen import spec
from nexusflow.ir.plan import Protocol

STANDARD_TIERS = ("auto", "default", "standard", "standard_only", "unspecified")
"""What a caller may always ask for. `auto` is charged by the tier that the provider then reports."""
BEST_OF = "best_of"
SEARCH_PARAMETERS = ("enable_search", "plugins", "search_parameters")
"""What providers that speak Chat call a search of the web; no rule of the protocol knows them."""
GOOGLE = "google/generate-content"
FAST = "fast"
_RATES = {"web_search": "per_web_search", "web_fetch": "per_web_fetch", "maps": "per_maps"}
_GOOGLE_RATES = {"web_search": "per_grounding", "maps": "per_grounding"}
_WITHOUT_RATE = ("file_search", "image_generation")


def lists(model: spec.Model) -> Iterator[tuple[str, spec.Price]]:
    """Every price list that a call may be charged by, with the provider it is then sent to."""
    for lane in model.lanes:
        price, changes = (lane.price, lane.price_changes) if lane.price else (model.price, model.price_changes)
        if price is not None:
            yield lane.provider, price
            yield from ((lane.provider, change.price) for change in changes or ())


def covers(price: spec.Price, kind: str, protocol: str) -> bool:
    """Whether a list names a price for tools of this kind, at a provider that speaks `protocol`."""
    if protocol == GOOGLE and kind == "web_fetch":
        return True  # Google charges the tokens of fetched pages and nothing else
    rates = {**_RATES, **_GOOGLE_RATES} if protocol == GOOGLE else _RATES
    names = (rates[kind], "per_grounding") if kind == "maps" else (rates[kind],)
    return any(getattr(price, name) is not None for name in names)


def unpriced(document: spec.Spec, model: spec.Model, protocol: Protocol) -> tuple[str, ...]:
    """The kinds of provider-run tools that cost extra and that the prices of `model` do not cover."""
    found = [(price, document.providers[provider].protocol) for provider, price in lists(model)]
    if model.free or not found:
        return ()
    kinds = [kind for kind in _RATES if not all(covers(price, kind, spoken) for price, spoken in found)]
    if protocol != GOOGLE:  # Google runs code, and searches files, for the price of the tokens
        kinds += () if model.capabilities.code_execution else ("code_execution",)
        kinds += _WITHOUT_RATE
    return tuple(kinds)


def unpriced_search(document: spec.Spec, model: spec.Model, price: spec.Price) -> str | None:
    """The rate that a list of `model` lacks for searches of the web at some provider of it; None when it lacks none."""
    for lane in model.lanes:
        protocol = document.providers[lane.provider].protocol if lane.provider in document.providers else ""
        if not covers(price, "web_search", protocol):
            return (_GOOGLE_RATES if protocol == GOOGLE else _RATES)["web_search"]
    return None


def unpriced_tiers(model: spec.Model, price: spec.Price) -> tuple[str, ...]:
    """The service tiers that requests to `model` may ask for and that a list of it has no prices for."""
    asked = model.capabilities.service_tiers or ()
    return tuple(tier for tier in asked if tier not in STANDARD_TIERS and tier not in price.tiers)


def tiers(model: spec.Model) -> tuple[str, ...] | None:
    """The service tiers that a caller may ask for; None where nothing is charged."""
    found = [price for _, price in lists(model)]
    if model.free or not found:
        return None
    priced = set.intersection(*(set(price.tiers) for price in found))
    return (*STANDARD_TIERS, *sorted(priced.difference(STANDARD_TIERS)))


def guards(model: spec.Model, searches: bool) -> dict[str, Any]:
    """Words and names that requests are held to beside the model's own rules: `allowed` and `refused`.

    `searches`: every price of the model covers a search of the web.
    """
    words = tiers(model)
    if words is None:
        return {"allowed": {}, "refused": ()}
    costly = (BEST_OF,) if searches else (BEST_OF, *SEARCH_PARAMETERS)
    held = {
        "service_tier": words,
        "speed": ("standard", FAST) if FAST in words else ("standard",),
        "inference_geo": ("global",),
    }
    named = model.parameters
    return {
        "allowed": {name: values for name, values in held.items() if name not in named},
        "refused": tuple(name for name in costly if name not in named),
    }
