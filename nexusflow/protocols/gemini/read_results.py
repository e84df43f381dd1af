"""Function responses of a client as results of the calls they answer (protocols 2.1.3, 2.5)."""

from collections import defaultdict, deque

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Document, Media, Text, ToolResult
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.gemini import read_media
from nexusflow.protocols.gemini.read_tools import one_or_more
from nexusflow.wire.jsonedit import Fields

_KNOWN = frozenset(("id", "name", "response", "parts"))


class _Open:
    """A call that waits for its response."""

    __slots__ = ("answered", "id")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.answered = False


_Waiting = defaultdict[str, deque[_Open]]


class Calls:
    """The calls that no response has answered yet: Google's clients need not name them by an id."""

    def __init__(self) -> None:
        self._by_id: _Waiting = defaultdict(deque)
        self._by_name: _Waiting = defaultdict(deque)
        self._made_by_name: _Waiting = defaultdict(deque)
        self._turn = -1
        self._made = 0

    def add(self, name: str, given: str | None, turn: int) -> str:
        """Note a call of turn number `turn`; returns its id, made from its place where it has none."""
        if turn != self._turn:
            self._turn, self._made = turn, 0
        call = _Open(given or f"call_{turn}_{self._made}")
        self._made += 1
        self._by_name[name].append(call)
        if given:
            self._by_id[given].append(call)
        else:
            self._made_by_name[name].append(call)
        return call.id

    def answer(self, name: str, given: str | None, path: str) -> str:
        """The id of the call that a response answers: by its id, else the first one open by that name.

        Raises `RequestRefused` when there is none.
        """
        call = _first(self._by_id, given) or _first(self._made_by_name if given else self._by_name, name)
        if call is None:
            message = f"`{path}` answers no function call of the model's turn before it"
            raise refuse(Kind.PARAM, message, param=path, code="unexpected_tool_result")
        call.answered = True
        return call.id


def _first(waiting: _Waiting, key: str | None) -> _Open | None:
    """The first call under `key` that has no response yet."""
    calls = waiting.get(key) if key is not None else None
    while calls and calls[0].answered:
        calls.popleft()
    return calls[0] if calls else None


def result(fields: Fields, path: str, calls: Calls, detail: str | None) -> ToolResult:
    """One response. Raises `RequestRefused` when it answers nothing."""
    name, given = raws.optional(fields, "name"), raws.optional(fields, "id")
    word = raws.string(name, f"{path}.name") if name is not None else ""
    call_id = calls.answer(word, raws.string(given, f"{path}.id") if given is not None else None, path)
    text, is_error = _content(raws.optional(fields, "response"), path)
    content: list[Text | Media | Document] = [Text(text=text)]
    parts = raws.optional(fields, "parts")
    for at, item in enumerate(one_or_more(parts, f"{path}.parts") if parts is not None else ()):
        where = f"{path}.parts[{at}]"
        inner = raws.obj(item, where)
        kinds = [kind for kind in ("inlineData", "fileData") if kind in inner]
        content += [read_media.read(kind, inner, where, detail) for kind in kinds]
    return ToolResult(
        call_id=call_id,
        content=tuple(content),
        name=word or None,
        is_error=is_error,
        ext=raws.rest(fields, _KNOWN),
    )


def _content(found: Raw | None, path: str) -> tuple[str, bool]:
    """The response as text, and whether it tells of an error. A lone `output` or `result` is what was meant."""
    if found is None:
        return "", False
    fields = raws.obj(found, f"{path}.response")
    if len(fields) == 1:
        name, value = next(iter(fields.items()))
        if name in ("output", "result", "error") and bytes(value).startswith(b'"'):
            return raws.string(value, f"{path}.response.{name}"), name == "error"
    return msgspec.json.format(bytes(found), indent=-1).decode(), False
