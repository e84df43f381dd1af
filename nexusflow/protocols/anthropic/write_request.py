"""The canonical call to a Messages request for the provider (protocols 2.1, 2.2)."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic import write_options, write_tools
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.write_messages import write_messages
from nexusflow.protocols.anthropic.write_parts import PartWriter
from nexusflow.protocols.common import foreign
from nexusflow.protocols.common.turns import arranged, leading_system
from nexusflow.wire import jsonedit

PATH = "/v1/messages"


def path(to: Destination, *, stream: bool) -> str:
    """What the request's address adds to the provider's; a stream is asked for in the body."""
    return PATH


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The body. Raises `RequestRefused` (E-PARAM) in the caller's spelling for what this protocol cannot express."""
    foreign.report_ext(call, ORIGIN, losses)
    write_options.check_absent(call, losses)
    head, turns = leading_system(arranged(call))
    parts = PartWriter(call, to, losses)
    shape, said = write_options.output_format(call, to, losses)
    system = [block for turn in head for block in parts.turn(turn)]
    if said is not None:
        system.append({"type": "text", "text": said})
    messages = write_messages(turns, parts, to, losses)
    limit = write_options.max_tokens(call, to, losses)
    thought, effort = write_options.thinking(call, messages, to, losses, limit)
    tools = write_tools.tools(call, turns, to, losses)
    config = {"effort": effort, "format": shape}
    body = {
        "model": to.model,
        "max_tokens": write_options.with_thinking(call, to, limit, thought),
        "system": system,
        "messages": [{"role": message.role, "content": message.blocks} for message in messages],
        "tools": tools,
        "tool_choice": write_tools.choice(call, bool(tools), to),
        "thinking": thought,
        "output_config": {name: value for name, value in config.items() if value is not None},
        "stop_sequences": write_options.stops(call, to, losses),
        "metadata": {"user_id": call.user} if call.user else None,
        "stream": call.stream or None,
        **write_options.sampling(call, to, losses, thought),
        **write_options.service(call, to, losses),
    }
    return _joined(body, call)


def _joined(body: dict[str, Any], call: ChatCall) -> bytes:
    """The body without its empty members, and with what a client of this same protocol said beyond the canonical."""
    fields = {name: Raw(msgspec.json.encode(value)) for name, value in body.items() if value not in (None, [], {})}
    for name, value in (call.ext or {}).items() if call.origin == ORIGIN else ():
        ours = fields.get(name)
        if ours is not None and bytes(value).startswith(b"{"):
            value = Raw(jsonedit.join({**jsonedit.split(bytes(ours)), **jsonedit.split(bytes(value))}))
        fields[name] = value
    return jsonedit.join(fields)
