"""A request of OpenAI's Images interface as a brief."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import MediaRules, Model
from nexusflow.ir.task import Brief
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_images.wire import ImageRequest
from nexusflow.protocols.tasks.read_request import decoded
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(ImageRequest.__struct_fields__)
MONEY_FIELDS = ("model", "n", "size", "quality")


def validate(fields: Fields, decoder: msgspec.json.Decoder[Any], model: Model) -> ImageRequest:
    """Decode with the model's own struct. Raises `RequestRefused` naming the field."""
    request: ImageRequest = decoded(jsonedit.join(fields), decoder, model)
    checks.check_names(fields, KNOWN, model)
    if request.stream and (request.n or 1) > 1:
        raise refuse(Kind.PARAM, "`n` must be 1 where the answer is streamed", param="n", status=422)
    return request


def brief(
    request: ImageRequest, fields: Fields, model: Model, images: tuple[str, ...] = (), mask: str | None = None
) -> Brief:
    """What is to be made; `images` are the pictures of an edit. `auto` leaves the choice to the provider."""
    rules = model.media or MediaRules(sync=True)
    size = None if request.size == "auto" else request.size
    extra: dict[str, Raw] = {}
    if model.unknown_params == "pass":
        extra = {name: value for name, value in fields.items() if name not in KNOWN}
    return Brief(
        type="image",
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        size=size or (rules.sizes[0] if rules.sizes and request.size is None else None),
        n=request.n or 1,
        seed=request.seed,
        quality=request.quality,
        style=request.style,
        background=request.background,
        moderation=request.moderation,
        output_format=request.output_format,
        output_compression=request.output_compression,
        input_fidelity=request.input_fidelity,
        watermark=request.watermark if request.watermark is not None else rules.watermark,
        images=images,
        mask=mask,
        user=request.user,
        partials=(request.partial_images or 0) if request.stream else 0,
        extra=extra,
    )
