"""`generationConfig` of a client (protocols 1.5.1, 2.5)."""

from typing import cast, get_args

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Effort, Ext, OutputFormat, Reasoning, Sampling
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.common import schemas
from nexusflow.wire.jsonedit import Fields

PREFIX = "generationConfig."
_KNOWN = frozenset(
    (
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "candidateCount",
        "stopSequences",
        "seed",
        "presencePenalty",
        "frequencyPenalty",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "responseModalities",
        "mediaResolution",
        "thinkingConfig",
    )
)
_ELSEWHERE = ("speechConfig", "translationConfig", "responseFormat", "routingConfig", "modelSelectionConfig")
"""What decides who answers, or in what form: no other provider can be told."""
_EFFORTS: frozenset[str] = frozenset(get_args(Effort))
_DETAILS = {"LOW": "low", "MEDIUM": "auto", "HIGH": "high", "ULTRA_HIGH": "original"}
_RESOLUTION = "MEDIA_RESOLUTION_"


class Config(Struct, frozen=True, kw_only=True):
    """What it says, in canonical form. `detail` goes for all media that do not say otherwise."""

    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    n: int | None = None
    stop: tuple[str, ...] = ()
    reasoning: Reasoning = Reasoning(expose="none")
    format: OutputFormat | None = None
    modalities: tuple[str, ...] = ()
    detail: str | None = None
    ext: Ext = {}


def read(found: Raw | None) -> Config:
    """The configuration. Raises `RequestRefused`."""
    if found is None:
        return Config()
    fields = raws.obj(found, "generationConfig")
    for name in _ELSEWHERE:
        if raws.optional(fields, name) is not None:
            raise _refused(name, "it cannot be carried over to this model's provider")
    ext = {PREFIX + name: value for name, value in (raws.rest(fields, _KNOWN) or {}).items()}
    stops = raws.optional(fields, "stopSequences")
    return Config(
        sampling=_sampling(fields),
        max_tokens=_integer(fields, "maxOutputTokens"),
        n=_integer(fields, "candidateCount"),
        stop=_strings(stops, "stopSequences") if stops is not None else (),
        reasoning=_reasoning(raws.optional(fields, "thinkingConfig")),
        format=_format(fields),
        modalities=_modalities(raws.optional(fields, "responseModalities")),
        detail=detail(raws.optional(fields, "mediaResolution"), PREFIX + "mediaResolution"),
        ext=ext,
    )


def detail(found: Raw | None, path: str) -> str | None:
    """`MEDIA_RESOLUTION_…` as a detail; None for the unspecified one."""
    if found is None:
        return None
    return _DETAILS.get(raws.string(found, path).removeprefix(_RESOLUTION))


def _sampling(fields: Fields) -> Sampling:
    top_k = _number(fields, "topK")
    logprobs = raws.optional(fields, "responseLogprobs")
    return Sampling(
        temperature=_number(fields, "temperature"),
        top_p=_number(fields, "topP"),
        top_k=int(top_k) if top_k is not None else None,
        frequency_penalty=_number(fields, "frequencyPenalty"),
        presence_penalty=_number(fields, "presencePenalty"),
        seed=_integer(fields, "seed"),
        logprobs=raws.boolean(logprobs, PREFIX + "responseLogprobs") if logprobs is not None else None,
        top_logprobs=_integer(fields, "logprobs"),
    )


def _reasoning(found: Raw | None) -> Reasoning:
    """How to think. Google shows no thoughts unless it is told to."""
    if found is None:
        return Reasoning(expose="none")
    path = PREFIX + "thinkingConfig"
    fields = raws.obj(found, path)
    budget, level = raws.optional(fields, "thinkingBudget"), raws.optional(fields, "thinkingLevel")
    if budget is not None and level is not None:
        raise _refused("thinkingConfig", "give `thinkingBudget` or `thinkingLevel`, not both")
    shown = raws.optional(fields, "includeThoughts")
    word = raws.string(level, f"{path}.thinkingLevel").lower() if level is not None else None
    if word is not None and word not in _EFFORTS and word != "thinking_level_unspecified":
        raise _refused("thinkingConfig.thinkingLevel", "it must be one of MINIMAL, LOW, MEDIUM, HIGH, XHIGH")
    return Reasoning(
        effort=cast("Effort", word) if word in _EFFORTS else None,
        budget=raws.integer(budget, f"{path}.thinkingBudget") if budget is not None else None,
        expose="summary" if shown is not None and raws.boolean(shown, f"{path}.includeThoughts") else "none",
        path=path,
    )


def _format(fields: Fields) -> OutputFormat | None:
    """JSON with or without a schema; an enum is a schema too."""
    mime_type = raws.optional(fields, "responseMimeType")
    mime = raws.string(mime_type, PREFIX + "responseMimeType") if mime_type is not None else None
    older, newer = raws.optional(fields, "responseSchema"), raws.optional(fields, "responseJsonSchema")
    if older is not None and newer is not None:
        raise _refused("responseSchema", "give it or `responseJsonSchema`, not both")
    if mime in (None, "text/plain"):
        if older is not None or newer is not None:
            raise _refused("responseMimeType", "a schema needs `application/json`")
        return None
    if mime not in ("application/json", "text/x.enum"):
        raise _refused("responseMimeType", "it must be text/plain, application/json or text/x.enum")
    if older is None and newer is None:
        return OutputFormat(kind="json_object", path=PREFIX + "responseMimeType")
    name = "responseSchema" if older is not None else "responseJsonSchema"
    schema = schemas.from_gemini(older) if older is not None else newer
    return OutputFormat(kind="json_schema", schema=schema, path=PREFIX + name)


def _modalities(found: Raw | None) -> tuple[str, ...]:
    if found is None:
        return ()
    words = tuple(word.lower() for word in _strings(found, "responseModalities"))
    return () if words == ("text",) else words


def _strings(found: Raw, name: str) -> tuple[str, ...]:
    path = PREFIX + name
    return tuple(raws.string(item, f"{path}[{at}]") for at, item in enumerate(raws.items(found, path)))


def _number(fields: Fields, name: str) -> float | None:
    """A number as it was written: 1 stays 1."""
    found = raws.optional(fields, name)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found, type=int | float)
    except msgspec.DecodeError:
        raise _refused(name, "it must be a number") from None


def _integer(fields: Fields, name: str) -> int | None:
    found = raws.optional(fields, name)
    return raws.integer(found, PREFIX + name) if found is not None else None


def _refused(name: str, message: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{PREFIX}{name}`: {message}", param=PREFIX + name, code="unsupported_parameter")
