"""Signatures of tool calls and texts, for clients that drop fields they do not know (protocols 2.0.4, T87).

Google's newer models refuse a call that comes back without the signature it was made with. Chat has no field for it, so
what went to a client is also remembered here: by key, so that no tenant can replay another's state, for an hour, in
this worker alone. Whoever misses it gets the placeholder that Google documents.

The signature of a text, which Google likes to see again but does not ask for, is known by the text itself: in a stream
it comes behind the text, where Messages has no place for it.
"""

import time
from collections import OrderedDict
from hashlib import blake2b

import msgspec

from nexusflow.ir.chat import ChatCall, Opaque, Part, Text, ToolCall, Turn
from nexusflow.protocols.common.ids import tool_id

SECONDS = 3600.0
MAX_REMEMBERED = 50_000
MAX_PAYLOAD = 64 * 1024

Owner = tuple[str, str]


class Signatures:
    """The newest `MAX_REMEMBERED` signatures, by key and tool call."""

    def __init__(self) -> None:
        self._found: OrderedDict[Owner, tuple[float, Opaque]] = OrderedDict()

    def remember(self, key_id: str, part: ToolCall | Text, signature: Opaque) -> None:
        """A call or a text went to a client."""
        if len(signature.payload) > MAX_PAYLOAD:
            return
        owner = (key_id, _name(part))
        self._found.pop(owner, None)
        self._found[owner] = (time.monotonic() + SECONDS, signature)
        while len(self._found) > MAX_REMEMBERED:
            self._found.popitem(last=False)

    def restore(self, key_id: str, call: ChatCall) -> ChatCall:
        """`call` with the signatures that its answers came back without; the same object when none is known."""
        if not self._found or not any(_bare(part) for turn in call.turns for part in _said(turn)):
            return call
        return msgspec.structs.replace(call, turns=tuple(self._turn(key_id, turn) for turn in call.turns))

    def _turn(self, key_id: str, turn: Turn) -> Turn:
        if not any(map(_bare, _said(turn))):
            return turn
        parts = tuple(self._part(key_id, part) for part in turn.parts)
        return msgspec.structs.replace(turn, parts=parts)

    def _part(self, key_id: str, part: Part) -> Part:
        if not isinstance(part, ToolCall | Text) or part.signature is not None:
            return part
        until, signature = self._found.get((key_id, _name(part)), (0.0, None))
        if signature is None or until < time.monotonic():
            return part
        return msgspec.structs.replace(part, signature=signature)


def _said(turn: Turn) -> tuple[Part, ...]:
    return turn.parts if turn.role == "assistant" else ()


def _bare(part: Part) -> bool:
    return isinstance(part, ToolCall | Text) and part.signature is None


def _name(part: ToolCall | Text) -> str:
    """What a part is known by: a call by its id, a text by its digest, which is no id (it has a space)."""
    if isinstance(part, ToolCall):
        return tool_id(part.id)
    return "text " + blake2b(part.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
