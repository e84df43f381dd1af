"""A client's messages as canonical turns (protocols 1.2.2, 2.2)."""

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import (
    CacheMark,
    Document,
    FileRef,
    Media,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.anthropic import read_parts as blocks
from nexusflow.protocols.anthropic.reply_parts import adopted
from nexusflow.protocols.common import ids, raw
from nexusflow.protocols.openai_chat import carried, read_content, reasoning_details
from nexusflow.protocols.openai_chat.tables import CHAT, TOOL_ERROR
from nexusflow.protocols.openai_chat.wire_reply import Detail

_KNOWN = frozenset(("role", "content", "name", "cache_control", "prompt_cache_breakpoint"))
_ASSISTANT = _KNOWN | {
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "images",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "thinking_blocks",
    "provider_content",
    "citations",
    "annotations",
    "extra_content",
}
_TOOL = _KNOWN | {"tool_call_id", "is_error"}
_CALL = frozenset(("id", "type", "function", "custom", "index", "extra_content", "cache_control"))
_ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}


def read(messages: list[Raw]) -> tuple[Turn, ...]:
    """All turns. Raises `RequestRefused` naming the member that does not fit."""
    conversation = _Conversation()
    return tuple(conversation.turn(one, f"messages[{at}]") for at, one in enumerate(messages))


class _Conversation:
    """Remembers the calls in the older form, which has no ids: a result answers the latest call of its name."""

    def __init__(self) -> None:
        self._functions: dict[str, str] = {}

    def turn(self, one: Raw, path: str) -> Turn:
        fields = raw.obj(one, path)
        role = _text(fields, "role", path)
        if role == "tool":
            return self._result(fields, _text(fields, "tool_call_id", path), path)
        if role == "function":
            name = _text(fields, "name", path)
            return self._result(fields, self._functions.get(name, name), path)
        if role not in _ROLES:
            message = f"`{path}.role` must be one of: {', '.join(_ROLES)}, tool"
            raise refuse(Kind.PARAM, message, param=f"{path}.role", code="invalid_value")
        name_given = raw.optional(fields, "name")
        is_model = role == "assistant"
        return Turn(
            role=_ROLES[role],
            parts=tuple(self._assistant(fields, path) if is_model else _content(fields, path)),
            name=raw.string(name_given, f"{path}.name") if name_given is not None else None,
            path=path,
            ext=raw.rest(fields, _ASSISTANT if is_model else _KNOWN),
        )

    def _result(self, fields: dict[str, Raw], call_id: str, path: str) -> Turn:
        content: list[Text | Media | Document | Unknown] = []
        for part in _content(fields, path):
            if not isinstance(part, Text | Media | Document | Unknown):
                raise _unfit(f"{path}.content", "a tool's result must be text or media")
            content.append(part)
        flag = raw.optional(fields, "is_error")
        failed = flag is not None and raw.boolean(flag, f"{path}.is_error")
        first = content[0] if content else None
        if isinstance(first, Text) and first.text.startswith(TOOL_ERROR):
            content[0] = msgspec.structs.replace(first, text=first.text.removeprefix(TOOL_ERROR))
            failed = True
        name = raw.optional(fields, "name")
        result = ToolResult(
            call_id=call_id,
            content=tuple(content),
            name=raw.string(name, f"{path}.name") if name is not None else None,
            is_error=failed,
            cache=read_content.cache_of(fields, path),
        )
        return Turn(role="user", parts=(result,), path=path, ext=raw.rest(fields, _TOOL))

    def _assistant(self, fields: dict[str, Raw], path: str) -> list[Part]:
        parts: list[Part] = _thoughts(fields, path)
        parts += _said(fields, path)
        refusal = raw.optional(fields, "refusal")
        if refusal is not None and (text := raw.string(refusal, f"{path}.refusal")):
            parts.append(Refusal(text))
        audio = raw.optional(fields, "audio")
        if audio is not None:
            id = _text(raw.obj(audio, f"{path}.audio"), "id", f"{path}.audio")
            parts.append(Media(kind="audio", source=FileRef(id, CHAT)))
        images = raw.optional(fields, "images")
        if images is not None:
            parts += read_content.read(raw.items(images, f"{path}.images"), f"{path}.images")
        calls = raw.optional(fields, "tool_calls")
        for at, one in enumerate(raw.items(calls, f"{path}.tool_calls") if calls is not None else ()):
            parts.append(_call(one, f"{path}.tool_calls[{at}]"))
        older = raw.optional(fields, "function_call")
        if older is not None:
            parts.append(self._function_call(raw.obj(older, f"{path}.function_call"), path))
        return parts

    def _function_call(self, function: dict[str, Raw], path: str) -> ToolCall:
        name = _text(function, "name", f"{path}.function_call")
        id = self._functions[name] = ids.made_id(path, name)
        return ToolCall(id=id, name=name, arguments=_arguments(function, f"{path}.function_call"))


