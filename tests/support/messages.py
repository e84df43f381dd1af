"""What the tests of Anthropic Messages share: destinations, calls, frames, and the official SDK as a reader."""

import json
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Part, Text, Turn
from nexusflow.ir.events import Done, Event, Failed, Finished, Started, UsageSeen
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked
from nexusflow.protocols.anthropic import read_request, write_request
from nexusflow.protocols.anthropic.read_stream import StreamReader
from nexusflow.protocols.anthropic.write_stream import StreamWriter

RESPONSE_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def destination(**flags: Any) -> Destination:
    """A Claude model with the given capabilities."""
    return Destination(model="claude-upstream", family="claude", capabilities=Capabilities(**flags))


def chat(*turns: Turn, **fields: Any) -> ChatCall:
    """A call as a Chat client makes it; without turns one that says hello."""
    said = turns or (Turn(role="user", parts=(Text(text="Hello"),), path="messages[0]"),)
    return ChatCall(**{"origin": "openai/chat-completions", "model": "public", "turns": said, **fields})


def turn(role: Any, *parts: Part, path: str = "messages[0]") -> Turn:
    """One turn."""
    return Turn(role=role, parts=parts, path=path)


def asked(call: ChatCall | None = None) -> Asked:
    """What the client of an answer asked for."""
    return Asked(call=call or chat(), model="public", response_id=RESPONSE_ID, created=0)


def read(**body: Any) -> ChatCall:
    """A Messages request as the canonical call."""
    whole = {"model": "public", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}], **body}
    return read_request.read(json.dumps(whole).encode(), model="public", stream=False)


def written(call: ChatCall, losses: Losses | None = None, **flags: Any) -> dict[str, Any]:
    """The request for a provider with the given capabilities, decoded."""
    body: dict[str, Any] = json.loads(
        write_request.write(call, destination(**flags), Losses() if losses is None else losses)
    )
    return body


def frames(*events: dict[str, Any]) -> bytes:
    """Events as the provider sends them."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), compact(event)) for event in events)


def compact(value: object) -> bytes:
    """JSON as providers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def message_start(**usage: Any) -> dict[str, Any]:
    """The first event."""
    message = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-upstream", "content": []}
    tail = {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1, **usage}}
    return {"type": "message_start", "message": {**message, **tail}}


def block(index: int, content_block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """A whole block."""
    start = {"type": "content_block_start", "index": index, "content_block": content_block}
    middle = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [start, *middle, {"type": "content_block_stop", "index": index}]


def text_block(index: int, *texts: str) -> list[dict[str, Any]]:
    """A whole block of text."""
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in texts))


def message_end(reason: str | None = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    """The last two events."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5, **usage}}, {"type": "message_stop"}]


def events(stream: bytes, size: int | None = None) -> list[Event]:
    """The canonical events of a provider's stream, fed in pieces of `size` bytes."""
    reader = StreamReader(destination())
    step = size or len(stream) or 1
    found = [event for at in range(0, len(stream), step) for event in reader.feed(stream[at : at + step])]
    return found + reader.close()


def streamed(*body: Event, finish: Finished | None = None, usage: UsageSeen | None = None) -> bytes:
    """The frames for a whole stream with `body` in its middle."""
    writer = StreamWriter(asked())
    last: list[Event] = [] if any(isinstance(event, Failed) for event in body) else [finish, usage, Done()]  # type: ignore[list-item]
    every: Iterable[Event] = (Started(), *body, *(event for event in last if event is not None))
    return b"".join(map(writer.feed, every))


def decoded(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream for a client, each under its own name."""
    found = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def sdk(content: bytes, *, status: int = 200, stream: bool = False) -> anthropic.Anthropic:
    """The official client before a server that answers everything with `content`."""
    kind = "text/event-stream" if stream else "application/json"

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": kind, "request-id": "req_1"}, content=content)

    client = httpx2.Client(transport=httpx2.MockTransport(respond))
    return anthropic.Anthropic(base_url="http://127.0.0.1:9", api_key="none", max_retries=0, http_client=client)


def accumulated(stream: bytes) -> Any:
    """The message that the official SDK's helper makes of a stream. Raises what it raises."""
    client = sdk(stream, stream=True)
    user: Any = [{"role": "user", "content": "Hello"}]
    with client.messages.stream(model="public", max_tokens=100, messages=user) as helper:
        return helper.get_final_message()
