"""The recorded provider traffic under tests/corpus, as values. Its README says where it comes from."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

CORPUS = Path(__file__).resolve().parent.parent / "corpus"


class Sent(msgspec.Struct, frozen=True):
    """What the recorded client sent; `body` is text exactly as sent, None where there was none or it was not kept."""

    method: str
    path: str
    body: str | None


class Answered(msgspec.Struct, frozen=True):
    """What the recorded provider answered; of a stream `body` holds every byte."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def data(self) -> bytes:
        """The body's bytes."""
        return self.body.encode()

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Exchange(msgspec.Struct, frozen=True):
    """One recorded HTTP exchange. `request` is None where the origin kept only the answer."""

    id: str
    protocol: str
    provider: str
    stream: bool
    features: list[str]
    request: Sent | None
    response: Answered

    @property
    def succeeded(self) -> bool:
        """Whether the provider answered the call: not a status of failure, and no error inside a 200."""
        return self.response.status == 200 and not self.fails_in_band

    @property
    def fails_in_band(self) -> bool:
        """Whether a 200 turned out to be an error: as a body (U-16) or within a stream (U-17, U-18)."""
        return not {"error_200", "in_stream_error"}.isdisjoint(self.features)

    def client_body(self, model: str) -> dict[str, Any]:
        """The request as a client of ours would send it: the recorded one under another model name."""
        if self.request is None or self.request.body is None:
            return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": self.stream}
        body: dict[str, Any] = msgspec.json.decode(self.request.body)
        return {**body, "model": model}


@cache
def exchanges(folder: str) -> tuple[Exchange, ...]:
    """All recorded exchanges of one folder (`anthropic-messages`), ordered by id."""
    decoder = msgspec.json.Decoder(Exchange)
    return tuple(decoder.decode(path.read_bytes()) for path in sorted((CORPUS / folder).glob("*.json")))


def chat_exchanges() -> tuple[Exchange, ...]:
    """All recorded OpenAI Chat exchanges, ordered by id."""
    return exchanges("openai-chat")


@cache
def chat_streams() -> tuple[Exchange, ...]:
    """Those of them that were streamed with success."""
    return tuple(exchange for exchange in chat_exchanges() if exchange.stream and exchange.succeeded)
