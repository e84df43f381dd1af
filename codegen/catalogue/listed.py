"""What the package `genai-prices` lists for a model, in the words of gateway.yaml. Its data, read as it stands.

Batch prices, prices by the hour of the day and units that this gateway does not bill have no place here.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices, TimeOfDateConstraint
from msgspec import Struct

TOKENS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_tool_mtok": "tool_input",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "input_video_mtok": "input_video",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
THOUSANDS = {"requests_kcount": "per_request", "web_searches_kcount": "per_web_search"}
GOOGLE = "google"
_VARIANTS = ("service_tier", "speed")

Amounts = dict[str, Decimal]
"""Prices per million tokens or per piece, by class."""


class Listing(Struct, frozen=True):
    """One model's prices: the usual ones, those of long prompts by length, those of service tiers by name."""

    amounts: Amounts
    above: dict[int, Amounts]
    tiers: dict[str, Amounts]


def find(base_url: str, model: str, moment: datetime) -> Listing | None:
    """The prices that hold at `moment` for a model behind a provider's address; None when it is not listed."""
    try:
        provider, found = data_snapshot.get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    google = provider.id == GOOGLE
    amounts, above = _amounts(_at(found, moment), google)
    tiers = {}
    for variant in found.price_variants or ():
        ((kind, name),) = list(variant.when.items())[:1]
        active = variant.constraint is None or variant.constraint.active(moment)
        if kind in _VARIANTS and active and name not in ("default", "standard"):
            tiers[name] = _amounts(variant.prices, google)[0]
    return Listing(amounts, above, tiers)


def _at(model: ModelInfo, moment: datetime) -> ModelPrice:
    """The list of a day, whatever the hour."""
    if isinstance(model.prices, ModelPrice):
        return model.prices
    whole_days = [one for one in model.prices if not isinstance(one.constraint, TimeOfDateConstraint)]
    for one in reversed(whole_days):
        if one.constraint is None or one.constraint.active(moment):
            return one.prices
    return model.prices[0].prices


def _amounts(price: ModelPrice, google: bool) -> tuple[Amounts, dict[int, Amounts]]:
    values: Mapping[str, Decimal | TieredPrices | None] = vars(price)
    usual: Amounts = {}
    above: dict[int, Amounts] = {}
    for key, value in values.items():
        name, per = (TOKENS[key], 1) if key in TOKENS else (THOUSANDS.get(key), 1000)
        if name is None or value is None:
            continue
        if name == "per_web_search" and google:
            name = "per_grounding"
        if isinstance(value, TieredPrices):
            usual[name] = value.base / per
            for step in value.tiers:
                above.setdefault(step.start, {})[name] = step.price / per
        else:
            usual[name] = value / per
    return usual, above
