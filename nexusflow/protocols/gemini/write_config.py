"""`generationConfig` and its neighbours for a Gemini provider (protocols 2.1.3 to 2.1.6)."""

from typing import Any

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, OutputFormat
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import reasoning, schemas, speech
from nexusflow.protocols.gemini.wire import MAX_INT32

MAX_STOPS = 5
MIN_BUDGET = 128
"""Tokens of thought below which a model that always thinks cannot go."""
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority", "ultrafast": "priority"}


def generation_config(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """The object; members that the caller did not set are left out. Raises `RequestRefused`."""
    config: dict[str, Any] = {}
    _sampling(call, to.capabilities, losses, config)
    _extent(call, to.capabilities, losses, config)
    _logprobs(call, to.capabilities, config)
    _modalities(call, to.capabilities, config)
    # Where a function has to be called there is no answer to form, and models before Gemini 3 refuse to have both.
    if call.format is not None and not (call.tool_choice and call.tool_choice.mode == "required"):
        config.update(_format(call.format, call, to.capabilities, losses))
    thinking = _thinking(call, to, losses)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def tier(call: ChatCall, caps: Capabilities, losses: Losses) -> str | None:
    """`serviceTier`: the nearest that the model has, or None for the standard one."""
    if call.tier is None or call.tier in ("default", "auto", "standard"):
        return None
    word = _TIERS.get(call.tier, call.tier)
    if word not in caps.service_tiers:
        losses.drop(call.spelled("tier"))
        return None
    if word != call.tier:
        losses.change(call.spelled("tier"), f"{call.tier}>{word}")
    return word


def hints(call: ChatCall, losses: Losses) -> None:
    """Tell what Gemini has no place for. Values without effect go in silence."""
    if call.verbosity is not None:
        losses.drop(call.spelled("verbosity"))
    if call.user is not None:
        losses.drop(call.spelled("user"))
    if call.metadata:
        losses.drop(call.spelled("metadata"))
    if call.store:
        losses.drop(call.spelled("store"))
    if call.sampling.logit_bias:
        losses.drop(call.spelled("logit_bias"))
    if call.parallel_tools is False and call.tools:
        losses.drop(call.spelled("parallel_tools"))


def _refused(call: ChatCall, field: str, message: str) -> RequestRefused:
    path = call.spelled(field)
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_parameter")


def _sampling(call: ChatCall, caps: Capabilities, losses: Losses, config: dict[str, Any]) -> None:
    wanted = call.sampling
    for name, field, value, neutral, possible in (
        ("temperature", "temperature", wanted.temperature, 1, caps.sampling),
        ("topP", "top_p", wanted.top_p, 1, caps.sampling),
        ("topK", "top_k", wanted.top_k, None, caps.sampling and caps.top_k),
        ("frequencyPenalty", "frequency_penalty", wanted.frequency_penalty, 0, caps.penalties),
        ("presencePenalty", "presence_penalty", wanted.presence_penalty, 0, caps.penalties),
        ("seed", "seed", wanted.seed, None, wanted.seed is None or -MAX_INT32 - 1 <= wanted.seed <= MAX_INT32),
    ):
        if value is None or (value == neutral and (neutral == 0 or not possible)):
            continue
        if not possible:
            losses.drop(call.spelled(field))
        elif field == "temperature" and value > 2:
            losses.change(call.spelled(field), f"{value}>2")
            config[name] = 2
        else:
            config[name] = value


def _extent(call: ChatCall, caps: Capabilities, losses: Losses, config: dict[str, Any]) -> None:
    """How long, how often, and where to stop."""
    most, limit = call.max_tokens, caps.max_output_tokens
    if most is not None:
        if most < 1:
            raise _refused(call, "max_tokens", "at least 1 is needed")
        if limit is not None and most > limit:
            losses.change(call.spelled("max_tokens"), f"{most}>{limit}")
            most = limit
        config["maxOutputTokens"] = most
    if call.n is not None and call.n != 1:
        if call.n > caps.n_max:
            raise _refused(call, "n", f"this model gives at most {caps.n_max}")
        config["candidateCount"] = call.n
    if call.stop:
        stops = MAX_STOPS if caps.stop_max is None else min(caps.stop_max, MAX_STOPS)
        if len(call.stop) > stops:
            raise _refused(call, "stop", f"this model takes at most {stops} stop sequences")
        config["stopSequences"] = call.stop


def _logprobs(call: ChatCall, caps: Capabilities, config: dict[str, Any]) -> None:
    if not call.sampling.logprobs:
        return
    if not caps.logprobs:
        raise _refused(call, "logprobs", "this model does not report log probabilities")
    config["responseLogprobs"] = True
    if call.sampling.top_logprobs is not None:
        config["logprobs"] = call.sampling.top_logprobs


def _modalities(call: ChatCall, caps: Capabilities, config: dict[str, Any]) -> None:
    if not call.modalities or call.modalities == ("text",):
        return
    spoken = speech.wanted(call)
    if spoken is not None and speech.FIELD in caps.output:  # Google's speaking models do not write beside it
        config["responseModalities"] = [speech.FIELD.upper()]
        if spoken.voice is not None:
            config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": spoken.voice}}}
        return
    for wanted in call.modalities:
        if wanted not in caps.output:
            raise _refused(call, "modalities", f"this model does not answer with {wanted}")
    config["responseModalities"] = [wanted.upper() for wanted in call.modalities]


def _format(wanted: OutputFormat, call: ChatCall, caps: Capabilities, losses: Losses) -> dict[str, Any]:
    if wanted.kind == "text":
        return {}
    if caps.structured_output == "none" or (
        wanted.kind == "json_schema" and caps.structured_output == "json_object" and wanted.schema is not None
    ):
        raise _refused(call, "format", "this model cannot be held to that form")
    found: dict[str, Any] = {"responseMimeType": "application/json"}
    if wanted.kind == "json_schema" and wanted.schema is not None:
        path = wanted.path or call.spelled("format")
        if caps.json_schema_tools:
            found["responseJsonSchema"] = schemas.for_gemini(wanted.schema, losses, path)
        else:
            found["responseSchema"] = schemas.for_gemini_legacy(wanted.schema, losses, path)
    return found


def _thinking(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """A level for those models that take levels, else a budget; never both, which is a 400 (T98)."""
    shape = to.capabilities.reasoning.shape
    found: dict[str, Any] = {}
    if shape == "level":
        level = reasoning.level(call, to, losses)
        if level is not None:
            found["thinkingLevel"] = level.upper()
    elif shape == "budget":
        budget = reasoning.google_budget(call, losses)
        if budget == 0 and to.capabilities.reasoning.always_on:
            losses.change(call.reasoning.path or call.spelled("reasoning"), f"0>{MIN_BUDGET}")
            budget = MIN_BUDGET
        if budget is not None:
            found["thinkingBudget"] = budget
    elif call.reasoning.effort not in (None, "none") or call.reasoning.budget:
        losses.drop(call.reasoning.path or call.spelled("reasoning"))
    if shape in ("level", "budget") and call.reasoning.expose != "none" and found.get("thinkingBudget") != 0:
        found["includeThoughts"] = True
    return found
