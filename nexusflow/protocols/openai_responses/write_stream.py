"""Canonical events as the client's Responses stream (protocols 1.3, 2.8)."""

from typing import Any

import msgspec

from nexusflow.ir.chat import Data, Finish, Media, Opaque, Part, Refusal, Text, Thinking, Tool, ToolCall, Unknown
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.events import (
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageSeen,
)
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common.arguments import unwrap_custom
from nexusflow.protocols.common.envelope import seal
from nexusflow.protocols.common.ids import tool_id
from nexusflow.protocols.openai_responses import errors
from nexusflow.protocols.openai_responses.tables import INCOMPLETE, ORIGIN, PREVIOUS, REDACTED, marked
from nexusflow.protocols.openai_responses.write_frames import Frames
from nexusflow.protocols.openai_responses.write_items import Call, Item, Message, ReasoningItem, Whole
from nexusflow.protocols.openai_responses.write_response import Shell
from nexusflow.wire import sse

KEEP_ALIVE = sse.KEEP_ALIVE


class StreamWriter:
    """Feed it one answer's events; it returns frames. Only choice 0 is written: the protocol has no other.

    `response` is the final response object as the client got it, for whoever has to keep it; None while there is none
    and when the answer failed. `losses` takes what had no place.
    """

    __slots__ = (
        "_custom",
        "_ended",
        "_finish",
        "_frames",
        "_id",
        "_late",
        "_losses",
        "_namespaced",
        "_open",
        "_output",
        "_shell",
        "_started",
        "_usage",
        "response",
    )

    def __init__(self, asked: Asked, losses: Losses | None = None) -> None:
        tools = [tool for tool in asked.call.tools if isinstance(tool, Tool)]
        self._custom = {tool.name for tool in tools if tool.custom}
        self._namespaced = {tool.name: tool.namespaced for tool in tools if tool.namespaced is not None}
        self._shell = Shell(asked)
        self._id = asked.response_id
        self._losses = losses if losses is not None else Losses()
        self._frames = Frames()
        self._output: list[dict[str, Any]] = []
        self._open: Item | None = None
        self._late: Opaque | None = None
        self._finish = Finish(reason="end")
        self._usage: Usage | None = None
        self._started = False
        self._ended = False
        self.response: bytes | None = None

    def feed(self, event: Event) -> bytes:
        """The frames of one event; none after the last.

        Raises `RequestRefused` (E-UPSTREAM) for an end without anything usable, which the protocol has no word for
        (protocols 2.1.7); a `Failed` with that problem may follow.
        """
        if self._ended:
            return b""
        if type(event) is PartDelta:  # by far the most frequent
            if event.choice or self._open is None:
                return b""
            return self._open.delta(self._frames, event.text, event.logprobs)
        if isinstance(event, Started):
            return self._announce()
        if isinstance(event, UsageSeen):
            self._usage = event.usage
            return b""
        if isinstance(event, Done):
            return self._complete(event)
        if isinstance(event, Failed):
            return self._fail(event.problem)
        return self._within_choice(event) if event.choice == 0 else b""

    def failure(self, problem: Problem) -> bytes:
        """The last frame of a stream that broke from outside: a timeout, a restart (protocols 1.10.3)."""
        return b"" if self._ended else self._fail(problem)

    def _within_choice(self, event: PartStarted | PartDelta | Cited | PartEnded | Finished) -> bytes:
        if isinstance(event, PartStarted):
            return self._begin(event.part)
        if isinstance(event, Cited):
            return self._open.cite(self._frames, event.citation) if isinstance(self._open, Message) else b""
        if isinstance(event, PartEnded):
            return self._end_part(event.signature)
        if isinstance(event, Finished):
            return self._note_finish(event.finish)
        return b""

    def _announce(self) -> bytes:
        self._started = True
        response = self._shell.spell("in_progress", [])
        return b"".join(
            self._frames.splice(type_, b'"response":' + response)
            for type_ in (b"response.created", b"response.in_progress")
        )

    def _begin(self, part: Part) -> bytes:
        if isinstance(part, Text | Refusal):
            return self._begin_text(part)
        before = self._close()
        if isinstance(part, Thinking):
            return before + self._open_item(self._reasoning(part))
        if isinstance(part, ToolCall):
            return before + self._carry(part.signature, "") + self._open_item(self._call(part))
        whole = _whole(part, self._new_id("ig"))
        if whole is None:
            self._losses.drop(f"output[{len(self._output)}]")
            return before
        return before + self._open_item(Whole(len(self._output), whole))

    def _begin_text(self, part: Text | Refusal) -> bytes:
        """Adjoining texts and refusals are parts of one message."""
        said = b""
        message = self._open
        if not isinstance(message, Message):
            said = self._close()
            message = Message(self._new_id("msg"), len(self._output))
            said += self._open_item(message)
        if isinstance(part, Text) and part.signature is not None:
            self._late = part.signature
        said += message.begin(self._frames, part)
        if isinstance(part, Text):
            for citation in part.citations:
                said += message.cite(self._frames, citation)
        return said

    def _end_part(self, signature: Opaque | None) -> bytes:
        item = self._open
        if isinstance(item, Message):
            if signature is not None:
                self._late = signature
            return item.end(self._frames)
        if isinstance(item, ReasoningItem):
            if signature is not None:
                item.sealed = _sealed(signature)
        elif signature is not None:
            self._late = signature
        return self._close()

    def _close(self, status: str = "completed") -> bytes:
        """Finish the open item, and let the state that came late follow it."""
        item = self._open
        if item is None:
            return b""
        said = item.closed(self._frames, status)
        self._output.append(item.item(status))
        self._open = None
        late, self._late = self._late, None
        return said + self._carry(late, PREVIOUS)

    def _carry(self, opaque: Opaque | None, mark: str) -> bytes:
        """State that belongs to a text or a call rides in a reasoning item of its own, which clients send back."""
        if opaque is None:
            return b""
        item = ReasoningItem(self._new_id("rs"), len(self._output), _sealed(marked(opaque, mark)))
        said = item.opened(self._frames) + item.closed(self._frames, "completed")
        self._output.append(item.item("completed"))
        return said

    def _open_item(self, item: Item) -> bytes:
        self._open = item
        return item.opened(self._frames)

    def _reasoning(self, part: Thinking) -> ReasoningItem:
        sealed = None
        if part.signature is not None:
            sealed = _sealed(marked(part.signature, REDACTED) if part.redacted else part.signature)
        return ReasoningItem(self._new_id("rs"), len(self._output), sealed)

    def _call(self, part: ToolCall) -> Call:
        head: dict[str, Any] = {"call_id": tool_id(part.id), "name": part.name}
        if part.name in self._namespaced:
            namespace, head["name"] = self._namespaced[part.name]
            head["namespace"] = namespace
        wrapped = not part.custom and part.name in self._custom
        custom = part.custom or wrapped
        id_ = self._new_id("ctc" if custom else "fc")
        return Call(id_, len(self._output), head, custom, unwrap_custom if wrapped else None)

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._id}{len(self._output):03d}"

    def _note_finish(self, finish: Finish) -> bytes:
        if finish.reason in ("malformed", "empty"):
            word = finish.raw or finish.reason
            raise refuse(Kind.UPSTREAM, f"The provider gave no usable answer ({word}).", code=f"upstream_empty:{word}")
        self._finish = finish
        said = b""
        if finish.reason == "refusal" and finish.text and not self._refused():
            said = self._begin_text(Refusal(""))
            if self._open is not None:
                said += self._open.delta(self._frames, finish.text, None)
        return said + self._close("completed" if self._why_incomplete() is None else "incomplete")

    def _refused(self) -> bool:
        if isinstance(self._open, Message) and self._open.refused:
            return True
        parts = (part for item in self._output if item["type"] == "message" for part in item["content"])
        return any(part["type"] == "refusal" for part in parts)

    def _why_incomplete(self) -> str | None:
        """A refusal in words is a complete answer; one without is not (protocols 2.1.7)."""
        if self._finish.reason == "refusal" and self._refused():
            return None
        return INCOMPLETE.get(self._finish.reason)

    def _complete(self, event: Done) -> bytes:
        before = self._close()
        why = self._why_incomplete()
        status = "completed" if why is None else "incomplete"
        tier = event.tier or (self._usage.tier if self._usage is not None else None)
        self._ended = True
        self.response = self._shell.spell(
            status, self._output, usage=self._usage, tier=tier or "default", incomplete=why
        )
        return before + self._frames.splice(f"response.{status}".encode(), b'"response":' + self.response)

    def _fail(self, problem: Problem) -> bytes:
        self._ended = True
        if not self._started:
            return errors.event(problem)
        output = self._output
        if self._open is not None:
            output = [*output, self._open.item("incomplete")]
        response = self._shell.spell("failed", output, usage=self._usage, error=errors.fault(problem))
        return errors.failed_event(response, self._frames.number)


def _sealed(opaque: Opaque) -> str:
    """State as the client keeps it: its own protocol's as it is, any other in an envelope (protocols 2.0.4)."""
    return opaque.payload if opaque.origin == ORIGIN else seal(opaque)


def _whole(part: Part, id_: str) -> dict[str, Any] | None:
    """An item for a part that comes complete; None for what this protocol's answers have no place for."""
    if isinstance(part, Unknown) and part.origin == ORIGIN:
        item: dict[str, Any] = msgspec.json.decode(part.raw)
        return item
    if isinstance(part, Media) and part.kind == "image" and isinstance(part.source, Data):
        return {"id": id_, "type": "image_generation_call", "status": "completed", "result": part.source.base64}
    return None
