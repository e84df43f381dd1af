"""What DashScope's models are asked: which path and form each family has, and a brief written in it.

Source: https://www.alibabacloud.com/help/en/model-studio/, the references of each model. Families differ in where
pictures go (members of `input`, a list of `media`, parts of a message) and in how a video is measured (`size`, or
`resolution` with a `ratio`, which a picture decides where the video begins with one).
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.task import Brief
from nexusflow.protocols.makers import google, wishes

TEXT, EDIT, SYNC = "text2image/image-synthesis", "image2image/image-synthesis", "multimodal-generation/generation"
VIDEO, FRAMES = "video-generation/video-synthesis", "image2video/video-synthesis"

_IMAGE = wishes.HINTS | {"negative_prompt", "size", "seed", "watermark"}
_CLIP = wishes.HINTS | {"negative_prompt", "size", "resolution", "ratio", "duration", "seed", "audio", "watermark"}
_OWN = frozenset(("n", "size", "seed", "duration", "resolution", "ratio", "audio", "watermark", "negative_prompt"))
_INPUT = frozenset(("audio_url", "template", "ref_img", "function"))
"""The provider's own parameters that belong to `input`."""
_CALLED = {"first_frame": "img_url"}
"""What callers of tasks know a field of the brief as, where that is another name."""
_LEAST_AREA = 768 * 768
_SIZES = {
    "480P": {"16:9": "832*480", "9:16": "480*832", "1:1": "624*624"},
    "720P": {"16:9": "1280*720", "9:16": "720*1280", "1:1": "960*960", "4:3": "1088*832", "3:4": "832*1088"},
    "1080P": {"16:9": "1920*1080", "9:16": "1080*1920", "1:1": "1440*1440", "4:3": "1632*1248", "3:4": "1248*1632"},
}
"""The pixels of videos."""
_PIXVERSE = {
    "360P": {"16:9": "640*360", "9:16": "360*640", "1:1": "640*640", "4:3": "640*480", "3:4": "480*640"},
    "540P": {"16:9": "1024*576", "9:16": "576*1024", "1:1": "1024*1024", "4:3": "1024*768", "3:4": "768*1024"},
}


class _Still(Struct, frozen=True):
    """A family of image models. `pictures`: whether it takes some, or has to have them."""

    path: str
    most: int = 4
    pictures: Literal["none", "some", "needed"] = "none"
    enlarge: bool = False


class _Clip(Struct, frozen=True):
    """A family of video models.

    `slots` say under which member, or which type of `media`, each field of the brief goes; `needs` have to be there.
    `follows`: the shape is that of the picture or video it is made from.
    """

    measure: Literal["size", "resolution"]
    slots: Mapping[str, str] = {}
    needs: tuple[str, ...] = ()
    media: bool = True
    follows: bool = False
    path: str = VIDEO


