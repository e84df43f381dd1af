"""Prices: quoted decimals in, integers out, exactly.

Token classes become integer nano-units of the currency per 1,000,000 tokens, `per_*` integer nano-units per piece
(reliability 2.4). The schema allows nine decimals, so nothing is ever rounded here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from codegen import spec
from nexusflow.ir.plan import ImageRate, LaterPrice, LongPrompt, Price, Rates, TierRates, VideoRate

NANO = Decimal(10) ** 9

# A class without a price of its own costs what its neighbour costs (protocols 4.4), in an order that may chain.
FALLBACKS = (
    ("reasoning", "output"),
    ("cache_read", "input"),
    ("cache_write_5m", "input"),
    ("cache_write_30m", "cache_write_5m"),
    ("cache_write_1h", "cache_write_5m"),
    ("cache_write_12h", "cache_write_1h"),
    ("tool_input", "input"),
    ("input_audio", "input"),
    ("input_image", "input"),
    ("input_video", "input"),
    ("cache_read_audio", "cache_read"),
    ("cache_read_image", "cache_read"),
    ("output_audio", "output"),
    ("output_image", "output"),
    ("per_maps", "per_grounding"),
)
CLASSES = Rates.__struct_fields__


def nano(amount: str) -> int:
    """An amount as integer nano-units. Raises `ValueError` if it is finer than that."""
    value = Decimal(amount) * NANO
    if value != int(value):
        raise ValueError(f"{amount} is finer than a nano-unit")
    return int(value)


def basis_points(percent: str) -> int:
    """A percentage as hundredths of a percent. The schema allows two decimals, so nothing is rounded."""
    return int(Decimal(percent) * 100)


def midnight(date: str) -> int:
    """The first moment of a day in UTC, in milliseconds since 1970. Raises `ValueError` for a day that is none."""
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 1000


def resolve(price: spec.Price, changes: Sequence[spec.PriceChange] = ()) -> Price:
    """A price list with every class filled in, every exception complete in itself, and what follows it in order."""
    base = _amounts(price)
    later = sorted(((midnight(change.from_), change.price) for change in changes), key=lambda change: change[0])
    return Price(
        tokens=_rates(base),
        above=tuple(
            LongPrompt(step.input_tokens, _rates({**base, **_amounts(step.price)}))
            for step in sorted(price.above or (), key=lambda step: step.input_tokens)
        ),
        tiers=tuple(
            TierRates(tier.lower(), _rates({**base, **_amounts(rates)})) for tier, rates in sorted(price.tiers.items())
        ),
        video=tuple(
            VideoRate(rate.resolution.upper(), rate.audio, nano(rate.per_second)) for rate in price.video_seconds or ()
        ),
        images=tuple(ImageRate(rate.size, rate.quality, nano(rate.per_image)) for rate in price.images or ()),
        markup=basis_points(price.markup_percent),
        later=tuple(LaterPrice(from_ms, resolve(change)) for from_ms, change in later),
    )


def _amounts(rates: spec.Price | spec.Rates) -> dict[str, int]:
    """The classes that are written down."""
    return {name: nano(text) for name in CLASSES if (text := getattr(rates, name)) is not None}


def _rates(written: dict[str, int]) -> Rates:
    """Every class filled in: what an exception changes also changes for the classes that follow it by fallback."""
    amounts = dict(written)
    for name, neighbour in FALLBACKS:
        if name not in amounts and neighbour in amounts:
            amounts[name] = amounts[neighbour]
    return msgspec.convert(amounts, Rates)
