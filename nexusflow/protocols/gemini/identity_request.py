"""A client's Gemini request: checked against the model's struct, then rewritten for the lane that serves it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.parameters import GEMINI_TOP_LEVEL
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.protocols.common import checks
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.common.fees import check_tool, unpriceable
from nexusflow.protocols.gemini import keys
from nexusflow.protocols.gemini.tables import ORIGIN, tier_word
from nexusflow.protocols.gemini.wire import HOSTED, Content, GenerateRequest, Part, several
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(GenerateRequest.__struct_fields__)
MONEY_FIELDS = ("generationConfig", "generation_config", "serviceTier", "service_tier", "model")


def parse(body: bytes) -> tuple[bytes, Fields]:
    """The body in one spelling of its keys, and its top-level fields. Everything else in this protocol reads that.

    Raises `RequestRefused` (E-PARSE; E-PARAM for what is given twice and decides the price).
    """
    return keys.normalise(body, MONEY_FIELDS)


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> GenerateRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    request: GenerateRequest = checks.decode(body, decoder, model)
    contents = request.contents
    if not isinstance(contents, str):
        check_contents(several(contents), model, bounds)
    declared = sum(len(several(tool.functionDeclarations)) for tool in several(request.tools))
    if declared > bounds.max_tools:
        raise checks.too_many("tools", declared, bounds.max_tools)
    if request.serviceTier is not None:
        request = msgspec.structs.replace(request, serviceTier=tier_word(request.serviceTier))
    checks.check_allowed(request, model)
    if request.generationConfig is not None:
        checks.check_allowed(request.generationConfig, model)
    _check_format(request, model)
    unpriced = model.unpriced.get(ORIGIN)
    if unpriced is not None:
        _check_fees(request, model, unpriced)
    return request


def _check_fees(request: GenerateRequest, model: Model, unpriced: tuple[str, ...]) -> None:
    """Nothing that costs extra without a price: Google's own tools, and media that the model is not said to make."""
    for at, tool in enumerate(several(request.tools)):
        for name in HOSTED:
            if getattr(tool, name) is not None:
                check_tool(name, f"tools[{at}].{name}", model, unpriced)
    made = request.generationConfig.responseModalities if request.generationConfig is not None else None
    for word in made or ():
        if word.lower() in ("audio", "image", "video") and word.lower() not in model.output:
            raise unpriceable(word, "generationConfig.responseModalities", model)


def demand(request: GenerateRequest) -> Demand:
    """What the request may cost. The protocol has no name for the caller's user."""
    contents = [] if isinstance(request.contents, str) else several(request.contents)
    media = sum(1 for _ in _media(contents))
    config = request.generationConfig
    return (
        Demand(None, 1, media) if config is None else Demand(config.maxOutputTokens, config.candidateCount or 1, media)
    )


def prepare(fields: Fields, model: Model, upstream_model: Raw, *, stream: bool, usage: StreamUsage) -> bytes:
    """The body for the provider: its own model name where the body has one, our defaults; all else byte for byte.

    The model, whether to stream and how to report usage are no matters of this body: `stream` and `usage` change
    nothing. `fields` is changed in place; a second attempt passes through here again and overwrites the same keys.
    """
    if "model" in fields:
        fields["model"] = resource(upstream_model)
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    put_defaults(fields, model)
    spell_out(fields)
    return jsonedit.join(fields)


def resource(model: Raw) -> Raw:
    """A model's name as bodies have it: `models/…`."""
    name = jsonedit.as_text(model) or ""
    return jsonedit.text(name if name.startswith(("models/", "tunedModels/")) else f"models/{name}")


def spell_out(fields: Fields) -> None:
    """Bare strings as the objects that Google takes."""
    contents, system = fields.get("contents"), fields.get("systemInstruction")
    if contents is not None and bytes(contents).startswith(b'"'):
        fields["contents"] = Raw(b'[{"role":"user","parts":[{"text":' + bytes(contents) + b"}]}]")
    if system is not None and bytes(system).startswith(b'"'):
        fields["systemInstruction"] = Raw(b'{"parts":[{"text":' + bytes(system) + b"}]}")


def put_defaults(fields: Fields, model: Model) -> None:
    """The catalogue's defaults, in this protocol's spelling, where the caller left a parameter out."""
    config: Fields | None = None
    for name, value in model.defaults.items():
        if name in GEMINI_TOP_LEVEL:
            fields.setdefault(name, value)
            continue
        config = _config(fields) if config is None else config
        config.setdefault(name, _listed(value) if name == "stopSequences" else value)
    if config is not None:
        fields["generationConfig"] = Raw(jsonedit.join(config))


def _listed(value: Raw) -> Raw:
    return value if bytes(value).startswith(b"[") else Raw(b"[" + bytes(value) + b"]")


def _config(fields: Fields) -> Fields:
    config = fields.get("generationConfig")
    return {} if config is None or bytes(config) == b"null" else jsonedit.split(bytes(config))


def check_contents(contents: list[Content], model: Model, bounds: RequestBounds) -> None:
    """Media only where the model takes it, and not too much of anything (C-18)."""
    if len(contents) > bounds.max_messages:
        raise checks.too_many("contents", len(contents), bounds.max_messages)
    images = 0
    for path, modality in _media(contents):
        if modality not in model.input:
            raise checks.no_modality(modality, path, model)
        images += modality == "image"
    if images > bounds.max_images:
        raise checks.too_many("images", images, bounds.max_images)


def _media(contents: list[Content]) -> Iterator[tuple[str, str]]:
    """Where the contents hold pictures and files, and of which kind."""
    for at, content in enumerate(contents):
        for index, part in enumerate(several(content.parts)):
            modality = _modality(part)
            if modality is not None:
                yield f"contents[{at}].parts[{index}]", modality


def _modality(part: Part) -> str | None:
    """What kind of medium a part is, or None for text. A file without a type may be anything, so it is let through."""
    media = part.inlineData or part.fileData
    if media is None or not media.mimeType:
        return None
    family = media.mimeType.partition("/")[0].lower()
    if family == "text":
        return None
    return family if family in ("image", "audio", "video") else "file"


def _check_format(request: GenerateRequest, model: Model) -> None:
    """`response_formats` in Gemini's words: JSON with a schema, JSON without, or text."""
    config = request.generationConfig
    if not model.response_formats or config is None or not (config.responseMimeType or "").endswith("json"):
        return
    if "json_object" not in model.response_formats and "json_schema" not in model.response_formats:
        raise checks.unsupported("generationConfig.responseMimeType", model)
