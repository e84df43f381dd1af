"""The simulated models of images and videos, and what stands behind the `@` of their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

Kind = Literal["image", "video"]
Refusal = Literal[
    "context", "policy", "auth", "billing", "permission", "model", "large", "rate", "quota", "internal", "gateway",
    "unavailable", "timeout", "overloaded",
]  # fmt: skip
NotNegative = Annotated[float, Meta(ge=0)]


class Options(Struct, frozen=True):
    """How a job goes. Times are in seconds; one that is None is the kind's own."""

    seconds: NotNegative | None = None  # at work, until it ends
    queue: NotNegative = 0  # in the queue before that
    fail: str = ""  # ends as failed: `fail` alone, `fail=policy`, or any code of the vendor's
    refuse: Refusal | None = None  # the submission is refused at once
    lost: Literal["reset", "hang"] | None = None  # submitted and recorded, but the answer never comes
    flaky: Annotated[int, Meta(ge=1)] | None = None  # every so manyth poll is a 500
    expired: bool = field(default=False, name="expired-url")  # links to results have expired
    short: bool = False  # one image fewer than asked for
    never: bool = False  # never ends
    flip: bool = False  # the first poll after its end says failed, later ones that it succeeded


SECONDS: Mapping[Kind, float] = {"image": 0.5, "video": 2}
BARE: Mapping[str, str] = {"fail": "internal", "lost": "reset"}
TAKES: Mapping[Kind, tuple[str, ...]] = {
    "image": ("seconds", "queue", "fail", "refuse", "lost", "flaky", "expired-url", "short", "never", "flip"),
    "video": ("seconds", "queue", "fail", "refuse", "lost", "flaky", "expired-url", "never", "flip"),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One row: the vendors that have it, with what it makes there."""

    offers: tuple[tuple[str, Kind], ...]


IMAGES = ("dashscope", "openai", "google", "kling", "zhipu", "minimax", "replicate", "fal")
VIDEOS = ("dashscope", "openai", "google", "kling", "zhipu", "minimax", "replicate", "fal", "xai")
_NAMES: dict[tuple[Kind, str], str] = {
    ("image", "dashscope"): (
        "wan2.6-t2i wan2.6-image wan2.5-t2i-preview wan2.2-t2i-flash wan2.2-t2i-plus wanx2.1-t2i-turbo "
        "wanx2.1-t2i-plus wanx2.0-t2i-turbo wan2.5-i2i-preview qwen-image qwen-image-plus qwen-image-max "
        "qwen-image-edit qwen-image-edit-plus z-image-turbo"
    ),
    ("video", "dashscope"): (
        "wan2.7-t2v wan2.7-i2v wan2.6-t2v wan2.6-i2v wan2.6-i2v-flash wan2.6-r2v wan2.5-t2v-preview "
        "wan2.5-i2v-preview wan2.2-t2v-plus wan2.2-i2v-plus wan2.2-i2v-flash wanx2.1-t2v-turbo wanx2.1-i2v-turbo "
        "wan2.2-kf2v-flash wanx2.1-kf2v-plus happyhorse-1.0-t2v happyhorse-1.0-i2v happyhorse-1.0-r2v "
        "happyhorse-1.0-video-edit pixverse-v6"
    ),
    ("image", "openai"): (
        "gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 chatgpt-image-latest dall-e-2 dall-e-3"
    ),
    ("video", "openai"): "sora-2 sora-2-pro",
    ("image", "google"): (
        "gemini-2.5-flash-image gemini-3-pro-image-preview gemini-3.1-flash-image imagen-4.0-generate-001 "
        "imagen-4.0-ultra-generate-001 imagen-4.0-fast-generate-001"
    ),
    ("video", "google"): (
        "veo-3.1-generate-preview veo-3.1-fast-generate-preview veo-3.0-generate-001 veo-3.0-fast-generate-001 "
        "veo-2.0-generate-001"
    ),
    ("video", "zhipu"): "cogvideox-3 cogvideox-2 cogvideox-flash viduq1-text vidu2-image",
    ("image", "zhipu"): "cogview-4 cogview-4-250304 cogview-3-flash glm-image",
    ("video", "minimax"): "MiniMax-Hailuo-2.3 MiniMax-Hailuo-2.3-Fast MiniMax-Hailuo-02 T2V-01 I2V-01 S2V-01",
    ("image", "minimax"): "image-01 image-01-live",
    ("video", "kling"): "kling-v1 kling-v1-6 kling-v2-master kling-v2-1 kling-v2-1-master kling-v2-5-turbo kling-v2-6",
    ("image", "kling"): "kling-v1 kling-v1-5 kling-v2 kling-v2-new kling-v2-1",
    ("image", "replicate"): (
        "black-forest-labs/flux-schnell black-forest-labs/flux-dev black-forest-labs/flux-1.1-pro "
        "stability-ai/stable-diffusion simulated/image"
    ),
    ("video", "replicate"): "minimax/video-01 wan-video/wan-2.2-t2v-fast simulated/video",
    ("image", "fal"): "fal-ai/flux/dev fal-ai/flux/schnell fal-ai/flux-pro/v1.1 simulated/image",
    ("video", "fal"): "fal-ai/veo3 fal-ai/wan-t2v fal-ai/kling-video/v2.1/master/text-to-video simulated/video",
    ("video", "xai"): "grok-imagine-video",
}


def _table() -> dict[str, Model]:
    table = {
        "image": Model(tuple((vendor, "image") for vendor in IMAGES)),
        "video": Model(tuple((vendor, "video") for vendor in VIDEOS)),
    }
    for (kind, vendor), names in _NAMES.items():
        for name in names.split():
            others = table[name].offers if name in table else ()
            table[name] = Model((*others, (vendor, kind)))
    return table


MEDIA: dict[str, Model] = _table()
"""`image` and `video` are known to every vendor that makes such; the others are the vendors' own names."""


@dataclass(frozen=True, slots=True)
class Order:
    """A model that a vendor has, under the name that it was asked for by."""

    wanted: str
    name: str
    kind: Kind
    options: Options


def split(wanted: str) -> tuple[str, dict[str, str]]:
    """The name and the options of `video@queue=3,never`.

    Where a vendor's names have no `@`, as Replicate's and fal's, `simulated/video--queue-3--never` says the same.
    """
    if "@" in wanted:
        name, _, text = wanted.partition("@")
        pairs = [option.partition("=") for option in text.split(",") if option]
    else:
        name, *options = wanted.split("--")
        pairs = [(option, "", "") if option in TAKES["image"] else option.partition("-") for option in options]
    return name, {key: value if sign else BARE.get(key, "1") for key, sign, value in pairs}


def offers(wanted: str) -> tuple[tuple[str, Kind], ...]:
    """Who has the model, and what it makes there; empty where it is none of these."""
    name, _ = split(wanted)
    return MEDIA[name].offers if name in MEDIA else ()


def find(vendor: str, kind: Kind, wanted: str) -> Order:
    """Raises `KeyError` where the vendor has no such model of this kind, `ValueError` for a wrong option."""
    name, given = split(wanted)
    if (vendor, kind) not in MEDIA[name].offers:
        raise KeyError(name)
    unknown = sorted(given.keys() - set(TAKES[kind]))
    if unknown:
        raise ValueError(f"no option {unknown[0]!r}; there are {', '.join(TAKES[kind])}")
    return Order(wanted, name, kind, msgspec.convert(given, Options, strict=False))
