"""Shorthands for tests of Chat Completions: requests, chunks, canonical streams, and the official SDK's own reading."""

import json
from typing import Any

import msgspec
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Finish, Part, Turn
from nexusflow.ir.events import Done, Event, Finished, PartDelta, PartEnded, PartStarted, Started
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked
from nexusflow.protocols.openai_chat import read_request, write_request
from nexusflow.protocols.openai_chat.read_stream import StreamReader
from nexusflow.protocols.openai_chat.write_stream import StreamWriter
from tests.support import grammar

RESPONSE_ID = "01JABCDEFGHJKMNPQRSTVWXYZ0"


def destination(*, family: str = "gpt", **flags: Any) -> Destination:
    """An upstream model."""
    return Destination(model="upstream", family=family, capabilities=Capabilities(**flags))


def call(*turns: Turn, origin: Any = "anthropic/messages", **fields: Any) -> ChatCall:
    """A canonical call, of another protocol's client unless said otherwise."""
    return ChatCall(origin=origin, model="public", turns=turns, **fields)


def turn(role: Any, *parts: Part, path: str = "messages[0]") -> Turn:
    """One turn."""
    return Turn(role=role, parts=parts, path=path)


def read(**body: Any) -> ChatCall:
    """A client's request as read; messages may be left out."""
    given = {"model": "public", "messages": [{"role": "user", "content": "hi"}], **body}
    return read_request.read(msgspec.json.encode(given), model="public", stream=bool(body.get("stream")))


def sent(asked: ChatCall, losses: Losses | None = None, **flags: Any) -> dict[str, Any]:
    """The request that a provider would get."""
    body = write_request.write(asked, destination(**flags), losses if losses is not None else Losses())
    found: dict[str, Any] = json.loads(body)
    return found


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, index: int = 0, **top: Any) -> bytes:
    """One frame with one choice."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "up", "choices": [choice], **top}
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def call_delta(index: int | None, arguments: str = "", **opening: Any) -> dict[str, Any]:
    """A delta with one fragment of a tool call; `id` and `name` open it."""
    function = {"arguments": arguments} | ({"name": opening.pop("name")} if "name" in opening else {})
    found = {**opening, "function": function}
    return {"tool_calls": [found if index is None else {"index": index, **found}]}


DONE = b"data: [DONE]\n\n"


def events(stream: bytes, *, size: int | None = None, **flags: Any) -> list[Event]:
    """The canonical events of a provider's stream, which must be grammatical; read in pieces of `size`."""
    reader = StreamReader(destination(**flags))
    found: list[Event] = []
    for at in range(0, len(stream), size or len(stream) or 1):
        found += reader.feed(stream[at : at + (size or len(stream))])
    found += reader.close()
    grammar.check(found)
    return found


def streamed(*parts: tuple[Part, tuple[str, ...]], finish: str = "end", more: tuple[Event, ...] = ()) -> list[Event]:
    """A canonical stream of parts with their deltas."""
    found: list[Event] = [Started()]
    for index, (part, texts) in enumerate(parts):
        found.append(PartStarted(index, part))
        found += [PartDelta(index, text) for text in texts]
        found.append(PartEnded(index))
    ending: Any = finish
    return [*found, *more, Finished(Finish(reason=ending)), Done()]


def asked(of: ChatCall | None = None, **fields: Any) -> Asked:
    """What a client asked for."""
    return Asked(
        call=of or call(origin="openai/chat-completions", **fields),
        model="public",
        response_id=RESPONSE_ID,
        created=1_700_000_000,
    )


def written(stream: list[Event], ask: Asked | None = None) -> bytes:
    """The stream as a client gets it."""
    writer = StreamWriter(ask or asked())
    return b"".join(writer.feed(event) for event in stream)


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The JSON frames of a client's stream."""
    frames = [frame.removeprefix(b"data: ") for frame in stream.split(b"\n\n") if frame.startswith(b"data: ")]
    return [json.loads(frame) for frame in frames if frame != b"[DONE]"]


def accumulated(stream: bytes) -> Any:
    """What the official SDK's helper makes of the stream; it raises for whatever bends the grammar."""
    state = ChatCompletionStreamState()
    for one in chunks(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    return state.current_completion_snapshot
