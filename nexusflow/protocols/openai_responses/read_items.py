"""Input items as turns: what the assistant did in a row is one turn, and so are results in a row (protocols 2.8)."""

from typing import cast

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Data, Document, Media, Part, Role, Text, Thinking, ToolCall, ToolResult, Turn, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common.envelope import adopt
from nexusflow.protocols.openai_responses.namespaces import called
from nexusflow.protocols.openai_responses.read_parts import content
from nexusflow.protocols.openai_responses.read_tools import Tools, tools
from nexusflow.protocols.openai_responses.tables import ERROR_MARK, ORIGIN, PREVIOUS, REDACTED, unmarked
from nexusflow.protocols.openai_responses.wire_items import ItemForm, formed, item_form, missing
from nexusflow.wire import jsonedit

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
_RESULTS = frozenset(("function_call_output", "custom_tool_call_output"))


def later_tools(items: list[Raw], path: str) -> Tools:
    """Tools that the input itself brings: the model may call them from there on, so they are tools of the call."""
    found: list[Tools] = []
    for at, raw in enumerate(items):
        if b'"additional_tools"' not in bytes(raw):
            continue
        form = formed(item_form, raw, f"{path}[{at}]")
        if form.type == "additional_tools":
            found.append(tools(form.tools or [], f"{path}[{at}].tools"))
    return tuple(tool for some in found for tool in some)


def turns(items: list[Raw], declared: Tools, path: str) -> tuple[Turn, ...]:
    """The turns that `items` make. Raises `RequestRefused` naming the item that is not understood."""
    reader = _Turns(declared)
    for at, raw in enumerate(items):
        reader.add(raw, f"{path}[{at}]")
    return reader.finished()


class _Turns:
    """Collects the turns of one request."""

    def __init__(self, declared: Tools) -> None:
        self._declared = declared
        self._done: list[Turn] = []
        self._parts: list[Part] = []
        self._role: Role = "user"
        self._results = False
        self._path = ""

    def add(self, raw: Raw, path: str) -> None:
        """The next item."""
        form = formed(item_form, raw, path)
        kind = form.type or ("message" if form.role is not None else None)
        if kind == "message":
            self._message(form, path)
        elif kind == "reasoning":
            self._enter("assistant", path)
            self._reasoning(form)
        elif kind in ("function_call", "custom_tool_call"):
            self._enter("assistant", path)
            self._parts.append(self._call(form, kind, path))
        elif kind in _RESULTS:
            self._enter("user", path, results=True)
            self._parts.append(_result(form, path))
        elif kind is None or kind == "item_reference":
            raise _unresolved(form, path)
        elif kind != "additional_tools":
            self._foreign(form, kind, raw, path)

    def finished(self) -> tuple[Turn, ...]:
        """All turns."""
        self._leave()
        return tuple(self._done)

    def _message(self, form: ItemForm, path: str) -> None:
        role = _ROLES.get(form.role or "user")
        if role is None:
            raise refuse(Kind.PARAM, f"`{path}.role` must be one of: {', '.join(_ROLES)}", param=f"{path}.role")
        if not bytes(form.content):
            raise missing(f"{path}.content")
        parts = content(form.content, f"{path}.content")
        if role == "assistant":
            self._enter(role, path)
            self._parts.extend(_with_phase(parts, form.phase))
        else:
            self._leave()
            self._done.append(Turn(role=role, parts=parts, path=path))

    def _reasoning(self, form: ItemForm) -> None:
        thinking = reasoning(form)
        signature = thinking.signature
        if signature is None:
            self._parts.append(thinking)
            return
        plain, mark = unmarked(signature)
        if mark == PREVIOUS:
            # State of what stands before it; without that it belongs to nothing.
            before = self._parts[-1] if self._parts else None
            if isinstance(before, Text | ToolCall | Media) and before.signature is None:
                self._parts[-1] = msgspec.structs.replace(before, signature=plain)
            return
        self._parts.append(msgspec.structs.replace(thinking, signature=plain, redacted=mark == REDACTED))

    def _call(self, form: ItemForm, kind: str, path: str) -> ToolCall:
        if not form.call_id:
            raise missing(f"{path}.call_id")
        if not form.name:
            raise missing(f"{path}.name")
        custom = kind == "custom_tool_call"
        given = form.input if custom else form.arguments
        text = jsonedit.as_text(given) if bytes(given) else ""
        if text is None:
            text = "" if bytes(given) == b"null" else bytes(given).decode()  # some callers send the object itself
        signature = None
        before = self._parts[-1] if self._parts else None
        if isinstance(before, Thinking) and _carries_call(before):
            signature = before.signature
            self._parts.pop()
        name = called(form.namespace, form.name, self._declared)
        return ToolCall(id=form.call_id, name=name, arguments=text, custom=custom, signature=signature)

    def _foreign(self, form: ItemForm, kind: str, raw: Raw, path: str) -> None:
        """Items of tools that a provider runs: their outputs stand on the user's side where the caller made them."""
        image = jsonedit.as_text(form.result) if kind == "image_generation_call" and bytes(form.result) else None
        outside = kind.endswith(("_output", "_response")) and form.call_id is not None
        self._enter("user" if outside else "assistant", path, results=outside)
        if image:
            self._parts.append(Media(kind="image", source=Data("image/png", image)))
        else:
            self._parts.append(Unknown(origin=ORIGIN, type=kind, raw=raw))

    def _enter(self, role: Role, path: str, *, results: bool = False) -> None:
        if self._parts and self._role == role and self._results == results:
            return
        self._leave()
        self._role, self._results, self._path = role, results, path

    def _leave(self) -> None:
        if self._parts:
            self._done.append(Turn(role=self._role, parts=tuple(self._parts), path=self._path))
            self._parts = []


