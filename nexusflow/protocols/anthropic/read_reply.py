"""A provider's unary Messages answer to the canonical reply (protocols 1.4.2)."""

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Candidate, Opaque, ToolCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.anthropic import read_parts, tables
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.protocols.anthropic.identity_reply import checked
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.wire_events import Stop


class _Message(Stop, frozen=True, kw_only=True):
    content: list[Raw]
    id: str | None = None
    model: str | None = None
    usage: Raw = Raw()


_decode = msgspec.json.Decoder(_Message).decode
_KEPT = ("container", "context_management")


def read(body: bytes, to: Destination) -> ChatReply:
    """The reply. Raises `RequestRefused` (E-UPSTREAM) for a malformed one, and for an error in a 200."""
    fields = checked(body)

    def adopt(text: str) -> Opaque | None:
        return Opaque(ORIGIN, to.family, text) if text else None

    try:
        body.decode()  # the parser looks only at what it decodes, and the rest is passed on too
        message = _decode(body)
        parts = read_parts.read(message.content, "content", adopt)
    except (msgspec.DecodeError, UnicodeDecodeError, RequestRefused):
        raise refuse(Kind.UPSTREAM, "The provider's answer is malformed.") from None
    usage = usage_record.reported(bytes(message.usage))
    called = any(isinstance(part, ToolCall) for part in parts)
    kept = {name: fields[name] for name in _KEPT if name in fields and bytes(fields[name]) != b"null"}
    return ChatReply(
        origin=ORIGIN,
        candidates=(Candidate(parts=tuple(parts), finish=tables.finish(message, called=called)),),
        id=message.id,
        model=message.model,
        usage=usage,
        tier=usage.tier if usage is not None else None,
        ext=kept or None,
    )
