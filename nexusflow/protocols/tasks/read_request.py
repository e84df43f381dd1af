"""A body of `POST /v1/tasks` as a brief: aliases undone, checked by the model's own struct, defaults filled in."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.plan import MediaRules, Model
from nexusflow.ir.task import Brief, MediaType
from nexusflow.protocols.common import checks
from nexusflow.protocols.tasks.wire import TaskRequest
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(TaskRequest.__struct_fields__)
MONEY_FIELDS = ("model", "n", "size", "resolution", "duration", "seconds", "audio", "quality")
ALIASES: Mapping[str, str] = {
    "aspect_ratio": "ratio",
    "image_url": "img_url",
    "first_frame_url": "img_url",
    "last_frame": "last_frame_url",
    "images": "reference_urls",
    "image_urls": "reference_urls",
    "reference_images": "reference_urls",
    "seconds": "duration",
    "mask": "mask_url",
    "video": "video_url",
}
"""Names under which other interfaces have the same parameters (contract 3 row 7)."""
_UPPER = ("resolution",)
_SPREAD = ("size", "ratio", "resolution", "duration")


def canonical(fields: Fields) -> Fields:
    """The fields under our own names and spellings. Raises `RequestRefused` for one that is given twice."""
    found: Fields = {}
    for name, value in fields.items():
        own = ALIASES.get(name, name)
        if own in found:
            raise refuse(Kind.PARAM, f"`{name}` is given twice, as `{own}` too", param=name, code="duplicate_key")
        found[own] = value
    for name in _UPPER:
        text = jsonedit.as_text(found[name]) if name in found else None
        if text is not None:
            found[name] = jsonedit.text(text.upper())
    size = jsonedit.as_text(found["size"]) if "size" in found else None
    if size is not None:
        found["size"] = jsonedit.text(size.lower().replace("*", "x"))
    return found


def validate(fields: Fields, decoder: msgspec.json.Decoder[Any], model: Model) -> TaskRequest:
    """Decode with the model's own struct. Raises `RequestRefused` naming the field, and what it may be."""
    request: TaskRequest = decoded(jsonedit.join(fields), decoder, model)
    checks.check_names(fields, KNOWN, model)
    return request


def decoded(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model) -> Any:
    """`checks.decode`, where a value outside of a model's list is told with the list (422)."""
    try:
        return checks.decode(body, decoder, model)
    except RequestRefused as refused:
        param, rules = refused.problem.param, model.media
        allowed = _allowed(rules, param) if rules is not None and param in _SPREAD else ()
        if not allowed or refused.problem.code not in ("invalid_type", "value_out_of_range"):
            raise
        if "nvalid enum" not in refused.problem.message:
            raise
        message = f"`{param}` of `{model.id}` must be one of: {', '.join(allowed)}"
        raise refuse(Kind.PARAM, message, param=param, code="value_out_of_range", status=422) from None


def brief(request: TaskRequest, fields: Fields, kind: MediaType, model: Model) -> Brief:
    """What is to be made, with the model's defaults."""
    rules = model.media or MediaRules(sync=False)
    images = tuple(request.reference_urls or ())
    first = request.img_url
    if kind == "image" and first is not None:
        images, first = (first, *images), None
    return Brief(
        type=kind,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        size=request.size or (rules.sizes[0] if rules.sizes else None),
        n=request.n or 1,
        seed=request.seed,
        quality=request.quality,
        style=request.style,
        background=request.background,
        output_format=request.output_format,
        resolution=request.resolution or (rules.resolutions[0] if rules.resolutions else None),
        ratio=request.ratio,
        duration=request.duration or rules.duration_default,
        audio=request.audio,
        watermark=request.watermark if request.watermark is not None else rules.watermark,
        images=images,
        mask=request.mask_url,
        first_frame=first,
        last_frame=request.last_frame_url,
        video=request.video_url,
        user=request.user,
        extra=_extra(fields) if model.unknown_params == "pass" else {},
    )


def _extra(fields: Fields) -> dict[str, Raw]:
    return {name: value for name, value in fields.items() if name not in KNOWN}


def _allowed(rules: MediaRules, param: str | None) -> tuple[str, ...]:
    lists = {"size": rules.sizes, "ratio": rules.ratios, "resolution": rules.resolutions}
    if param == "duration":
        return tuple(str(one) for one in rules.durations)
    return lists.get(param or "", ())
