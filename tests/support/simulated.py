"""The simulated provider without a socket: one request in, all that it sends out."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from nexusflow.simulator.app import Simulator
from nexusflow.simulator.http import Connection, Request
from tests.support import sse

VERSION = {"anthropic-version": "2023-06-01"}
SECOND_VERSION = {"anthropic-version": "2026-10-21"}

CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
MESSAGES, COUNT_TOKENS = "/v1/messages", "/v1/messages/count_tokens"


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is all of it, without any coding for the transfer.

    `ended` is how a stream came to its end: end, cut or reset, or open where it has none of its own.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    ended: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of the events that the body consists of."""
        return sse.events(self.body)

    @property
    def said(self) -> str:
        """The message of an error, in whichever form."""
        message: str = self.json["error"]["message"]
        return message


class Recorder:
    """Stands where the connection is, and keeps what is sent."""

    number = 1
    answering = False

    def __init__(self) -> None:
        self.status, self.headers, self.body, self.ended = 0, dict[str, str](), b"", "open"

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.head(status, headers, body)

    def head(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        assert not self.answering, "answered twice"
        self.answering, self.status, self.headers = True, status, dict(headers)
        self.body += body

    def write(self, data: bytes) -> None:
        self.body += data

    async def chunk(self, data: bytes) -> None:
        self.body += data

    async def end(self) -> None:
        self.ended = "end"

    async def drain(self) -> None:
        pass

    def cut(self, *, reset: bool = False) -> None:
        self.ended = "reset" if reset else "cut"


class Simulated:
    """A simulated provider, with what it remembers."""

    def __init__(self) -> None:
        self._simulator = Simulator()

    def ask(self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "POST") -> Answer:
        """Send one request; `body` is JSON, or bytes as they are."""
        recorder = Recorder()
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        target, _, query = path.partition("?")
        request = Request(method, target, dict(parse_qsl(query)), headers or {}, data)
        asyncio.run(self._simulator.handle(request, cast(Connection, recorder)))
        return Answer(recorder.status, recorder.headers, recorder.body, recorder.ended)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Get what is there without a model."""
        return self.ask(path, headers=headers, method="GET")

    def chat(self, body: dict[str, Any], **more: Any) -> Answer:
        """`POST /v1/chat/completions`, of the model `chat` unless another is named."""
        return self.ask(CHAT, {"model": "chat", **body, **more})

    def respond(self, body: dict[str, Any], **more: Any) -> Answer:
        """`POST /v1/responses`."""
        return self.ask(RESPONSES, {"model": "chat", **body, **more})

    def message(self, body: dict[str, Any], headers: dict[str, str] = VERSION, **more: Any) -> Answer:
        """`POST /v1/messages`."""
        return self.ask(MESSAGES, {"model": "chat", "max_tokens": 4096, **body, **more}, headers)

    def generate(self, body: dict[str, Any], model: str = "chat", method: str = "generateContent") -> Answer:
        """`POST /v1beta/models/{model}:{method}`."""
        return self.ask(f"/v1beta/models/{model}:{method}", body)

    def stream(self, body: dict[str, Any], model: str = "chat") -> Answer:
        """`POST /v1beta/models/{model}:streamGenerateContent?alt=sse`."""
        return self.generate(body, model, "streamGenerateContent?alt=sse")