def _content(fields: dict[str, Raw], path: str) -> list[Part]:
    """The content of any message but the model's; a cache mark on the message is one on its last text."""
    given = raw.optional(fields, "content")
    if given is None:
        return []
    if bytes(given).startswith(b'"'):
        parts: list[Part] = [Text(text=raw.string(given, f"{path}.content"))]
    else:
        parts = read_content.read(raw.items(given, f"{path}.content"), f"{path}.content")
    mark = read_content.cache_of(fields, path)
    return _marked(parts, mark) if mark is not None else parts


def _marked(parts: list[Part], mark: CacheMark) -> list[Part]:
    last = parts[-1] if parts else None
    if isinstance(last, Text | Media | Document | ToolResult) and last.cache is None:
        parts[-1] = msgspec.structs.replace(last, cache=mark)
    return parts


def _said(fields: dict[str, Raw], path: str) -> list[Part]:
    """The model's text, with what it carried for another protocol back in its place."""
    parts = _content(fields, path)
    only = parts[0] if len(parts) == 1 else None
    blocks_given, cited = raw.optional(fields, "provider_content"), raw.optional(fields, "citations")
    if isinstance(only, Text) and (blocks_given is not None or cited is not None):
        parts = carried.restore(only.text, blocks_given, cited) or parts
    elif not parts and blocks_given is not None:
        parts = carried.restore("", blocks_given, cited)
    state = read_content.signature_of(fields, path)
    if state is not None:
        for at in range(len(parts) - 1, -1, -1):
            part = parts[at]
            if isinstance(part, Text):
                parts[at] = msgspec.structs.replace(part, signature=state)
                break
    return parts


def _thoughts(fields: dict[str, Raw], path: str) -> list[Part]:
    """Reasoning that comes back: with its state where the client kept that, else as plain text."""
    given = raw.optional(fields, "reasoning_details")
    details = raw.value(given, list[Detail], f"{path}.reasoning_details", "a list") if given is not None else []
    parts: list[Part] = [reasoning_details.thinking_from_client(one) for one in details]
    foreign = raw.optional(fields, "thinking_blocks")
    if not parts and foreign is not None:
        where = f"{path}.thinking_blocks"
        parts = blocks.read(raw.items(foreign, where), where, adopted)
    if any(isinstance(part, Thinking) and part.text for part in parts):
        return parts
    for name in ("reasoning_content", "reasoning"):
        plain = raw.optional(fields, name)
        if plain is not None and bytes(plain).startswith(b'"') and (text := raw.string(plain, f"{path}.{name}")):
            return [Thinking(text=text), *parts]
    return parts


def _call(one: Raw, path: str) -> ToolCall:
    fields = raw.obj(one, path)
    custom = raw.optional(fields, "custom")
    function = raw.optional(fields, "function")
    if custom is not None and function is None:
        inner = raw.obj(custom, f"{path}.custom")
        name, given = _text(inner, "name", f"{path}.custom"), _text(inner, "input", f"{path}.custom")
    elif function is not None:
        inner = raw.obj(function, f"{path}.function")
        name, given = _text(inner, "name", f"{path}.function"), _arguments(inner, f"{path}.function")
    else:
        raise _unfit(path, "a tool call needs its `function`")
    return ToolCall(
        id=_text(fields, "id", path),
        name=name,
        arguments=given,
        custom=function is None,
        signature=read_content.signature_of(fields, path),
        cache=read_content.cache_of(fields, path),
        ext=raw.rest(fields, _CALL),
    )


def _arguments(function: dict[str, Raw], path: str) -> str:
    """JSON text by the protocol; some clients send the object itself, and nothing is an empty one."""
    given = raw.optional(function, "arguments")
    if given is None:
        return "{}"
    return bytes(given).decode() if bytes(given).startswith(b"{") else raw.string(given, f"{path}.arguments")


def _text(fields: dict[str, Raw], name: str, path: str) -> str:
    given = raw.optional(fields, name)
    if given is None:
        where = f"{path}.{name}"
        raise refuse(Kind.PARAM, f"`{where}` is required", param=where, code="missing_required_parameter")
    return raw.string(given, f"{path}.{name}")


def _unfit(path: str, what: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}`: {what}", param=path, code="invalid_value")