def reasoning(form: ItemForm) -> Thinking:
    """A reasoning item: its own text where it has one, else its summaries. A mark in its state is left in place."""
    texts = [part.text for part in _reasoning_parts(form) if part.text]
    summary = not texts
    if summary:
        texts = [part.text for part in form.summary or () if part.text]
    return Thinking(
        text="\n\n".join(texts),
        signature=adopt(form.encrypted_content, ORIGIN) if form.encrypted_content else None,
        summary=summary and bool(texts),
        id=form.id,
    )


def _reasoning_parts(form: ItemForm) -> list[Text]:
    return [part for part in content(form.content, "content") if isinstance(part, Text)]


def _carries_call(thinking: Thinking) -> bool:
    """Gemini's state of a call rides in a wordless reasoning item right before it (protocols 2.6)."""
    signature = thinking.signature
    return not thinking.text and signature is not None and signature.origin == "google/generate-content"


def _with_phase(parts: tuple[Part, ...], phase: str | None) -> tuple[Part, ...]:
    if phase is None:
        return parts
    ext = {"phase": jsonedit.text(phase)}
    return tuple(msgspec.structs.replace(part, ext=ext) if isinstance(part, Text) else part for part in parts)


def _result(form: ItemForm, path: str) -> ToolResult:
    if not form.call_id:
        raise missing(f"{path}.call_id")
    if not bytes(form.output):
        raise missing(f"{path}.output")
    found = content(form.output, f"{path}.output")
    is_error = bool(form.is_error)
    first = found[0] if found else None
    if isinstance(first, Text) and first.text.startswith(ERROR_MARK):
        is_error = True
        found = (msgspec.structs.replace(first, text=first.text[len(ERROR_MARK) :]), *found[1:])
    for at, part in enumerate(found):
        if not isinstance(part, Text | Media | Unknown):
            where = f"{path}.output[{at}]"
            raise refuse(Kind.PARAM, f"`{where}` cannot stand in a tool's output", param=where)
    kept = cast("tuple[Text | Media | Document | Unknown, ...]", found)  # as the loop has just seen
    return ToolResult(call_id=form.call_id, content=kept, is_error=is_error)


def _unresolved(form: ItemForm, path: str) -> Exception:
    if form.id is None:
        return missing(f"{path}.type")
    return refuse(Kind.PARAM, f"Item with id '{form.id}' not found.", param=path, code="item_not_found", status=404)
