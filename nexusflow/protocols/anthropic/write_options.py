"""Thinking, sampling and the other options of a request for the provider (protocols 2.1.4 to 2.1.6)."""

from typing import Any

from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic.write_messages import Message, lost_thinking
from nexusflow.protocols.common import reasoning, schemas

FALLBACK_MAX_TOKENS = 8_192
"""For a model of which the catalogue knows no limit: every model of this protocol of the last years takes it."""
FALLBACK_MAX_TOKENS_WITH_THINKING = 32_000
"""The same for one that thinks on a budget: the smallest limit of those."""

MIN_TOP_P_WITH_THINKING = 0.95
JSON_ONLY = "Answer with a single JSON object and nothing else."
"""What is said to a model that has no switch for it."""


def max_tokens(call: ChatCall, to: Destination, losses: Losses) -> int:
    """`max_tokens`, which this protocol must have: the caller's, else the model's usual or greatest."""
    flags = to.capabilities
    wanted = call.max_tokens
    if wanted is None:
        wanted = flags.default_max_tokens or flags.max_output_tokens or FALLBACK_MAX_TOKENS
    most = flags.max_output_tokens
    if most is not None and wanted > most:
        losses.change(call.spelled("max_tokens"), f"{wanted}>{most}")
        return most
    return wanted


def with_thinking(call: ChatCall, to: Destination, limit: int, thought: dict[str, Any] | None) -> int:
    """`limit`, the request's `max_tokens`, with the budget added where we chose it: it counts thinking and answer."""
    if call.max_tokens is not None or thought is None or thought["type"] != "enabled":
        return limit
    wanted: int = thought["budget_tokens"] + _usual_answer(to)
    return max(limit, min(wanted, _most_with_thinking(to)))


def thinking(
    call: ChatCall, messages: list[Message], to: Destination, losses: Losses, limit: int
) -> tuple[dict[str, Any] | None, str | None]:
    """`thinking` and the word for `output_config.effort`. `limit` is the request's `max_tokens`."""
    wanted = call.reasoning
    path = wanted.path or call.spelled("reasoning")
    if wanted.effort is None and wanted.budget is None and wanted.expose in (None, "none"):
        return None, None  # not to be shown any is no wish to have some
    flags = to.capabilities.reasoning
    if flags.shape in ("none", "level"):
        losses.drop(path)
        return None, None
    if _off(call):
        if flags.always_on:
            losses.drop(path)
            return None, None
        return {"type": "disabled"}, None
    if flags.shape == "effort":
        return None, reasoning.effort(call, to, losses)
    if flags.shape == "adaptive" and not (flags.legacy_budget and wanted.budget is not None):
        display = "omitted" if wanted.expose == "none" else "summarized"
        return {"type": "adaptive", "display": display}, reasoning.effort(call, to, losses)
    return _budgeted(call, messages, to, losses, limit, path), None


def sampling(call: ChatCall, to: Destination, losses: Losses, thought: dict[str, Any] | None) -> dict[str, Any]:
    """`temperature`, `top_p` and `top_k`; a default that changes nothing goes in silence."""
    wanted, found = call.sampling, dict[str, Any]()
    legacy = thought is not None and thought["type"] == "enabled"
    temperature, top_p = wanted.temperature, wanted.top_p
    allowed = to.capabilities.sampling
    if temperature is not None and temperature != 1:
        if not allowed or legacy:
            losses.drop(call.spelled("temperature"))
        elif temperature > 1:
            losses.change(call.spelled("temperature"), f"{temperature:g}>1")
        else:
            found["temperature"] = temperature
    if top_p is not None and top_p != 1:
        # Some models refuse both together, and legacy thinking a narrow one (T74).
        if allowed and "temperature" not in found and not (legacy and top_p < MIN_TOP_P_WITH_THINKING):
            found["top_p"] = top_p
        else:
            losses.drop(call.spelled("top_p"))
    if wanted.top_k is not None:
        if allowed and to.capabilities.top_k and not legacy:
            found["top_k"] = wanted.top_k
        else:
            losses.drop(call.spelled("top_k"))
    return found


