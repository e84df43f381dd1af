"""Whole streams through the official SDK, and shorthands for canonical values."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import openai
import pytest

try:
    import httpx2 as httpx  # what the SDK uses from its third major version on
except ImportError:
    import httpx  # type: ignore[no-redef]

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Turn
from nexusflow.ir.events import Event
from nexusflow.ir.reply import Asked
from nexusflow.protocols.openai_responses import read_request
from nexusflow.protocols.openai_responses.write_stream import StreamWriter

RESPONSE_ID = "01JABCDEFGHJKMNPQRSTVWXYZ0"


@pytest.fixture
def client() -> Iterator[Callable[[bytes], openai.OpenAI]]:
    """The SDK over a transport that answers everything with the given stream."""
    opened: list[openai.OpenAI] = []

    def open_client(body: bytes) -> openai.OpenAI:
        def answer(request: Any) -> Any:
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)

        transport = httpx.Client(transport=httpx.MockTransport(answer))
        one = openai.OpenAI(api_key="none", base_url="http://test/v1", max_retries=0, http_client=transport)
        opened.append(one)
        return one

    yield open_client
    for one in opened:
        one.close()


@pytest.fixture
def asked() -> Callable[..., Asked]:
    """What a client asked for: the request's members as keywords."""

    def ask(**members: Any) -> Asked:
        import msgspec

        body = msgspec.json.encode({"model": "public", "input": "hi", **members})
        call = read_request.read(body, model="public", stream=True)
        return Asked(call=call, model="public", response_id=RESPONSE_ID, created=1_700_000_000)

    return ask


@pytest.fixture
def to() -> Callable[..., Destination]:
    """A provider's model, its capabilities as keywords."""

    def destination(**flags: Any) -> Destination:
        given = {"input": ("text", "image", "audio", "file"), **flags}
        return Destination(model="gpt-upstream", family="gpt", capabilities=Capabilities(**given))

    return destination


@pytest.fixture
def call() -> Callable[..., ChatCall]:
    """A call of a client of another protocol."""

    def make(*turns: Turn, **members: Any) -> ChatCall:
        given = {"origin": "openai/chat-completions", **members}
        return ChatCall(model="public", turns=turns, **given)

    return make


@pytest.fixture
def emit() -> Callable[[Asked, Sequence[Event]], bytes]:
    """All frames of some events."""

    def write(asked: Asked, events: Sequence[Event]) -> bytes:
        writer = StreamWriter(asked)
        return b"".join(writer.feed(event) for event in events)

    return write