_FIRST = {"first_frame": "first_frame"}
_BOTH = {**_FIRST, "last_frame": "last_frame"}
_CAST = {"images": "reference_image"}
_STILLS: tuple[tuple[str, _Still], ...] = (
    (r"wanx2\.1-imageedit", _Still(EDIT, pictures="needed")),
    (r".*-i2i.*", _Still(EDIT, pictures="needed", enlarge=True)),
    (r"wan(2\.[6-9]|[3-9])[\w.]*-image.*", _Still(SYNC, pictures="some", enlarge=True)),
    (r"wan(2\.[6-9]|[3-9])[\w.]*-t2i.*", _Still(SYNC, enlarge=True)),
    (r"wan2\.5-t2i.*", _Still(TEXT, enlarge=True)),
    (r"qwen-image-edit(-(plus|max)).*", _Still(SYNC, most=6, pictures="needed")),
    (r"qwen-image-edit.*", _Still(SYNC, most=1, pictures="needed")),
    (r"qwen-image-[2-9].*", _Still(SYNC, most=6, pictures="some")),
    (r"(qwen-image|z-image).*", _Still(SYNC, most=1)),
    (r".*", _Still(TEXT)),
)
_CLIPS: tuple[tuple[str, _Clip], ...] = (
    (r"pixverse/.*-t2v.*", _Clip("size")),
    (r"pixverse/.*-it2v.*", _Clip("resolution", {"first_frame": "image_url"}, ("first_frame",), follows=True)),
    (r"pixverse/.*-kf2v.*", _Clip("resolution", _BOTH, tuple(_BOTH), follows=True)),
    (r"pixverse/.*-r2v.*", _Clip("size", {"images": "image_url"}, ("images",))),
    (r"pixverse.*", _Clip("resolution", {**_BOTH, **_CAST})),
    (
        r".*-kf2v.*",
        _Clip(
            "resolution",
            {"first_frame": "first_frame_url", "last_frame": "last_frame_url"},
            ("first_frame",),
            media=False,
            follows=True,
            path=FRAMES,
        ),
    ),
    (r"(wan2\.[7-9]|wan[3-9]|happyhorse-).*t2v.*", _Clip("resolution")),
    (r"(wan2\.[7-9]|wan[3-9]).*i2v.*", _Clip("resolution", _BOTH, ("first_frame",), follows=True)),
    (r"happyhorse-.*i2v.*", _Clip("resolution", _FIRST, ("first_frame",), follows=True)),
    (r"(wan2\.[7-9]|wan[3-9]).*r2v.*", _Clip("resolution", {**_FIRST, **_CAST}, ("images",))),
    (r"happyhorse-.*r2v.*", _Clip("resolution", _CAST, ("images",))),
    (
        r"(wan2\.[7-9]|wan[3-9]|happyhorse-).*edit.*",
        _Clip("resolution", {"video": "video", **_CAST}, ("video",), follows=True),
    ),
    (r".*-r2v.*", _Clip("size", {"images": "reference_urls"}, ("images",), media=False)),
    (r".*-i2v.*", _Clip("resolution", {"first_frame": "img_url"}, ("first_frame",), media=False, follows=True)),
    (r".*-t2v.*", _Clip("size", media=False)),
    (r".*", _Clip("resolution", {"first_frame": "img_url", "images": "reference_urls"}, media=False)),
)
"""How each family is asked; the first that fits."""


def write(brief: Brief, to: Destination) -> tuple[str, bytes]:
    """The path below `/services/aigc/`, and the body.

    Raises `RequestRefused` naming the parameter for what the family cannot do, or not without.
    """
    if brief.type == "image":
        still = next(rule for pattern, rule in _STILLS if re.fullmatch(pattern, to.model))
        return still.path, _body(to.model, *_image(brief, to, still))
    model = _with_mode(brief, to.model)
    clip = next(rule for pattern, rule in _CLIPS if re.fullmatch(pattern, model))
    return clip.path, _body(model, *_video(brief, to, clip))


def _body(model: str, given: dict[str, Any], parameters: dict[str, Any]) -> bytes:
    members = {"input": given, "parameters": parameters}
    return msgspec.json.encode({"model": model} | {name: _set(value) for name, value in members.items()})


def _image(brief: Brief, to: Destination, rule: _Still) -> tuple[dict[str, Any], dict[str, Any]]:
    takes = _IMAGE if rule.pictures == "none" else _IMAGE | {"images"}
    edits = rule.path == EDIT and not rule.enlarge
    wishes.check(brief, to, takes | {"mask"} if edits else takes, rule.most)
    if rule.pictures == "needed" and not brief.images:
        raise _required("images", to)
    size = wishes.given(brief, "size")
    extra = wishes.extras(brief, _OWN)
    parameters = {
        "size": _pixels(size, rule) if size is not None else None,
        "n": brief.n,
        "seed": brief.seed,
        "watermark": brief.watermark,
        **{name: value for name, value in extra.items() if name not in _INPUT},
    }
    if rule.path == SYNC:
        content = [*({"image": url} for url in brief.images), {"text": brief.prompt}]
        return {"messages": [{"role": "user", "content": content}]}, {
            **parameters,
            "negative_prompt": brief.negative_prompt,
        }
    told: dict[str, Any] = {"prompt": brief.prompt, "negative_prompt": brief.negative_prompt}
    told.update(_retouch(brief, to) if edits else {"images": list(brief.images) or None})
    return told | {name: value for name, value in extra.items() if name in _INPUT}, parameters


def _retouch(brief: Brief, to: Destination) -> dict[str, Any]:
    """The one picture of the editor that is told what to do by name."""
    if len(brief.images) > 1:
        raise refuse(Kind.PARAM, f"`{to.model}` edits one picture", param="images", code="value_out_of_range")
    function = "description_edit" if brief.mask is None else "description_edit_with_mask"
    return {"function": function, "base_image_url": brief.images[0], "mask_image_url": brief.mask}


