"""What OpenAI's models of images and videos take, after its API reference and as recorded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from nexusflow.simulator.failure import Refused
from nexusflow.simulator.openai.vendor import invalid

GPT_SIZES = ("1024x1024", "1024x1536", "1536x1024", "auto")
LEVELS: Mapping[str, tuple[int, int]] = {"low": (272, 408), "medium": (1056, 1584), "high": (4160, 6240)}
"""Output tokens of a square image and of another, by quality."""


class Asked(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request for images, of any of the three endpoints; `prompt` is checked by each."""

    prompt: str | None = None
    model: str = "dall-e-2"
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    input_fidelity: str | None = None
    partial_images: int | None = None
    stream: bool | None = None
    response_format: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One family: `takes` are its parameters with their choices, or None where any value of the type will do."""

    prompt: int
    most: int
    sizes: tuple[str, ...] | None
    takes: Mapping[str, tuple[str, ...] | None]
    streams: bool = False
    links: bool = False
    usual: str = "1024x1024"


_LINKS = {"response_format": ("url", "b64_json"), "user": None}
_GPT: dict[str, tuple[str, ...] | None] = {
    "quality": ("low", "medium", "high", "xhigh", "max", "auto"),
    "background": ("transparent", "opaque", "auto"),
    "output_format": ("png", "jpeg", "webp"),
    "output_compression": None,
    "moderation": ("low", "auto"),
    "input_fidelity": ("low", "high"),
    "partial_images": None,
    "stream": None,
    "user": None,
}
RULES: tuple[tuple[str, Rule], ...] = (
    (r"dall-e-2", Rule(1000, 10, ("256x256", "512x512", "1024x1024"), _LINKS, links=True)),
    (
        r"dall-e-3",
        Rule(
            4000, 1, ("1024x1024", "1792x1024", "1024x1792"),
            {**_LINKS, "quality": ("standard", "hd"), "style": ("vivid", "natural")}, links=True,
        ),
    ),
    (r"gpt-image-2", Rule(32000, 10, None, _GPT, streams=True, usual="auto")),
    (r"(chat)?gpt-.*", Rule(32000, 10, GPT_SIZES, _GPT, streams=True, usual="auto")),
    (r"image", Rule(32000, 10, None, {**_GPT, **_LINKS}, streams=True, usual="auto")),
)  # fmt: skip


def rule_of(name: str) -> Rule:
    """The rule of a model that there is."""
    return next(rule for pattern, rule in RULES if re.fullmatch(pattern, name))


def check(asked: Asked, rule: Rule) -> None:
    """Raises `Refused` for the first thing that the model does not take."""
    for name in ("quality", "style", *_GPT, "response_format"):
        value: Any = getattr(asked, name)
        if value is None:
            continue
        if name not in rule.takes:
            raise Refused(invalid(f"Unknown parameter: '{name}'.", name, code="unknown_parameter"))
        _choose(name, value, rule.takes[name])
    if asked.prompt is not None and not 1 <= len(asked.prompt) <= rule.prompt:
        said = f"Invalid 'prompt': string of 1 to {rule.prompt} characters expected, got {len(asked.prompt)}."
        raise Refused(invalid(said, "prompt", code="string_above_max_length" if asked.prompt else "empty_string"))
    _within("n", asked.n, 1, rule.most)
    _within("partial_images", asked.partial_images, 0, 3)
    _within("output_compression", asked.output_compression, 0, 100)
    if asked.size is not None:
        _choose("size", asked.size, rule.sizes)
        if pixels(asked.size) is None:
            _choose("size", asked.size, GPT_SIZES)
    if asked.background == "transparent" and asked.output_format == "jpeg":
        raise Refused(invalid("Transparent background is not supported for JPEG output format.", "background"))
    if asked.output_compression not in (None, 100) and asked.output_format in (None, "png"):
        raise Refused(invalid("Compression less than 100 is not supported for PNG output format", "output_compression"))


def pixels(size: str) -> tuple[int, int] | None:
    """`1024x768` in pixels, and `auto` too."""
    if size == "auto":
        return 1024, 1024
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    return (int(found[1]), int(found[2])) if found else None


def output_tokens(quality: str, width: int, height: int) -> int:
    """What one image costs."""
    square, other = LEVELS.get(quality, LEVELS["high"])
    return square if width == height else other


def _choose(name: str, value: Any, choices: tuple[str, ...] | None) -> None:
    if choices is None or value in choices:
        return
    listed = ", ".join(f"'{choice}'" for choice in choices)
    raise Refused(invalid(f"Invalid value: '{value}'. Supported values are: {listed}.", name, code="invalid_value"))


def _within(name: str, value: int | None, least: int, most: int) -> None:
    if value is None or least <= value <= most:
        return
    side, bound = ("above_max_value", f"<= {most}") if value > most else ("below_min_value", f">= {least}")
    said = f"Invalid '{name}': integer {side.replace('_', ' ')}. Expected a value {bound}, but got {value} instead."
    raise Refused(invalid(said, name, code=f"integer_{side}"))
