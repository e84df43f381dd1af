"""A canonical call as the request of a provider that speaks Responses (protocols 2.1, 2.9)."""

import hashlib
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, Ext, Turn
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.foreign import report_ext
from nexusflow.protocols.common.reasoning import effort
from nexusflow.protocols.common.turns import arranged, leading_system
from nexusflow.protocols.openai_responses.read_request import ENCRYPTED, LOGPROBS
from nexusflow.protocols.openai_responses.tables import ORIGIN
from nexusflow.protocols.openai_responses.write_input import InputWriter
from nexusflow.protocols.openai_responses.write_tools import write_tools

LEAST_TOKENS = 16
"""The API refuses less."""
MAX_USER = 64
_SHARED = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
"""Hints that OpenAI's two chat protocols spell alike."""
_PATH = "/responses"


def path(to: Destination, *, stream: bool) -> str:
    """Appended to the provider's base URL."""
    return _PATH


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The request body. Nothing is ever stored at the provider: the gateway keeps what has to be kept.

    Raises `RequestRefused`, in the caller's spelling, for what would change the meaning of the call if left out.
    """
    if call.store and call.origin != ORIGIN:
        losses.drop(call.spelled("store"))
    body = {
        "model": to.model,
        **prompt(call, to, losses),
        "stream": call.stream,
        "store": False,
        **_limits(call, to, losses),
        **_sampling(call, to, losses),
        **_hints(call, to, losses),
    }
    include = _include(call, to)
    if include:
        body["include"] = include
    _put_back(body, _kept_ext(call, losses))
    return msgspec.json.encode(body)


def prompt(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """What the model is given, as generating and counting both want it."""
    return {
        **_turns(call, to, losses),
        **write_tools(call, to, losses),
        **_reasoning(call, to, losses),
        **_text(call, to),
    }


def _turns(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    found = arranged(call)
    if found and found[-1].role == "assistant":
        where = found[-1].path
        raise refuse(Kind.PARAM, "the last message must not be the assistant's", param=where)
    system, rest = leading_system(found)
    writer = InputWriter(call, to, losses)
    text = _single_text(system)
    if text is not None and rest:
        return {"instructions": text, "input": writer.items(rest)}
    return {"input": writer.items((*system, *rest))}


def _single_text(system: tuple[Turn, ...]) -> str | None:
    """The text of the only part of the only system turn."""
    if len(system) != 1 or len(system[0].parts) != 1 or system[0].name is not None:
        return None
    part = system[0].parts[0]
    return getattr(part, "text", None) if getattr(part, "cache", None) is None else None


def _reasoning(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    written: dict[str, Any] = {}
    word = effort(call, to, losses)
    if word is not None:
        written["effort"] = word
    if call.reasoning.expose in ("summary", "full") and _thinks(to):
        written["summary"] = "auto"
    return {"reasoning": written} if written else {}


def _thinks(to: Destination) -> bool:
    return to.capabilities.reasoning.shape != "none"


def _text(call: ChatCall, to: Destination) -> dict[str, Any]:
    written: dict[str, Any] = {}
    wanted = call.format
    if wanted is not None and wanted.kind != "text":
        able = to.capabilities.structured_output
        if able == "none" or (wanted.kind == "json_schema" and able != "json_schema"):
            raise _unavailable(wanted.path or call.spelled("format"))
        written["format"] = {"type": wanted.kind}
        if wanted.kind == "json_schema":
            described = {} if wanted.description is None else {"description": wanted.description}
            written["format"] |= {"name": wanted.name or "response", **described}
            written["format"] |= {"schema": wanted.schema or Raw(b"{}"), "strict": bool(wanted.strict)}
    if call.verbosity is not None:
        written["verbosity"] = call.verbosity
    return {"text": written} if written else {}


def _limits(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    for name, given in (("stop", bool(call.stop)), ("n", call.n not in (None, 1))):
        if given:
            raise _unavailable(call.spelled(name))
    if set(call.modalities) - {"text"}:
        raise _unavailable(call.spelled("modalities"))
    wanted = call.max_tokens
    if wanted is None:
        return {}
    most = to.capabilities.max_output_tokens
    taken = max(LEAST_TOKENS, wanted if most is None else min(wanted, most))
    if taken != wanted:
        losses.change(call.spelled("max_tokens"), f"{wanted}>{taken}")
    return {"max_output_tokens": taken}


def _sampling(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    given, written = call.sampling, {}
    for name, value in (("temperature", given.temperature), ("top_p", given.top_p)):
        if value is None:
            continue
        if to.capabilities.sampling:
            written[name] = value
        elif value != 1:
            losses.drop(call.spelled(name))
    for name, hint in (
        ("top_k", given.top_k),
        ("seed", given.seed),
        ("frequency_penalty", given.frequency_penalty or None),
        ("presence_penalty", given.presence_penalty or None),
        ("logit_bias", given.logit_bias or None),
    ):
        if hint is not None:
            losses.drop(call.spelled(name))
    if given.logprobs or given.top_logprobs:
        if not to.capabilities.logprobs:
            raise _unavailable(call.spelled("logprobs"))
        if given.top_logprobs is not None:
            return {**written, "top_logprobs": given.top_logprobs}
    return written


def _hints(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if call.tier in to.capabilities.service_tiers:
        written["service_tier"] = call.tier
    elif call.tier not in (None, "default", "auto", "standard"):
        losses.drop(call.spelled("tier"))
    if call.user is not None:
        # The API takes short ones only; a digest is as good for telling users apart.
        short = call.user if len(call.user) <= MAX_USER else hashlib.sha256(call.user.encode()).hexdigest()
        written["safety_identifier"] = short
    if call.metadata is not None:
        written["metadata"] = call.metadata
    return written


def _include(call: ChatCall, to: Destination) -> list[str]:
    """Hidden reasoning always, so that the next turn can bring it back; models without any refuse the word."""
    include = [ENCRYPTED] if _thinks(to) else []
    return [*include, LOGPROBS] if call.sampling.logprobs else include


def _kept_ext(call: ChatCall, losses: Losses) -> Ext:
    """Members that this provider understands; the rest is reported as lost."""
    given = call.ext or {}
    if call.origin == ORIGIN:
        report_ext(call, ORIGIN, losses)
        return given
    shared = _SHARED if call.origin == "openai/chat-completions" else ()
    kept = {name: given[name] for name in shared if name in given}
    rest = {name: value for name, value in given.items() if name not in kept}
    report_ext(msgspec.structs.replace(call, ext=rest or None), ORIGIN, losses)
    return kept


def _put_back(body: dict[str, Any], ext: Ext) -> None:
    """`a.b` goes into the object `a`, `include` joins ours, everything else to the top."""
    for name, value in ext.items():
        top, _, inner = name.partition(".")
        if inner:
            body[top] = {**body.get(top, {}), inner: value}
        elif name == "include":
            body[name] = [*body.get(name, []), *msgspec.json.decode(value)]
        else:
            body[name] = value


def _unavailable(path: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` is not available for this model", param=path, code="unsupported_parameter")
