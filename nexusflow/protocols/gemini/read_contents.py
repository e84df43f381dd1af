"""`contents` and `systemInstruction` of a client as turns (protocols 1.5.1, 2.5, 2.7)."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Media, Opaque, Part, Role, Text, Thinking, ToolCall, Turn, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import arguments
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.gemini import read_media, signatures
from nexusflow.protocols.gemini.read_results import Calls, result
from nexusflow.protocols.gemini.read_tools import one_or_more
from nexusflow.protocols.gemini.reply_parts import METADATA
from nexusflow.protocols.gemini.restored import restored
from nexusflow.protocols.gemini.tables import MODIFIERS, ORIGIN
from nexusflow.wire.jsonedit import Fields

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_CALL_KNOWN = frozenset(("id", "name", "args"))
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_TEXT_KNOWN = frozenset(("text", "thought", "thoughtSignature"))


class Contents:
    """Reads the turns of one request. `detail` goes for media that do not say otherwise. Raises `RequestRefused`."""

    def __init__(self, detail: str | None) -> None:
        self._detail = detail
        self._calls = Calls()
        self._settled = 0  # the parts of this turn whose state is already back

    def system(self, found: Raw) -> Turn:
        """The instruction, as an object or a bare string."""
        path = "systemInstruction"
        if bytes(found).startswith(b'"'):
            return Turn(role="system", parts=(Text(text=raws.string(found, path)),), path=path)
        parts: list[Part] = []
        self._parts(raws.obj(found, path), path, 0, parts)
        return Turn(role="system", parts=tuple(parts), path=path)

    def turns(self, found: Raw) -> Iterable[Turn]:
        """All turns: of a list, a single object, or a bare string.

        Contents of the model in a row are one turn: a chat that was streamed comes back frame by frame, and what rides
        on one part may belong to a thought before it.
        """
        if bytes(memoryview(found)[:1]) == b'"':
            yield Turn(role="user", parts=(Text(text=raws.string(found, "contents")),), path="contents")
            return
        whole: Turn | None = None
        parts: list[Part] = []
        for at, item in enumerate(one_or_more(found, "contents")):
            path = f"contents[{at}]"
            fields = raws.obj(item, path)
            role = _role(fields, path)
            if whole is None or role != "assistant" or whole.role != "assistant":
                if whole is not None:
                    yield msgspec.structs.replace(whole, parts=tuple(parts))
                whole, parts, self._settled = Turn(role=role, parts=(), path=path), [], 0
            self._parts(fields, path, at, parts)
        if whole is not None:
            yield msgspec.structs.replace(whole, parts=tuple(parts))

    def _parts(self, fields: Fields, path: str, turn: int, parts: list[Part]) -> None:
        found = raws.optional(fields, "parts")
        for at, item in enumerate(one_or_more(found, f"{path}.parts") if found is not None else ()):
            where = f"{path}.parts[{at}]"
            self._part(raws.obj(item, where), item, where, turn, parts)

    def _part(self, fields: Fields, raw: Raw, path: str, turn: int, parts: list[Part]) -> None:
        """Append what one part means: itself, and the reasoning state of others that rides on it."""
        signature = raws.optional(fields, "thoughtSignature")
        text = raws.string(signature, f"{path}.thoughtSignature") if signature is not None else ""
        carried = signatures.opened(text) if text else ()
        if carried:
            parts[self._settled :] = restored(parts[self._settled :], carried)
            self._settled = len(parts)
            text = ""
        kept = _kept(fields)
        if kept is not None:
            parts.append(kept)
        else:
            self._own(fields, raw, text, path, turn, parts)

    def _own(self, fields: Fields, raw: Raw, signature: str, path: str, turn: int, parts: list[Part]) -> None:
        opaque = signatures.own(signature) if signature else None
        kind = next((name for name in _DATA if name in fields), "")
        value = fields.get(kind, raw)
        inner = f"{path}.{kind}"
        match kind:
            case "text":
                text = raws.string(value, inner)
                if _flag(fields, "thought", path):
                    parts.append(Thinking(text=text, signature=opaque, summary=True))
                elif text or opaque is not None or "thoughtSignature" not in fields:
                    parts.append(Text(text=text, signature=opaque, ext=raws.rest(fields, _TEXT_KNOWN)))
            case "inlineData" | "fileData":
                media = read_media.read(kind, fields, path, self._detail)
                parts.append(msgspec.structs.replace(media, signature=opaque) if isinstance(media, Media) else media)
            case "functionCall":
                call = self._call(raws.obj(value, inner), inner, turn)
                parts.append(msgspec.structs.replace(call, signature=opaque))
            case "functionResponse":
                parts.append(result(raws.obj(value, inner), inner, self._calls, self._detail))
            case _:
                self._other(fields, raw, opaque, parts)

    def _other(self, fields: Fields, raw: Raw, opaque: Opaque | None, parts: list[Part]) -> None:
        """A part of Google's own, or a signature alone."""
        kind = next((name for name in fields if name not in MODIFIERS), None)
        if kind is not None:
            parts.append(Unknown(origin=ORIGIN, type=kind, raw=raw))
        elif opaque is not None:
            parts.append(Text(text="", signature=opaque))

    def _call(self, fields: Fields, path: str, turn: int) -> ToolCall:
        name, given = raws.optional(fields, "name"), raws.optional(fields, "id")
        if name is None:
            raise refuse(Kind.PARAM, f"`{path}.name` is required", param=f"{path}.name")
        word = raws.string(name, f"{path}.name")
        call_id = self._calls.add(word, raws.string(given, f"{path}.id") if given is not None else None, turn)
        args = raws.optional(fields, "args")
        found = arguments.as_object(bytes(args).decode() if args is not None else "", f"{path}.args")
        text = msgspec.json.format(bytes(found), indent=-1).decode()
        return ToolCall(id=call_id, name=word, arguments=text, ext=raws.rest(fields, _CALL_KNOWN))


def _role(fields: Fields, path: str) -> Role:
    found = raws.optional(fields, "role")
    word = raws.string(found, f"{path}.role") if found is not None else "user"
    if word not in _ROLES:
        raise refuse(Kind.PARAM, f"`{path}.role` must be user or model", param=f"{path}.role")
    return _ROLES[word]


def _flag(fields: Fields, name: str, path: str) -> bool:
    found = raws.optional(fields, name)
    return found is not None and raws.boolean(found, f"{path}.{name}")


def _kept(fields: Fields) -> Unknown | None:
    """Another vendor's block that rode out as metadata of an empty text."""
    metadata = raws.optional(fields, "partMetadata")
    if metadata is None or METADATA.encode() not in bytes(metadata):
        return None
    try:
        return msgspec.json.decode(metadata, type=dict[str, Unknown])[METADATA]
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        return None
