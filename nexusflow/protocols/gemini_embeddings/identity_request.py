"""A client's Gemini embeddings request: checked, then rewritten for a provider that speaks Gemini itself."""

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.common import checks, dimensions
from nexusflow.protocols.common.media import normal_mime
from nexusflow.protocols.gemini import keys
from nexusflow.protocols.gemini.wire import Part, several
from nexusflow.protocols.gemini_embeddings.wire import BATCH, SINGLE, BatchEmbedContents, EmbedContent
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(EmbedContent.__struct_fields__)
MONEY_FIELDS = ("model", "content", "requests", "outputDimensionality", "output_dimensionality")

_single = msgspec.json.Decoder(EmbedContent)
_batch = msgspec.json.Decoder(BatchEmbedContents)
_decode_requests = msgspec.json.Decoder(list[Fields]).decode
_encode = msgspec.json.Encoder().encode


def parse(body: bytes, *, batch: bool) -> tuple[bytes, Fields]:
    """The body in one spelling, with its top-level fields. Raises `RequestRefused` as `keys.normalise` does."""
    return keys.normalise(body, MONEY_FIELDS, BATCH if batch else SINGLE)


def validate(body: bytes, model: Model, bounds: RequestBounds, *, batch: bool) -> list[EmbedContent]:
    """The requests of a body from `parse`, one when it is no batch. Raises `RequestRefused`.

    The rules of `model` name parameters as OpenAI's embeddings do (`dimensions`).
    """
    requests = checks.decode(body, _batch, model).requests if batch else [checks.decode(body, _single, model)]
    images = 0
    for at, request in enumerate(requests):
        path = f"requests[{at}]." if batch else ""
        if request.model is not None and not _names(request.model, model):
            message = f"`{path}model` names another model than the address"
            raise refuse(Kind.PARAM, message, param=f"{path}model")
        if request.dimensions is not None and "dimensions" in model.refused:
            raise checks.unsupported(f"{path}outputDimensionality", model)
        images += _check_parts(several(request.content.parts), f"{path}content.parts", model)
    if images > bounds.max_images:
        raise checks.too_many("images", images, bounds.max_images)
    return requests


def check_names(fields: Fields, model: Model) -> None:
    """Refuse unknown fields, of each request of a batch too, where the model takes none. Raises `RequestRefused`."""
    if model.unknown_params == "reject":
        for item in _decode_requests(fields["requests"]) if "requests" in fields else [fields]:
            checks.check_names(item, KNOWN, model)


def prepare(
    requests: list[EmbedContent], fields: Fields, model: Model, upstream_model: str, capabilities: Capabilities
) -> bytes:
    """The body for the provider: its own model name wherever one stands, our defaults; all else byte for byte.

    `requests` and `fields` are what `validate` and `parse` returned; `fields` is changed in place. Raises
    `RequestRefused` (E-PARAM) for a length of vector that the lane's model cannot make.
    """
    for request in requests:
        dimensions.check(request.dimensions, "outputDimensionality", capabilities)
    name = jsonedit.text(f"models/{upstream_model}")
    if "requests" in fields:
        items = _decode_requests(fields["requests"])
        for item, request in zip(items, requests, strict=True):
            _edit(item, request, model)
            item["model"] = name  # Google wants it in each, and equal to that of the address
        fields["requests"] = Raw(_encode(items))
    else:
        _edit(fields, requests[0], model)
        if "model" in fields:
            fields["model"] = name
    return jsonedit.join(fields)


def _edit(fields: Fields, request: EmbedContent, model: Model) -> None:
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    length = model.defaults.get("dimensions")
    if length is not None and request.dimensions is None:
        fields["outputDimensionality"] = length


def _names(name: str, model: Model) -> bool:
    return name.removeprefix("models/") in (model.id, *model.aliases)


def _check_parts(parts: list[Part], path: str, model: Model) -> int:
    """Media only where the model takes it; returns the number of images."""
    if not parts:
        raise refuse(Kind.PARAM, f"`{path}` is empty", param=path, code="missing_required_parameter")
    images = 0
    for at, part in enumerate(parts):
        media = part.inlineData or part.fileData
        if media is None:
            continue
        kind = normal_mime(media.mimeType).partition("/")[0]
        modality = kind if kind in ("image", "audio", "video") else "file"
        if modality not in model.input:
            raise checks.no_modality(modality, f"{path}[{at}]", model)
        images += modality == "image"
    return images