def stops(call: ChatCall, to: Destination, losses: Losses) -> list[str]:
    """`stop_sequences`; one of only white space would be refused."""
    found = [stop for stop in call.stop if stop.strip()]
    path = call.spelled("stop")
    if len(found) < len(call.stop):
        losses.drop(path)
    most = to.capabilities.stop_max
    if most is not None and len(found) > most:
        raise _refused(path, f"this model takes at most {most} stop sequences")
    return found


def output_format(call: ChatCall, to: Destination, losses: Losses) -> tuple[dict[str, Any] | None, str | None]:
    """`output_config.format`, and what has to be said in the system text instead."""
    wanted = call.format
    if wanted is None or wanted.kind == "text":
        return None, None
    path = wanted.path or call.spelled("format")
    takes = to.capabilities.structured_output
    if takes == "none" or (wanted.kind == "json_schema" and takes != "json_schema"):
        raise _refused(path, "this model has no structured output")
    if wanted.kind == "json_object" or wanted.schema is None:
        losses.change(path, "json_object>system text")
        return None, JSON_ONLY
    if wanted.strict is False:
        losses.change(f"{path}.strict", "false>true")
    schema: Raw = schemas.for_anthropic_output(wanted.schema, losses, path)
    return {"type": "json_schema", "schema": schema}, None


def service(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """`service_tier` and `speed`."""
    match call.tier:
        case None | "auto":
            return {}
        case "default" | "standard":
            return {"service_tier": "standard_only"}
        case "priority":
            return {"service_tier": "auto"}
        case "fast" if "fast" in to.capabilities.service_tiers:
            return {"speed": "fast"}
    losses.drop(call.spelled("tier"))
    return {}


def check_absent(call: ChatCall, losses: Losses) -> None:
    """Parameters that this protocol has not: hints are dropped, the others refused (protocols 2.0.3, 2.2)."""
    wanted = call.sampling
    if call.n is not None and call.n > 1:
        raise _refused(call.spelled("n"), "this model gives one answer")
    if wanted.logprobs or wanted.top_logprobs:
        raise _refused(call.spelled("logprobs"), "this model gives no log probabilities")
    if any(modality != "text" for modality in call.modalities):
        raise _refused(call.spelled("modalities"), "this model answers in text")
    hints = {
        "seed": wanted.seed is not None,
        "frequency_penalty": bool(wanted.frequency_penalty),
        "presence_penalty": bool(wanted.presence_penalty),
        "logit_bias": bool(wanted.logit_bias),
        "verbosity": call.verbosity not in (None, "medium"),
        "store": bool(call.store),
        "metadata": bool(call.metadata),
    }
    for name, given in hints.items():
        if given:
            losses.drop(call.spelled(name))


def _usual_answer(to: Destination) -> int:
    return to.capabilities.default_max_tokens or FALLBACK_MAX_TOKENS


def _most_with_thinking(to: Destination) -> int:
    return to.capabilities.max_output_tokens or FALLBACK_MAX_TOKENS_WITH_THINKING


def _room_to_think(to: Destination) -> int:
    """What a budget must stay below so that an answer fits behind it, where the caller set no limit to both."""
    most = _most_with_thinking(to)
    return most + 1 - min(_usual_answer(to), most // 2)


def _off(call: ChatCall) -> bool:
    return call.reasoning.effort == "none" or call.reasoning.budget == 0


def _budgeted(
    call: ChatCall, messages: list[Message], to: Destination, losses: Losses, limit: int, path: str
) -> dict[str, Any] | None:
    """Thinking of the older shape, unless something else in the request rules it out."""
    below = limit if call.max_tokens is not None else _room_to_think(to)
    budget = reasoning.budget(call, to, losses, below)
    if budget is None or budget < 0:
        return None
    forced = call.tool_choice is not None and call.tool_choice.mode == "required"
    if forced or lost_thinking(messages):
        losses.drop(path)
        return None
    return {"type": "enabled", "budget_tokens": budget}


def _refused(path: str, message: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_parameter")
