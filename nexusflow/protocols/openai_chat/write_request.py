"""A canonical call as the request of a Chat provider (protocols 2.1, 2.3, 2.5, 2.8).

What a dialect lacks is decided by `Capabilities`: hints are dropped or put as near as possible and told as losses,
what would change the answer's meaning is refused in the caller's spelling.
"""

import hashlib
from typing import Any

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import reasoning
from nexusflow.protocols.common.foreign import report_ext
from nexusflow.protocols.openai_chat.tables import CHAT
from nexusflow.protocols.openai_chat.write_messages import messages
from nexusflow.protocols.openai_chat.write_sampling import sampling
from nexusflow.protocols.openai_chat.write_tools import tools

STOP_MAX = 4
MAX_IDENTIFIER = 64
_FORMAT_NAME = "response"


def path(to: Destination, *, stream: bool) -> str:
    """Where the request goes, below the provider's base address."""
    return "/chat/completions"


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The request's body. Raises `RequestRefused` for what a Chat provider or this model cannot do."""
    report_ext(call, CHAT, losses)
    body: dict[str, Any] = {"model": to.model, "messages": messages(call, to, losses)}
    body |= tools(call, to.capabilities, losses)
    body |= _limits(call, to, losses)
    body |= sampling(call, to.capabilities, losses)
    body |= _reasoning(call, to, losses)
    body |= _output(call, to)
    body |= _hints(call, to, losses)
    if call.stream:
        body["stream"] = True
        if to.capabilities.stream_usage == "option":
            body["stream_options"] = {"include_usage": True}
    if call.origin == CHAT and call.ext:
        body |= call.ext
    return msgspec.json.encode(body)


def _unfit(call: ChatCall, field: str, message: str) -> RequestRefused:
    spelled = call.spelled(field)
    return refuse(Kind.PARAM, f"`{spelled}`: {message}", param=spelled, code="unsupported_parameter")


def _limits(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    capabilities = to.capabilities
    written: dict[str, Any] = {}
    limit = call.max_tokens if call.max_tokens is not None else capabilities.default_max_tokens
    most = capabilities.max_output_tokens
    if limit is not None and most is not None and limit > most:
        losses.change(call.spelled("max_tokens"), f"{limit}>{most}")
        limit = most
    if limit == 0:
        raise _unfit(call, "max_tokens", "an answer of no tokens cannot be asked for here")
    if limit is not None:
        written[capabilities.max_tokens_field] = limit
    stop_max = STOP_MAX if capabilities.stop_max is None else capabilities.stop_max
    if len(call.stop) > stop_max:
        raise _unfit(call, "stop", f"this model takes at most {stop_max} stop sequences")
    if call.stop:
        written["stop"] = list(call.stop)
    if call.n is not None and call.n > 1:
        if call.n > capabilities.n_max:
            raise _unfit(call, "n", f"this model gives at most {capabilities.n_max} answers at once")
        written["n"] = call.n
    return written


def _reasoning(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """How hard to think, in the dialect that the model knows (2.1.5)."""
    flags = to.capabilities.reasoning
    if flags.shape not in ("toggle", "budget"):
        word = reasoning.effort(call, to, losses)
        return {"reasoning_effort": word} if word is not None else {}
    wanted = reasoning.wanted_effort(call)
    if wanted is None:
        return {}
    if wanted == "none":
        if flags.always_on:
            losses.drop(call.reasoning.path or call.spelled("reasoning"))
            return {}
        return {"enable_thinking": False}
    written: dict[str, Any] = {"enable_thinking": True}
    tokens = reasoning.budget(call, to, losses, call.max_tokens) if flags.shape == "budget" else None
    if tokens is not None and tokens > 0:
        written["thinking_budget"] = tokens
    return written


def _output(call: ChatCall, to: Destination) -> dict[str, Any]:
    written: dict[str, Any] = {}
    wanted, able = call.format, to.capabilities.structured_output
    if wanted is not None and wanted.kind != "text":
        if able == "none" or (wanted.kind == "json_schema" and able != "json_schema"):
            where = wanted.path or call.spelled("format")
            message = f"`{where}`: this model cannot be held to {wanted.kind}"
            raise refuse(Kind.PARAM, message, param=where, code="unsupported_parameter")
        written["response_format"] = {"type": wanted.kind}
        if wanted.kind == "json_schema":
            given = {"description": wanted.description, "schema": wanted.schema, "strict": wanted.strict}
            schema = {name: value for name, value in given.items() if value is not None}
            written["response_format"]["json_schema"] = {"name": _schema_name(wanted.name), **schema}
    if set(call.modalities) - {"text"}:
        if not set(call.modalities) <= set(to.capabilities.output) or call.origin != CHAT:
            raise _unfit(call, "modalities", f"this model answers with {', '.join(to.capabilities.output)} only")
        written["modalities"] = list(call.modalities)
    return written


def _schema_name(name: str | None) -> str:
    """At most 64 of the characters that the vendor takes (protocols 1.2.1)."""
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "_-" else "_" for char in name or "")
    return plain[:64] or _FORMAT_NAME


def _hints(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """What neither changes the answer's meaning nor its shape."""
    written: dict[str, Any] = {}
    if call.verbosity is not None:
        written["verbosity"] = call.verbosity
    if call.tier is not None:
        if call.tier in to.capabilities.service_tiers:
            written["service_tier"] = call.tier
        elif call.tier not in ("auto", "default"):
            losses.drop(call.spelled("tier"))
    if call.user is not None:
        long = len(call.user) > MAX_IDENTIFIER
        written["safety_identifier"] = hashlib.sha256(call.user.encode()).hexdigest() if long else call.user
    if call.metadata:
        written["metadata"] = call.metadata
    if call.store:
        written["store"] = True
    return written
