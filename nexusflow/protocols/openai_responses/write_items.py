"""Output items while they grow: each makes its frames and can say at any time what it has become.

The order of frames is that which the official SDKs insist on (protocols 1.3): an item is added before its parts, a
part before its deltas, and everything that was opened is done with the same ids.
"""

from typing import Any, Protocol

from nexusflow.ir.chat import Citation, Logprob, Refusal, Text
from nexusflow.protocols.openai_responses.write_frames import Frames, annotation, delta_head, logprobs, quoted

_TEXT_TAIL = b',"logprobs":[],"sequence_number":'
_TAIL = b',"sequence_number":'


class Item(Protocol):
    """What the stream writer needs of an open item."""

    def opened(self, frames: Frames) -> bytes: ...
    def delta(self, frames: Frames, text: str, found: tuple[Logprob, ...] | None) -> bytes: ...
    def closed(self, frames: Frames, status: str) -> bytes: ...
    def item(self, status: str) -> dict[str, Any]: ...


def added(frames: Frames, index: int, item: dict[str, Any]) -> bytes:
    """The frame that opens an item."""
    return frames.spell(b"response.output_item.added", output_index=index, item=item)


def done(frames: Frames, index: int, item: dict[str, Any]) -> bytes:
    """The frame that closes an item."""
    return frames.spell(b"response.output_item.done", output_index=index, item=item)


class Message:
    """A message; its parts are texts and refusals, one after the other."""

    def __init__(self, id_: str, index: int) -> None:
        self._id = id_
        self._index = index
        self._content: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._part: dict[str, Any] | None = None
        self._head = b""
        self._tail = _TEXT_TAIL
        self.refused = False

    def opened(self, frames: Frames) -> bytes:
        return added(frames, self._index, self.item("in_progress"))

    def begin(self, frames: Frames, part: Text | Refusal) -> bytes:
        """The next part of the message."""
        self._texts = []
        refusal = isinstance(part, Refusal)
        self.refused = self.refused or refusal
        if refusal:
            self._part = {"type": "refusal", "refusal": ""}
        else:
            self._part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        type_ = "response.refusal.delta" if refusal else "response.output_text.delta"
        self._head = delta_head(type_, self._place())
        self._tail = _TAIL if refusal else _TEXT_TAIL
        return frames.spell(b"response.content_part.added", **self._place(), part=self._part)

    def delta(self, frames: Frames, text: str, found: tuple[Logprob, ...] | None) -> bytes:
        self._texts.append(text)
        if not found:
            return frames.close(self._head, text, self._tail)
        entries = logprobs(found)
        if self._part is not None and "logprobs" in self._part:
            self._part["logprobs"].extend(entries)
        return frames.spell(b"response.output_text.delta", **self._place(), delta=text, logprobs=entries)

    def cite(self, frames: Frames, citation: Citation) -> bytes:
        """A source of the open text; one that the protocol cannot express stands in the finished part only."""
        part = self._part
        if part is None or "annotations" not in part:
            return b""
        found = annotation(citation, sum(map(len, self._texts)))
        if found is None:
            part.setdefault("citations", []).append(quoted(citation))
            return b""
        number = len(part["annotations"])
        part["annotations"].append(found)
        return frames.spell(
            b"response.output_text.annotation.added", **self._place(), annotation_index=number, annotation=found
        )

    def end(self, frames: Frames) -> bytes:
        """The open part is complete."""
        part = self._finished_part()
        if part is None:
            return b""
        place = self._place()
        self._content.append(part)
        self._part = None
        if part["type"] == "refusal":
            said = frames.spell(b"response.refusal.done", **place, refusal=part["refusal"])
        else:
            said = frames.spell(b"response.output_text.done", **place, text=part["text"], logprobs=part["logprobs"])
        return said + frames.spell(b"response.content_part.done", **place, part=part)

    def closed(self, frames: Frames, status: str) -> bytes:
        return self.end(frames) + done(frames, self._index, self.item(status))

    def item(self, status: str) -> dict[str, Any]:
        open_part = self._finished_part()
        content = [*self._content, open_part] if open_part is not None else self._content
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _finished_part(self) -> dict[str, Any] | None:
        if self._part is None:
            return None
        name = "refusal" if self._part["type"] == "refusal" else "text"
        return {**self._part, name: "".join(self._texts)}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index, "content_index": len(self._content)}


