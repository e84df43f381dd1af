"""Prices applied: what a call costs, what is set aside for it, and whether a usage report can be true. Pure."""

from nexusflow.pricing.cost import NOTHING, Cost, cost_of, rates_for
from nexusflow.pricing.hold import bound
from nexusflow.pricing.ident import canonical, price_id
from nexusflow.pricing.media import Unpriceable, image_media, video_media
from nexusflow.pricing.plausible import implausible

__all__ = [
    "NOTHING",
    "Cost",
    "Unpriceable",
    "bound",
    "canonical",
    "cost_of",
    "image_media",
    "implausible",
    "price_id",
    "rates_for",
    "video_media",
]
