"""What the tests of Gemini share: destinations, calls, frames, and the events of a stream."""

import json
from collections.abc import Iterable
from typing import Any

from nexusflow.ir.capabilities import Capabilities, Destination, ReasoningFlags
from nexusflow.ir.chat import ChatCall, Part, Reasoning, Text, Turn
from nexusflow.ir.events import Event
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.gemini import read_reply, read_request, write_request
from nexusflow.protocols.gemini.read_stream import StreamReader
from nexusflow.protocols.gemini.write_stream import StreamWriter
from tests.support import grammar

RESPONSE_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
LEVELS = ReasoningFlags(shape="level", values=("minimal", "low", "medium", "high"))
BUDGET = ReasoningFlags(shape="budget")


def destination(**flags: Any) -> Destination:
    """A Gemini model with the given capabilities."""
    usual: dict[str, Any] = {"input": ("text", "image", "audio", "video", "file"), "top_k": True, **flags}
    return Destination(model="gemini-upstream", family="gemini", capabilities=Capabilities(**usual))


def read(**body: Any) -> ChatCall:
    """A Gemini client's request as the canonical call."""
    whole = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], **body}
    return read_request.read(json.dumps(whole).encode(), model="public", stream=False)


def turn(role: Any, *parts: Part, path: str = "messages[0]") -> Turn:
    """One turn."""
    return Turn(role=role, parts=parts, path=path)


def chat(*turns: Turn, **fields: Any) -> ChatCall:
    """A call as a Chat client makes it; without turns one that says hello."""
    said = turns or (turn("user", Text(text="Hello")),)
    return ChatCall(**{"origin": "openai/chat-completions", "model": "public", "turns": said, **fields})


def written(call: ChatCall, losses: Losses | None = None, **flags: Any) -> dict[str, Any]:
    """The request for a provider with the given capabilities, decoded."""
    found = Losses() if losses is None else losses
    body: dict[str, Any] = json.loads(write_request.write(call, destination(**flags), found))
    return body


def asked(*, thoughts: bool = False) -> Asked:
    """A Gemini client, which sees thoughts only if it asks for them."""
    reasoning = Reasoning(expose="summary" if thoughts else "none")
    call = chat(origin="google/generate-content", reasoning=reasoning)
    return Asked(call=call, model="public", response_id=RESPONSE_ID, created=0)


def candidate(*parts: Any, finish: str | None = "STOP", index: int | None = None, **more: Any) -> dict[str, Any]:
    """A candidate of these parts; a string is a text."""
    said = [{"text": part} if isinstance(part, str) else part for part in parts]
    found: dict[str, Any] = {"content": {"role": "model", "parts": said}, **more}
    if finish is not None:
        found["finishReason"] = finish
    if index is not None:
        found["index"] = index
    return found


def answer(*candidates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A provider's answer, or a frame of it."""
    return {"candidates": list(candidates), "modelVersion": "gemini-upstream", "responseId": "r1", **more}


def reply(*candidates: dict[str, Any], **more: Any) -> ChatReply:
    """A provider's answer as the canonical one."""
    return read_reply.read(json.dumps(answer(*candidates, **more)).encode(), destination())


def frames(*found: dict[str, Any]) -> bytes:
    """Frames as the provider sends them."""
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\r\n\r\n" for frame in found)


def streamed(*found: dict[str, Any]) -> list[Event]:
    """The events of a stream of these frames, whose grammar is checked."""
    return events(frames(*found))


def events(*pieces: bytes) -> list[Event]:
    """The events of a stream in these pieces, whose grammar is checked."""
    reader = StreamReader(destination())
    seen = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
    grammar.check(seen)
    return seen


def sent(found: Iterable[Event], *, thoughts: bool = False) -> list[dict[str, Any]]:
    """The frames that a client gets for these events."""
    writer = StreamWriter(asked(thoughts=thoughts))
    return unframed(b"".join(writer.feed(event) for event in found))


def unframed(stream: bytes) -> list[dict[str, Any]]:
    """The objects of a client's stream, in which nothing else may stand."""
    *blocks, end = stream.split(b"\r\n\r\n")
    assert end == b""
    assert all(block.startswith(b"data: ") and b"\n" not in block for block in blocks)
    return [json.loads(block[6:]) for block in blocks]
