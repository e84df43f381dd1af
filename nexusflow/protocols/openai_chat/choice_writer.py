"""One choice of a Chat client's stream: parts and deltas as chunks."""

from typing import Any

import msgspec

from nexusflow.ir.chat import (
    ChatCall,
    Citation,
    Finish,
    Logprob,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Unknown,
)
from nexusflow.protocols.common.arguments import unwrap_custom
from nexusflow.protocols.openai_chat import reasoning_details, write_parts
from nexusflow.protocols.openai_chat.carried import Carry, annotation

_encode = msgspec.json.Encoder().encode
_OPENING = b'{"role":"assistant","content":""}'
_GOING_ON = b',"finish_reason":null'


class ChoiceWriter:
    """Each method returns the frames of one event. `head` ends before the delta's value, `tail` begins after the
    choice's last member."""

    __slots__ = (
        "_after",
        "_annotations",
        "_before",
        "_call",
        "_call",
        "_calls",
        "_carry",
        "_citations",
        "_custom",
        "_details",
        "_head",
        "_held",
        "_hidden",
        "_images",
        "_legacy",
        "_middle",
        "_part",
        "_refused",
        "_response_id",
        "_said",
        "_signature",
        "_start",
        "_tail",
        "_text",
    )

    def __init__(self, call: ChatCall, response_id: str, head: bytes, tail: bytes) -> None:
        self._call = call
        self._custom = write_parts.custom_names(call)
        self._legacy = call.names.get("tools") == write_parts.LEGACY
        self._hidden = call.reasoning.expose == "none"
        self._response_id = response_id
        self._head = head
        self._tail = tail
        self._part: Part | None = None
        self._before = self._middle = self._after = b""
        self._said = False
        self._held: list[str] = []
        self._text = self._start = 0
        self._calls = self._details = self._annotations = self._images = 0
        self._citations: list[Citation] = []
        self._carry = Carry()
        self._refused = False
        self._signature: Opaque | None = None

    def opening(self) -> bytes:
        """The chunk with the role, once."""
        return self._frame(_OPENING)

    def start(self, part: Part) -> bytes:
        """A part begins."""
        self._part = part
        self._said = False
        self._middle = b""
        if isinstance(part, Text):
            self._start = self._text
            self._template(b'{"content":', b"}")
        elif isinstance(part, Thinking):
            return self._start_thinking(part)
        elif isinstance(part, ToolCall):
            return self._start_call(part)
        elif isinstance(part, Refusal):
            self._refused = True
            self._template(b'{"refusal":', b"}")
        elif isinstance(part, Unknown):
            self._carry.block(part, self._text)
        elif isinstance(part, Media):
            return self._media(part)
        return b""

    def more(self, text: str, logprobs: tuple[Logprob, ...] | None) -> bytes:
        """A delta of the open part."""
        part = self._part
        if isinstance(part, Text):
            self._text += len(text)
        elif not self._before:
            if isinstance(part, ToolCall):
                self._held.append(text)
            return b""
        self._said = True
        if logprobs:
            return self._probable(text, logprobs)
        encoded = _encode(text)
        if self._middle:
            frame = self._before + encoded + self._middle + encoded + self._after
            self._middle = self._thinking_middle(isinstance(part, Thinking) and part.summary)
            return frame
        return self._before + encoded + self._after

    def cite(self, citation: Citation) -> bytes:
        """A source of the open text."""
        self._citations.append(citation)
        written = annotation(citation, self._start, self._text)
        if written is None:
            return b""
        self._annotations += 1
        return self._delta({"annotations": [{"index": self._annotations - 1, **written}]})

    def stop(self, signature: Opaque | None) -> bytes:
        """The open part is complete."""
        part, self._part = self._part, None
        if isinstance(part, Text):
            self._carry.text(self._citations, self._start, self._text)
            self._citations = []
            self._signature = signature or part.signature or self._signature
        elif isinstance(part, Thinking):
            return self._stop_thinking(part, signature)
        elif isinstance(part, ToolCall):
            return self._stop_call(part, signature)
        return b""

    def finish(self, finish: Finish) -> bytes:
        """The choice is over: what could not be said before, then the reason."""
        last = self._carry.members()
        if self._signature is not None:
            last["extra_content"] = write_parts.extra_content(self._signature)
        explained = write_parts.explanation(finish, refused=self._refused)
        if explained:
            last["refusal"] = explained
        frames = self._delta(last) if last else b""
        members = _encode(write_parts.finish_members(finish, legacy=self._legacy))[1:-1]
        return frames + self._head + b"{}," + members + self._tail

    def _frame(self, delta: bytes) -> bytes:
        return self._head + delta + _GOING_ON + self._tail

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._frame(_encode(delta))

    def _template(self, before: bytes, after: bytes) -> None:
        """How the deltas of the open part are spelled around their text."""
        self._before = self._head + before
        self._after = after + _GOING_ON + self._tail

    def _probable(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        kind = "refusal" if isinstance(self._part, Refusal) else "content"
        found = _encode({"content": None, "refusal": None, kind: write_parts.logprobs(logprobs)})
        return self._head + _encode({kind: text}) + b',"logprobs":' + found + _GOING_ON + self._tail

    def _start_thinking(self, part: Thinking) -> bytes:
        self._details += 1
        self._before = b""
        if part.redacted:
            self._said = part.signature is not None
            return self._delta({"reasoning_details": [self._detail(part)]}) if self._said else b""
        if not self._hidden:
            self._template(b'{"reasoning_content":', b"}]}")
            opening = _encode(reasoning_details.opening(part, self._details - 1))[:-1]
            self._middle = b',"reasoning_details":[' + opening + (b',"summary":' if part.summary else b',"text":')
        return b""

    def _thinking_middle(self, summary: bool) -> bytes:
        kind = b"summary" if summary else b"text"
        return b',"reasoning_details":[{"index":%d,"type":"reasoning.%b","%b":' % (self._details - 1, kind, kind)

    def _stop_thinking(self, part: Thinking, signature: Opaque | None) -> bytes:
        state = signature or part.signature
        if state is None or (part.redacted and self._said):
            return b""
        if not self._said:
            return self._delta({"reasoning_details": [self._detail(msgspec.structs.replace(part, signature=state))]})
        kind = "summary" if part.summary else "text"
        detail = {"index": self._details - 1, "type": f"reasoning.{kind}"}
        return self._delta({"reasoning_details": [detail | reasoning_details.state(state, redacted=False)]})

    def _detail(self, part: Thinking) -> dict[str, Any]:
        return reasoning_details.whole(part, self._details - 1)

    def _start_call(self, part: ToolCall) -> bytes:
        self._calls += 1
        self._held = []
        self._before = b""
        if part.name in self._custom and not part.custom:
            return b""  # its input is wrapped in an object, and known when that is whole
        if self._legacy:
            if self._calls > 1:
                return b""
            self._template(b'{"function_call":{"arguments":', b"}}")
            return self._delta({"function_call": {"name": part.name, "arguments": ""}})
        member = b'"custom":{"input":' if part.custom else b'"function":{"arguments":'
        self._template(b'{"tool_calls":[{"index":%d,' % (self._calls - 1) + member, b"}}]}")
        return self._open_call(part, custom=part.custom, given="")

    def _open_call(self, part: ToolCall, *, custom: bool, given: str) -> bytes:
        written = write_parts.tool_call(part, custom=custom, given=given)
        return self._delta({"tool_calls": [{"index": self._calls - 1, **written}]})

    def _stop_call(self, part: ToolCall, signature: Opaque | None) -> bytes:
        """A call without any fragment has the arguments `{}` (T12); state that came last gets a delta of its own."""
        frames = b""
        if not self._before:
            if part.name in self._custom:
                frames = self._open_call(part, custom=True, given=unwrap_custom("".join(self._held)))
            self._held = []
        elif not self._said and not part.custom:
            frames = self._before + b'"{}"' + self._after
        if signature is not None and not self._legacy:
            kind, member = ("custom", "input") if part.name in self._custom else ("function", "arguments")
            late = {"index": self._calls - 1, kind: {member: ""}, "extra_content": write_parts.extra_content(signature)}
            frames += self._delta({"tool_calls": [late]})
        return frames

    def _media(self, part: Media) -> bytes:
        if part.kind == "audio":
            return self._delta({"audio": write_parts.audio(part, self._response_id, self._call)})
        if part.kind != "image":
            return b""
        self._images += 1
        return self._delta({"images": [{"index": self._images - 1, **write_parts.image(part)}]})