class ReasoningItem:
    """Reasoning: its text as one summary part, opened with the first word, and its sealed state at the end."""

    def __init__(self, id_: str, index: int, sealed: str | None = None) -> None:
        self._id = id_
        self._index = index
        self._texts: list[str] = []
        self._head = b""
        self.sealed = sealed

    def opened(self, frames: Frames) -> bytes:
        return added(frames, self._index, {"id": self._id, "type": "reasoning", "summary": []})

    def delta(self, frames: Frames, text: str, found: tuple[Logprob, ...] | None) -> bytes:
        first = b""
        if not self._texts:
            self._head = delta_head("response.reasoning_summary_text.delta", self._place())
            first = frames.spell(
                b"response.reasoning_summary_part.added", **self._place(), part={"type": "summary_text", "text": ""}
            )
        self._texts.append(text)
        return first + frames.close(self._head, text, _TAIL)

    def closed(self, frames: Frames, status: str) -> bytes:
        said = b""
        if self._texts:
            text = "".join(self._texts)
            said = frames.spell(b"response.reasoning_summary_text.done", **self._place(), text=text)
            said += frames.spell(
                b"response.reasoning_summary_part.done", **self._place(), part={"type": "summary_text", "text": text}
            )
        return said + done(frames, self._index, self.item(status))

    def item(self, status: str) -> dict[str, Any]:
        summary = [{"type": "summary_text", "text": "".join(self._texts)}] if self._texts else []
        item: dict[str, Any] = {"id": self._id, "type": "reasoning", "summary": summary}
        if self.sealed is not None:
            item["encrypted_content"] = self.sealed
        return item

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index, "summary_index": 0}


class Call:
    """A call of a function, whose arguments are the text of a JSON object, or of a custom tool, whose input is text.

    A function's arguments are `{}` when none came. With `unwrap` the provider knows no custom tools and was given a
    function in its place: the input can only be taken out of the arguments when they are complete.
    """

    def __init__(self, id_: str, index: int, head: dict[str, Any], custom: bool, unwrap: "Unwrap | None") -> None:
        self._id = id_
        self._index = index
        self._head = head
        self._unwrap = unwrap
        self._type = "custom_tool_call" if custom else "function_call"
        self._member = "input" if custom else "arguments"
        self._event = f"response.{self._type}_{self._member}"
        self._texts: list[str] = []
        self._delta = delta_head(f"{self._event}.delta", self._place())

    def opened(self, frames: Frames) -> bytes:
        return added(frames, self._index, self._item("in_progress", ""))

    def delta(self, frames: Frames, text: str, found: tuple[Logprob, ...] | None) -> bytes:
        self._texts.append(text)
        return b"" if self._unwrap is not None else frames.close(self._delta, text, _TAIL)

    def closed(self, frames: Frames, status: str) -> bytes:
        said = b""
        if self._unwrap is not None:
            if text := self._text():
                said = frames.close(self._delta, text, _TAIL)
        elif self._member == "arguments" and not self._text().strip():
            said = self.delta(frames, "{}", None)
        whole = {self._member: self._text()}
        if self._member == "arguments":
            whole = {"name": self._head["name"], **whole}
        said += frames.spell(f"{self._event}.done".encode(), **self._place(), **whole)
        return said + done(frames, self._index, self.item(status))

    def item(self, status: str) -> dict[str, Any]:
        return self._item(status, self._text())

    def _text(self) -> str:
        text = "".join(self._texts)
        return self._unwrap(text) if self._unwrap is not None else text

    def _item(self, status: str, text: str) -> dict[str, Any]:
        return {"id": self._id, "type": self._type, "status": status, self._member: text, **self._head}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._index}


class Unwrap(Protocol):
    """Takes the input of a custom tool out of the arguments of the function that stands for it."""

    def __call__(self, text: str) -> str: ...


class Whole:
    """An item that is complete when it comes: an image, or a block of this protocol's own."""

    def __init__(self, index: int, whole: dict[str, Any]) -> None:
        self._index = index
        self._whole = whole

    def opened(self, frames: Frames) -> bytes:
        return added(frames, self._index, self._whole)

    def delta(self, frames: Frames, text: str, found: tuple[Logprob, ...] | None) -> bytes:
        return b""

    def closed(self, frames: Frames, status: str) -> bytes:
        return done(frames, self._index, self._whole)

    def item(self, status: str) -> dict[str, Any]:
        return self._whole
