"""A canonical call as a Gemini provider's request (protocols 2.4, 2.6)."""

from typing import Any
from urllib.parse import quote

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import foreign, speech, turns
from nexusflow.protocols.gemini import write_config, write_tools
from nexusflow.protocols.gemini.tables import ORIGIN
from nexusflow.protocols.gemini.write_turns import TurnsWriter

_SPOKEN = frozenset((speech.FIELD,))


def path(to: Destination, *, stream: bool) -> str:
    """What follows the provider's base URL."""
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"{resource(to)}:{verb}"


def resource(to: Destination) -> str:
    """The address of the model: `/v1beta/models/…`, or of a tuned one."""
    kind, _, name = to.model.rpartition("/") if to.model.startswith(("models/", "tunedModels/")) else ("", "", to.model)
    return f"/v1beta/{kind or 'models'}/{quote(name, safe='')}"


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The body. Raises `RequestRefused`, naming the caller's own field, for what cannot be carried over."""
    body = conversation(call, to, losses)
    foreign.report_ext(call, ORIGIN, losses, carried=_SPOKEN if speech.wanted(call) is not None else frozenset())
    write_config.hints(call, losses)
    config = write_config.generation_config(call, to, losses)
    tier = write_config.tier(call, to.capabilities, losses)
    if tier is not None:
        body["serviceTier"] = tier
    if call.origin == ORIGIN:
        _put_own(body, config, call)
    if config:
        body["generationConfig"] = config
    return msgspec.json.encode(body)


def conversation(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """What the model is to read, and its tools: what there is to count, too."""
    writer = TurnsWriter(call, to, losses)
    leading, rest = turns.leading_system(turns.arranged(call))
    body: dict[str, Any] = {}
    system = writer.system(leading)
    if system is not None:
        body["systemInstruction"] = system
    body["contents"] = writer.contents(rest)
    tools = write_tools.tools(call, to, losses)
    if tools:
        body["tools"] = tools
    choice = write_tools.tool_config(call, to.capabilities)
    if choice is not None:
        body["toolConfig"] = choice
    return body


def _put_own(body: dict[str, Any], config: dict[str, Any], call: ChatCall) -> None:
    """Gemini's own fields back to where they came from; those of `generationConfig` have dotted names."""
    for name, value in (call.ext or {}).items():
        owner, dot, member = name.partition(".")
        if not dot:
            body.setdefault(name, value)
        elif owner == "generationConfig":
            config.setdefault(member, value)
