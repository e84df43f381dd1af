"""Answers that Google breaks off with a token are gone on with for clients of other protocols (protocols 2.1.7)."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from nexusflow.flow import continued
from nexusflow.flow.bridge import Bridge, BridgeStream
from nexusflow.flow.continued import ContinuedReply
from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Text, Turn
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked
from nexusflow.protocols.dialects import DIALECTS
from tests.support import sse

TO = Destination(model="gemini-x", family="gemini", capabilities=Capabilities())
ASKED = b'{"contents":[{"parts":[{"text":"Hi"}]}]}'


def piece(text: str, reason: str, token: str | None = None, prompt: int = 5, said: int = 2) -> dict[str, Any]:
    """One answer of Google's."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": reason}
    if token is not None:
        candidate["continuationToken"] = token
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": said, "totalTokenCount": prompt + said}
    return {"candidates": [candidate], "responseId": text, "usageMetadata": counts}


def answers(*tokens: str) -> list[dict[str, Any]]:
    """An answer that is broken off once for each token."""
    broken = [piece(f"{at}", "CONTINUATION", token) for at, token in enumerate(tokens)]
    return [*broken, piece("end", "STOP", prompt=6, said=3)]


class Provider:
    """Answers one call after another, and keeps what it was asked."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self._found = iter(found)
        self.bodies: list[dict[str, Any]] = []
        self.closed: list[bool] = []

    async def fetch(self, body: bytes) -> bytes:
        """A whole answer."""
        self.bodies.append(json.loads(body))
        return json.dumps(next(self._found), indent=1).encode()

    async def stream(self, body: bytes) -> "Pieces":
        """A streamed one, in pieces of a few bytes."""
        self.bodies.append(json.loads(body))
        frame = b"data: " + json.dumps(next(self._found)).encode() + b"\r\n\r\n"
        return Pieces(self, iter([frame[at : at + 7] for at in range(0, len(frame), 7)]))


class Pieces:
    """A `Reply`."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, provider: Provider, found: Iterator[bytes]) -> None:
        self._provider = provider
        self._found = found

    async def read(self, limit: int) -> bytes:
        """Never asked here."""
        raise NotImplementedError

    async def next(self) -> bytes | None:
        """The next few bytes."""
        return next(self._found, None)

    def close(self, *, reusable: bool) -> None:
        """Noted."""
        self._provider.closed.append(reusable)


def bridge() -> Bridge:
    call = ChatCall(origin="openai/chat-completions", model="m", turns=(Turn(role="user", parts=(Text(text="Hi"),)),))
    asked = Asked(call=call, model="m", response_id="R", created=1)
    client, google = DIALECTS["openai/chat-completions"], DIALECTS["google/generate-content"]
    return Bridge(client, google, TO, asked, Losses(), lambda *_: None)


async def streamed(provider: Provider) -> tuple[bytes, BridgeStream]:
    reply = ContinuedReply(await provider.stream(ASKED), ASKED, provider.stream)
    tap, frames = bridge().stream(), b""
    while (part := await reply.next()) is not None:
        frames += tap.feed(part)
    frames += tap.close()
    reply.close(reusable=True)
    return frames, tap


def test_a_whole_answer_is_put_together() -> None:
    provider = Provider(answers("t1", 't"2'))
    written, used = bridge().reply(asyncio.run(continued.whole(ASKED, provider.fetch)))
    choice = json.loads(written)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("01end", "stop")
    assert (used.total_input, used.total_output, used.source) == (16, 7, "reported")
    assert [body.get("continuationToken") for body in provider.bodies] == [None, "t1", 't"2']
    assert all(body["contents"] == [{"parts": [{"text": "Hi"}]}] for body in provider.bodies)


def test_a_stream_goes_on_as_one() -> None:
    provider = Provider(answers("t1", 't"2'))
    frames, tap = asyncio.run(streamed(provider))
    chunks = [one for one in sse.events(frames) if isinstance(one, dict)]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "01end"
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert [choice["delta"]["role"] for choice in choices if "role" in choice["delta"]] == ["assistant"]
    used = tap.usage()
    assert used is not None
    assert (used.total_input, used.total_output) == (16, 7)
    assert [body.get("continuationToken") for body in provider.bodies] == [None, "t1", 't"2']
    assert provider.closed == [True, True, True]


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
def test_it_does_not_go_on_for_ever(streams: bool) -> None:
    provider = Provider(answers(*"abcdefghijklmnop"))
    if streams:
        frames, tap = asyncio.run(streamed(provider))
        assert tap.done
        assert b'"finish_reason":"length"' in frames
    else:
        written, _ = bridge().reply(asyncio.run(continued.whole(ASKED, provider.fetch)))
        assert json.loads(written)["choices"][0]["finish_reason"] == "length"
    assert len(provider.bodies) == continued.MAX_HOPS + 1


def test_the_words_of_an_answer_are_no_reason_to_go_on() -> None:
    said = '"finishReason":"CONTINUATION","continuationToken":"x"'
    assert continued.token_in(json.dumps(piece(said, "STOP")).encode()) is None
    assert continued.token_in(json.dumps(piece("a", "STOP", "x")).encode()) is None
    assert continued.token_in(json.dumps(piece("a", "CONTINUATION")).encode()) is None


def test_a_stream_that_breaks_off_in_a_later_piece_is_broken() -> None:
    """The reason of an earlier piece does not count for the whole."""
    tap = bridge().stream()
    tap.feed(b"data: " + json.dumps(piece("a", "CONTINUATION", "t")).encode() + b"\r\n\r\n")
    cut = {"candidates": [{"content": {"parts": [{"text": "b"}]}}]}
    tap.feed(b"data: " + json.dumps(cut).encode() + b"\r\n\r\n")
    tap.close()
    assert tap.problem is not None
