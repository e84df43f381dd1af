"""What images and seconds of video cost beyond the plain classes: by size and quality, by resolution and sound."""

from nexusflow.ir.plan import Price, Rates
from nexusflow.ir.usage import Usage

MILLION = 1_000_000
MOST_UNITS = 10**9
SOUND = "+audio"


class Unpriceable(ValueError):
    """A quantity or its price is beyond what any call can have, or there is no price for it."""


def image_media(size: str | None, quality: str | None) -> str:
    """How `Usage.media` names images."""
    return f"{size or ''}/{quality or ''}"


def video_media(resolution: str | None, audio: bool) -> str:
    """How `Usage.media` names seconds of video."""
    return f"{(resolution or '').upper()}{SOUND if audio else ''}"


def media_millionths(price: Price, rates: Rates, usage: Usage) -> int:
    """Millionths of a nano-unit for the seconds of `usage`, and what its images cost more than `per_image`.

    Raises `Unpriceable`.
    """
    seconds, media = usage.n_video_seconds or 0, usage.media or ""
    if seconds:
        if not 0 < seconds <= MOST_UNITS:
            raise Unpriceable(f"{seconds} seconds of video")
        return seconds * per_second(price, media) * MILLION
    return (usage.n_images or 0) * (per_image(price, rates, media) - rates.per_image) * MILLION


def per_image(price: Price, rates: Rates, media: str) -> int:
    """The first price that fits the size and quality, else the plain one."""
    size, _, quality = media.partition("/")
    for one in price.images:
        if one.size in (None, size) and one.quality in (None, quality):
            return one.per_image
    return rates.per_image


def per_second(price: Price, media: str) -> int:
    """The first price that fits the resolution and the sound. Raises `Unpriceable` where there is none."""
    resolution, sound = media.removesuffix(SOUND), media.endswith(SOUND)
    for one in price.video:
        if one.resolution == resolution and one.audio in (None, sound):
            return one.per_second
    raise Unpriceable(f"video of {resolution or 'no resolution'}{' with sound' if sound else ''}")