def _video(brief: Brief, to: Destination, rule: _Clip) -> tuple[dict[str, Any], dict[str, Any]]:
    for name in ("first_frame", "last_frame", "images", "video"):
        if wishes.given(brief, name) is not None and name not in rule.slots:
            raise wishes.unsupported(_CALLED.get(name, name), to)
    wishes.check(brief, to, _CLIP | frozenset(rule.slots))
    for name in rule.needs:
        if not getattr(brief, name):
            raise _required(name, to)
    extra = wishes.extras(brief, _OWN)
    told: dict[str, Any] = {"prompt": brief.prompt, "negative_prompt": brief.negative_prompt}
    told.update({"media": _media(brief, rule) or None} if rule.media else _members(brief, rule))
    told.update({name: value for name, value in extra.items() if name in _INPUT})
    parameters = {
        **_measured(brief, to, rule),
        "duration": brief.duration,
        "seed": brief.seed,
        "audio": brief.audio,
        "watermark": brief.watermark,
        **{name: value for name, value in extra.items() if name not in _INPUT},
    }
    return told, parameters


def _members(brief: Brief, rule: _Clip) -> dict[str, Any]:
    found = {member: getattr(brief, name) for name, member in rule.slots.items()}
    return {member: (list(value) or None) if isinstance(value, tuple) else value for member, value in found.items()}


def _media(brief: Brief, rule: _Clip) -> list[dict[str, str]]:
    found = []
    for name, kind in rule.slots.items():
        value = getattr(brief, name)
        urls = value if isinstance(value, tuple) else (value,)
        found += [{"type": kind, "url": url} for url in urls if url is not None]
    return found


def _measured(brief: Brief, to: Destination, rule: _Clip) -> dict[str, Any]:
    """How large the video is to be, in the family's own measure. A size and a resolution mean each other."""
    sizes = {**_SIZES, **_PIXVERSE} if to.model.startswith("pixverse/") else _SIZES
    size = wishes.given(brief, "size")
    if rule.measure == "size":
        return {"size": f"{'*'.join(map(str, google.pixels(size)))}" if size is not None else _sized(brief, to, sizes)}
    resolution, ratio = brief.resolution, brief.ratio
    if size is not None:
        wanted = "{}*{}".format(*google.pixels(size))
        known = ((line, shape) for line, shapes in sizes.items() for shape, one in shapes.items() if one == wanted)
        found = next(known, None)
        if found is None:
            raise wishes.not_one_of("size", to, [one.replace("*", "x") for one in sizes["720P"].values()])
        resolution, ratio = resolution or found[0], ratio or found[1]
    shaped = not rule.follows and brief.first_frame is None
    return {"resolution": resolution, "ratio": ratio if shaped else None}


def _sized(brief: Brief, to: Destination, sizes: Mapping[str, Mapping[str, str]]) -> str | None:
    """The pixels of a resolution and a ratio. Raises `RequestRefused` for a pair that has none."""
    if brief.resolution is None and brief.ratio is None:
        return None
    shapes = sizes.get((brief.resolution or "720P").upper())
    if shapes is None:
        raise wishes.not_one_of("resolution", to, list(sizes))
    found = shapes.get(brief.ratio or "16:9")
    if found is None:
        raise wishes.not_one_of("ratio", to, list(shapes))
    return found


def _pixels(size: str, rule: _Still) -> str:
    """WIDTH*HEIGHT; a picture smaller than the newer models make is made larger, in the same shape (contract 2.7)."""
    width, height = google.pixels(size)
    area = width * height
    if rule.enlarge and area < _LEAST_AREA:
        factor = math.sqrt(_LEAST_AREA / area)
        width, height = (math.ceil(side * factor / 16) * 16 for side in (width, height))
    return f"{width}*{height}"


def _with_mode(brief: Brief, model: str) -> str:
    """PixVerse has a model for each way to begin: what the name leaves open is chosen by what is given."""
    if re.fullmatch(r"pixverse/pixverse-[\w.]+", model) is None:
        return model
    if brief.last_frame is not None:
        return f"{model}-kf2v"
    if brief.images:
        return f"{model}-r2v"
    return f"{model}-it2v" if brief.first_frame is not None else f"{model}-t2v"


def _required(name: str, to: Destination) -> RequestRefused:
    shown = _CALLED.get(name, name)
    return refuse(Kind.PARAM, f"`{to.model}` needs `{shown}`", param=shown, code="missing_required_parameter")


def _set(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
