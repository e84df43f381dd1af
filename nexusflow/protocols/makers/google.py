"""What Google's makers have in common: bytes in JSON, shapes of pictures, token counts."""

import math
import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.task import Brief
from nexusflow.protocols.makers import reading, wishes

_NEAR = 0.05
"""How far a size may be from a ratio and still mean it; models' own sizes are off by up to 4 %."""
_SIZE = re.compile(r"([1-9][0-9]{0,5})[xX]([1-9][0-9]{0,5})").fullmatch
_details = msgspec.json.Decoder()


def blob(url: str, name: str) -> dict[str, str]:
    """`inlineData` of a data URL."""
    found = wishes.inline(url, name)
    return {"mimeType": found.mime, "data": found.base64}


def encoded(url: str, name: str) -> dict[str, str]:
    """The same as the prediction interfaces spell it."""
    found = wishes.inline(url, name)
    return {"bytesBase64Encoded": found.base64, "mimeType": found.mime}


def shape(brief: Brief, to: Destination, ratios: Sequence[str], sizes: Sequence[str]) -> tuple[str | None, str | None]:
    """The aspect ratio, and the word for the size: 1K for 1024 pixels in the square, doubling with each word.

    Raises `RequestRefused` naming `size`, `ratio` or `resolution` for what the model has no word for.
    """
    if brief.ratio is not None and brief.ratio not in ratios:
        raise wishes.not_one_of("ratio", to, ratios)
    word = brief.resolution.upper() if brief.resolution is not None else None
    if word is not None and word not in sizes:
        raise wishes.not_one_of("resolution", to, sizes)
    wanted = wishes.given(brief, "size")
    if wanted is None:
        return brief.ratio, word
    width, height = pixels(wanted)
    ratio = nearest(width / height, ratios)
    if ratio is None:
        raise _no_such_size(to, f"it makes: {', '.join(ratios)}")
    step = max(0, round(math.log2(math.sqrt(width * height) / 1024)))
    if step >= len(sizes):
        raise _no_such_size(to, f"the largest is {sizes[-1]}")
    return brief.ratio or ratio, word or sizes[step]


def nearest(ratio: float, ratios: Sequence[str]) -> str | None:
    """The ratio that a size means; None where it means none of them."""
    found = min(ratios, key=lambda name: abs(math.log(ratio / _value(name))))
    return found if abs(ratio / _value(found) - 1) <= _NEAR else None


def pixels(size: str) -> tuple[int, int]:
    """Width and height of `WIDTHxHEIGHT`. Raises `RequestRefused` for anything else."""
    found = _SIZE(size)
    if found is None:
        raise refuse(Kind.PARAM, "`size` must be WIDTHxHEIGHT in pixels", param="size", code="invalid_value")
    return int(found[1]), int(found[2])


def tokens(report: Raw) -> tuple[int | None, int | None, int | None]:
    """Tokens of `usageMetadata`: text in, images in, images out. What is no number is not believed (B-08)."""
    found = reading.decode(_details, bytes(report))
    if not isinstance(found, dict):
        return None, None, None
    whole, image = reading.count(found.get("promptTokenCount")), _images(found.get("promptTokensDetails"))
    text = whole if whole is None or image is None else max(0, whole - image)
    made = _images(found.get("candidatesTokensDetails"))
    return text, image, reading.count(found.get("candidatesTokenCount")) if made is None else made


def _images(details: object) -> int | None:
    counts = [
        reading.count(detail.get("tokenCount"))
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict) and detail.get("modality") == "IMAGE"
    ]
    return reading.total(counts)


def _value(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _no_such_size(to: Destination, known: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{to.model}` does not make this `size`; {known}", param="size", code="invalid_value")
