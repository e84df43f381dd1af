"""What DashScope's models of images and videos take: which paths, sizes, lengths and pictures.

After Alibaba Cloud's references of Wan and Qwen-Image, as of spring 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

TEXT, EDIT, NEW, SYNC, VIDEO, FRAMES = (
    "text2image/image-synthesis",
    "image2image/image-synthesis",
    "image-generation/generation",
    "multimodal-generation/generation",
    "video-generation/video-synthesis",
    "image2video/video-synthesis",
)
"""Paths below `/api/v1/services/aigc/`."""
QWEN = frozenset(("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664", "1140*1472", "1472*1140"))
CLIPS: Mapping[str, frozenset[str]] = {
    "480P": frozenset(("832*480", "480*832", "624*624")),
    "720P": frozenset(("1280*720", "720*1280", "960*960", "1088*832", "832*1088")),
    "1080P": frozenset(("1920*1080", "1080*1920", "1440*1440", "1632*1248", "1248*1632")),
}
RATIOS: Mapping[str, tuple[int, int]] = {
    "16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:3": (4, 3), "3:4": (3, 4),
}  # fmt: skip
LINES: Mapping[str, int] = {"360P": 360, "480P": 480, "540P": 540, "720P": 720, "1080P": 1080}


@dataclass(frozen=True, slots=True)
class Rule:
    """One family of models.

    `area` bounds the pixels of an image, `side` each of its edges; `sizes` are those allowed where they are few.
    `by` is how a video is measured: by `size`, or by `resolution`. `wants` names the members of `input` that have to be
    there, `media` the kinds of its `media`.
    """

    paths: tuple[str, ...]
    area: tuple[int, int] | None = None
    side: tuple[int, int] | None = None
    sizes: frozenset[str] | None = None
    size: str = "1024*1024"
    most: int = 4
    by: str = "size"
    resolutions: tuple[str, ...] = ("480P", "720P", "1080P")
    seconds: tuple[int, ...] = (5,)
    wants: tuple[str, ...] = ("prompt",)
    media: tuple[str, ...] = field(default=())


_WIDE = (768 * 768, 1440 * 1440)
_LONG = tuple(range(2, 16))
_HORSE = tuple(range(3, 16))
_HD = ("720P", "1080P")
RULES: tuple[tuple[str, Rule], ...] = (
    (r"wan2\.6-(t2i|image)", Rule((SYNC, NEW), area=_WIDE, size="1280*1280")),
    (r"wan2\.5-t2i.*", Rule((TEXT,), area=_WIDE, size="1280*1280")),
    (r"wan2\.5-i2i.*", Rule((EDIT,), area=_WIDE, size="1280*1280", wants=("prompt", "images"))),
    (r"(wan2\.2|wanx2\.[01])-t2i.*", Rule((TEXT,), side=(512, 1440))),
    (r"qwen-image-(max|edit.*)", Rule((SYNC,), sizes=QWEN, size="1664*928", most=1)),
    (r"qwen-image.*", Rule((SYNC, TEXT), sizes=QWEN, size="1664*928", most=1)),
    (r"z-image.*", Rule((SYNC,), area=(512 * 512, 2048 * 2048), size="1024*1536", most=1)),
    (r"wan2\.6-t2v", Rule((VIDEO,), resolutions=_HD, seconds=_LONG)),
    (r"wan2\.6-i2v.*", Rule((VIDEO,), by="resolution", resolutions=_HD, seconds=_LONG, wants=("img_url",))),
    (r"wan2\.6-r2v", Rule((VIDEO,), resolutions=_HD, seconds=tuple(range(2, 11)), wants=("prompt", "reference_urls"))),
    (r"wan2\.5-t2v.*", Rule((VIDEO,), seconds=(5, 10))),
    (r"wan2\.5-i2v.*", Rule((VIDEO,), by="resolution", seconds=(5, 10), wants=("img_url",))),
    (r"(wan2\.2|wanx2\.1)-t2v.*", Rule((VIDEO,), seconds=(5,))),
    (r"(wan2\.2|wanx2\.1)-i2v.*", Rule((VIDEO,), by="resolution", seconds=(3, 4, 5), wants=("img_url",))),
    (r".*-kf2v.*", Rule((FRAMES,), by="resolution", wants=("first_frame_url",))),
    (r"wan2\.7-t2v", Rule((VIDEO,), by="resolution", resolutions=_HD, seconds=_LONG)),
    (
        r"wan2\.7-i2v",
        Rule(
            (VIDEO,), by="resolution", resolutions=_HD, seconds=_LONG, wants=("media",),
            media=("first_frame", "last_frame", "driving_audio", "first_clip"),
        ),
    ),
    (r"happyhorse-.*-t2v", Rule((VIDEO,), by="resolution", resolutions=_HD, seconds=_HORSE)),
    (
        r"happyhorse-.*-i2v",
        Rule(
            (VIDEO,), by="resolution", resolutions=_HD, seconds=_HORSE, wants=("media",), media=("first_frame",)
        ),
    ),
    (
        r"happyhorse-.*-r2v",
        Rule(
            (VIDEO,), by="resolution", resolutions=_HD, seconds=_HORSE, wants=("prompt", "media"),
            media=("reference_image",),
        ),
    ),
    (
        r"happyhorse-.*-edit",
        Rule(
            (VIDEO,), by="resolution", resolutions=_HD, seconds=_HORSE, wants=("prompt", "media"),
            media=("video", "reference_image"),
        ),
    ),
    (
        r"pixverse.*",
        Rule(
            (VIDEO,), by="resolution", resolutions=tuple(LINES), seconds=(5, 8, 10),
            media=("first_frame", "last_frame", "reference_image"),
        ),
    ),
    (r"image", Rule((TEXT, EDIT, NEW, SYNC), area=(256 * 256, 4096 * 4096))),
    (r"video", Rule((VIDEO, FRAMES), by="either", resolutions=tuple(LINES), seconds=tuple(range(1, 31)))),
)  # fmt: skip


def rule_of(name: str) -> Rule:
    """The rule of a model that there is."""
    return next(rule for pattern, rule in RULES if re.fullmatch(pattern, name))


def measure(size: str) -> tuple[int, int] | None:
    """`1024*768` in pixels, None for anything else."""
    found = re.fullmatch(r"(\d{1,5})\*(\d{1,5})", size)
    return (int(found[1]), int(found[2])) if found and int(found[1]) and int(found[2]) else None


def image_fits(rule: Rule, size: str) -> bool:
    """Whether an image may have this size."""
    measured = measure(size)
    if measured is None:
        return False
    width, height = measured
    if rule.sizes is not None:
        return size in rule.sizes
    if rule.side is not None:
        return all(rule.side[0] <= edge <= rule.side[1] for edge in measured) and width * height <= 1440 * 1440
    return rule.area is None or (rule.area[0] <= width * height <= rule.area[1] and width <= 4 * height <= 16 * width)


def clip_size(resolution: str, ratio: str) -> tuple[int, int]:
    """The pixels of a video of so many lines."""
    wide, high = RATIOS[ratio]
    lines = LINES[resolution]
    return (lines * wide // high // 2 * 2, lines) if wide >= high else (lines, lines * high // wide // 2 * 2)
