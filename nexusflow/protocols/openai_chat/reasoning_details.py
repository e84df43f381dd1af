"""`reasoning_details`: reasoning with its opaque state, as clients get it and providers such as OpenRouter send it.

State that a Chat provider made is kept whole: the payload of its `Opaque` is the detail without its text, as JSON, so
that it goes back as it came. State of another protocol travels here in an envelope (protocols 2.0.4).
"""

from typing import Any

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Opaque, Thinking
from nexusflow.protocols.common import envelope
from nexusflow.protocols.openai_chat.tables import CHAT, DETAIL_FORMAT
from nexusflow.protocols.openai_chat.wire_reply import Detail

_decode = msgspec.json.Decoder(Detail).decode


def text_of(detail: Detail) -> str:
    """What anybody may read of it."""
    return detail.text or detail.summary or ""


def payload(detail: Detail) -> str | None:
    """The state in `detail`, without its text and place; None when it holds none."""
    if not detail.signature and not detail.data:
        return None
    return msgspec.json.encode(msgspec.structs.replace(detail, text=None, summary=None, index=None)).decode()


def thinking_from_provider(detail: Detail, to: Destination) -> Thinking:
    """A provider's whole detail."""
    state = payload(detail)
    return _thinking(detail, Opaque(CHAT, to.family, state) if state is not None else None)


def thinking_from_client(detail: Detail) -> Thinking:
    """A detail that a client sends back: in an envelope if we made it, else some Chat provider's own."""
    sealed = envelope.unseal(detail.signature or detail.data or "")
    state = payload(detail)
    return _thinking(detail, sealed or (Opaque(CHAT, "", state) if state is not None else None))


def _thinking(detail: Detail, state: Opaque | None) -> Thinking:
    return Thinking(
        text=text_of(detail),
        signature=state,
        redacted=detail.type == "reasoning.encrypted",
        summary=detail.type == "reasoning.summary",
        id=detail.id,
    )


def opening(part: Thinking, index: int) -> dict[str, Any]:
    """The members that a detail begins with; the text and the state may follow in later deltas of the same index."""
    native = _native(part.signature)
    kind = "encrypted" if part.redacted else "summary" if part.summary else "text"
    head: dict[str, Any] = {"index": index, "type": f"reasoning.{kind}"}
    head["format"] = native.format if native is not None else DETAIL_FORMAT
    if part.id is not None:
        head["id"] = part.id
    return {name: value for name, value in head.items() if value is not None}


def state(opaque: Opaque, *, redacted: bool) -> dict[str, str]:
    """The member that holds the state: a Chat provider's own as it was, any other in an envelope."""
    native = _native(opaque)
    if native is None:
        return {"data" if redacted else "signature": envelope.seal(opaque)}
    own = {"signature": native.signature, "data": native.data}
    return {name: value for name, value in own.items() if value is not None}


def whole(part: Thinking, index: int) -> dict[str, Any]:
    """One complete detail."""
    detail = opening(part, index)
    if part.text:
        detail["summary" if part.summary else "text"] = part.text
    if part.signature is not None:
        detail |= state(part.signature, redacted=part.redacted)
    return detail


def _native(opaque: Opaque | None) -> Detail | None:
    if opaque is None or opaque.origin != CHAT:
        return None
    try:
        return _decode(opaque.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
