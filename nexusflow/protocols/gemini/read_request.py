"""A client's Gemini request as the canonical call (protocols 1.5.1, 2.5)."""

from msgspec import Raw

from nexusflow.ir.chat import ChatCall, Ext, Turn
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.gemini import identity_request, read_config, read_tools
from nexusflow.protocols.gemini.read_contents import Contents
from nexusflow.protocols.gemini.tables import ORIGIN, tier_word
from nexusflow.wire.jsonedit import Fields

NAMES = {
    "max_tokens": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "presence_penalty": "generationConfig.presencePenalty",
    "seed": "generationConfig.seed",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "stop": "generationConfig.stopSequences",
    "n": "generationConfig.candidateCount",
    "reasoning": "generationConfig.thinkingConfig",
    "format": "generationConfig.responseMimeType",
    "modalities": "generationConfig.responseModalities",
    "tool_choice": "toolConfig.functionCallingConfig",
    "tier": "serviceTier",
    "metadata": "labels",
}
"""Canonical fields as a Gemini client spells them."""

_KNOWN = frozenset(
    (
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "safetySettings",
        "labels",
        "serviceTier",
        "store",
        "model",
    )
)
_ELSEWHERE = ("cachedContent", "continuationToken")
"""What the provider keeps for its own callers: without it the model would read something else."""
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
_OFF = ("OFF", "BLOCK_NONE")


def read(body: bytes, *, model: str, stream: bool) -> ChatCall:
    """The canonical call. Raises `RequestRefused` naming the caller's own field."""
    _, fields = identity_request.parse(body)
    return read_fields(fields, model=model, stream=stream)


def read_fields(fields: Fields, *, model: str, stream: bool) -> ChatCall:
    """The same of a body's fields, whose keys are in camelCase already."""
    for name in _ELSEWHERE:
        if raws.optional(fields, name) is not None:
            raise refuse(Kind.PARAM, f"`{name}` cannot be carried over to this model's provider", param=name)
    config = read_config.read(raws.optional(fields, "generationConfig"))
    choice = read_tools.choice(raws.optional(fields, "toolConfig"))
    ext: Ext = {**(raws.rest(fields, _KNOWN) or {}), **config.ext, **choice.ext, **_safety(fields)}
    return ChatCall(
        origin=ORIGIN,
        model=model,
        turns=_turns(fields, config.detail),
        tools=read_tools.read(raws.optional(fields, "tools"), validated=choice.validated),
        tool_choice=choice.choice,
        max_tokens=config.max_tokens,
        sampling=config.sampling,
        stop=config.stop,
        n=config.n,
        reasoning=config.reasoning,
        format=config.format,
        modalities=config.modalities,
        tier=_tier(fields),
        metadata=_labels(fields),
        store=raws.boolean(found, "store") if (found := raws.optional(fields, "store")) is not None else None,
        stream=stream,
        include_usage=True,
        names=NAMES,
        ext=ext or None,
    )


def _turns(fields: Fields, detail: str | None) -> tuple[Turn, ...]:
    contents = raws.optional(fields, "contents")
    if contents is None:
        raise refuse(Kind.PARAM, "`contents` is required", param="contents", code="missing_required_parameter")
    reader = Contents(detail)
    system = raws.optional(fields, "systemInstruction")
    leading = (reader.system(system),) if system is not None else ()
    return (*leading, *reader.turns(contents))


def _tier(fields: Fields) -> str | None:
    found = raws.optional(fields, "serviceTier")
    if found is None:
        return None
    word = tier_word(raws.string(found, "serviceTier"))
    return _TIERS.get(word, word)


def _labels(fields: Fields) -> dict[str, str] | None:
    found = raws.optional(fields, "labels")
    if found is None:
        return None
    return {name: raws.string(value, f"labels.{name}") for name, value in raws.obj(found, "labels").items()}


def _safety(fields: Fields) -> dict[str, Raw]:
    """Safety settings, unless they only switch off what another provider does not have."""
    found = raws.optional(fields, "safetySettings")
    if found is None:
        return {}
    for at, item in enumerate(raws.items(found, "safetySettings")):
        path = f"safetySettings[{at}]"
        threshold = raws.optional(raws.obj(item, path), "threshold")
        if threshold is None or bytes(threshold).strip(b'"').decode() not in _OFF:
            return {"safetySettings": found}
    return {}
