"""What usage costs: integers, each unit in exactly one class, one rounding (reliability 2.4, protocols 4.4)."""

from collections.abc import Callable
from itertools import compress
from operator import attrgetter
from typing import NamedTuple

from nexusflow.ir.plan import Price, Rates
from nexusflow.ir.usage import Usage
from nexusflow.pricing.media import MILLION, MOST_UNITS, Unpriceable, media_millionths

WHOLE = 10_000
"""Basis points of a price without markup."""
MOST_AMOUNT = 10**15
"""A million of the currency, in nano-units: no call costs more, so a larger result is a mistake or an attack."""

TOKENS = {
    "input_text": "input",
    "input_audio": "input_audio",
    "input_image": "input_image",
    "input_video": "input_video",
    "cache_read_text": "cache_read",
    "cache_read_audio": "cache_read_audio",
    "cache_read_image": "cache_read_image",
    "cache_read_video": "cache_read",
    "cache_write_5m": "cache_write_5m",
    "cache_write_30m": "cache_write_30m",
    "cache_write_1h": "cache_write_1h",
    "cache_write_12h": "cache_write_12h",
    "tool_input": "tool_input",
    "output_text": "output",
    "output_reasoning": "reasoning",
    "output_audio": "output_audio",
    "output_image": "output_image",
}
"""Which rate each class of tokens is priced with."""
PIECES = {
    "n_web_search": "per_web_search",
    "n_web_fetch": "per_web_fetch",
    "n_grounding": "per_grounding",
    "n_maps": "per_maps",
    "n_images": "per_image",
}
"""The same for what is counted by the piece."""
_CLASSES = (
    *((name, rate, 1) for name, rate in TOKENS.items()),
    *((name, rate, MILLION) for name, rate in PIECES.items()),
)
units_of: Callable[[Usage], tuple[int | None, ...]] = attrgetter(*TOKENS, *PIECES)
"""All that is priced of a record, in the order of `TOKENS` and `PIECES`."""


class Cost(NamedTuple):
    """Nano-units: what the customer pays, and what the provider is owed."""

    amount: int
    cost: int


NOTHING = Cost(0, 0)


def cost_of(price: Price, usage: Usage, now_ms: int) -> Cost:
    """The price of one call that was accepted at `now_ms`. Raises `Unpriceable`."""
    price = in_force(price, now_ms)
    return total(price, rates_for(price, usage), usage)


def in_force(price: Price, now_ms: int) -> Price:
    """The list that holds at `now_ms`: this one or one of those that follow it."""
    for later in reversed(price.later):
        if now_ms >= later.from_ms:
            return later.price
    return price


def total(price: Price, rates: Rates, usage: Usage) -> Cost:
    """`usage` at these rates, with the markup of `price` for the customer; each figure is rounded once, half up.

    Raises `Unpriceable`.
    """
    millionths = rates.per_request * MILLION
    if usage.n_video_seconds or usage.media is not None:
        millionths += media_millionths(price, rates, usage)
    found = units_of(usage)
    for (name, rate, per), units in zip(compress(_CLASSES, found), filter(None, found), strict=True):
        if not 0 < units <= MOST_UNITS:
            raise Unpriceable(f"{name} of {units}")
        millionths += units * getattr(rates, rate) * per
    cost = (millionths + MILLION // 2) // MILLION
    amount = cost
    if price.markup:
        divisor = MILLION * WHOLE
        amount = (millionths * (WHOLE + price.markup) + divisor // 2) // divisor
    if amount > MOST_AMOUNT or cost > MOST_AMOUNT:
        raise Unpriceable(f"{amount} nano-units for one call")
    return Cost(amount, cost)


def rates_for(price: Price, usage: Usage) -> Rates:
    """The rates of the service tier that the provider reports, else of the length of the prompt, for all of a call.

    A speed that is not the standard one (Anthropic's fast mode) counts as a tier of its name.
    """
    if price.tiers:
        tier = usage.speed if usage.speed not in (None, "standard") else usage.tier
        for one in price.tiers:
            if tier is not None and one.tier == tier.lower():
                return one.rates
    if price.above:
        length = usage.total_input
        for step in reversed(price.above):
            if length > step.input_tokens:
                return step.rates
    return price.tokens
