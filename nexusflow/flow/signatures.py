"""Signatures of tool calls, for clients that drop fields they do not know (protocols 2.0.4, T87).

Google's newer models refuse a call that comes back without the signature it was made with. Chat has no field for it, so
what went to a client is also remembered here: by key, so that no tenant can replay another's state, for an hour, in
this worker alone. Whoever misses it gets the placeholder that Google documents.
"""

import time
from collections import OrderedDict

import msgspec

from nexusflow.ir.chat import ChatCall, Opaque, Part, ToolCall, Turn
from nexusflow.protocols.common.ids import tool_id

SECONDS = 3600.0
MAX_REMEMBERED = 50_000
MAX_PAYLOAD = 64 * 1024

Owner = tuple[str, str]


class Signatures:
    """The newest `MAX_REMEMBERED` signatures, by key and tool call."""

    def __init__(self) -> None:
        self._found: OrderedDict[Owner, tuple[float, Opaque]] = OrderedDict()

    def remember(self, key_id: str, call_id: str, signature: Opaque) -> None:
        """A call went to a client."""
        if len(signature.payload) > MAX_PAYLOAD:
            return
        owner = (key_id, tool_id(call_id))
        self._found.pop(owner, None)
        self._found[owner] = (time.monotonic() + SECONDS, signature)
        while len(self._found) > MAX_REMEMBERED:
            self._found.popitem(last=False)

    def restore(self, key_id: str, call: ChatCall) -> ChatCall:
        """`call` with the signatures that its tool calls came back without; the same object when none is known."""
        if not self._found or not any(_bare(part) for turn in call.turns for part in turn.parts):
            return call
        return msgspec.structs.replace(call, turns=tuple(self._turn(key_id, turn) for turn in call.turns))

    def _turn(self, key_id: str, turn: Turn) -> Turn:
        if not any(map(_bare, turn.parts)):
            return turn
        parts = tuple(self._part(key_id, part) for part in turn.parts)
        return msgspec.structs.replace(turn, parts=parts)

    def _part(self, key_id: str, part: Part) -> Part:
        if not isinstance(part, ToolCall) or part.signature is not None:
            return part
        until, signature = self._found.get((key_id, tool_id(part.id)), (0.0, None))
        if signature is None or until < time.monotonic():
            return part
        return msgspec.structs.replace(part, signature=signature)


def _bare(part: Part) -> bool:
    return isinstance(part, ToolCall) and part.signature is None
