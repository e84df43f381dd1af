"""A provider that answers with recorded exchanges, on loopback, in a thread of the test.

A request for the model `replay/ID` gets the recorded answer of that id, byte for byte, whatever the protocol: the model
is read from the body, or from the path where Gemini has it (`/v1beta/models/replay%2FID:generateContent`). The recorded
endpoint must be asked for (`embeddings`, `countTokens`). How the body is cut into writes is the server's `split`;
whatever arrives is kept in `received`.
"""

import asyncio
import gzip
import http
import json
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.support.corpus import Exchange

Split = Callable[[bytes], list[bytes]]

_EVENT = re.compile(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)
_MODEL_IN_PATH = re.compile(r"/models/(?P<model>[^:]+)(?::(?P<verb>\w+))?\Z")
# Which endpoint serves a folder of recordings: the last word of the path, or the verb of Gemini's.
_ENDPOINTS = {
    "openai-chat": "completions",
    "openai-responses": "responses",
    "openai-embeddings": "embeddings",
    "anthropic-messages": "messages",
    "anthropic-count-tokens": "count_tokens",
    "gemini-generate": "generateContent",
    "gemini-stream": "streamGenerateContent",
    "gemini-count-tokens": "countTokens",
    "gemini-embeddings": "batchEmbedContents",
}
# These belong to the recorded connection or coding, not to the answer.
_DROPPED = frozenset(("content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date"))


def whole(body: bytes) -> list[bytes]:
    """All in one piece."""
    return [body] if body else []


def by_event(body: bytes) -> list[bytes]:
    """One piece for each server-sent event."""
    return _EVENT.findall(body)


def by_byte(body: bytes) -> list[bytes]:
    """One piece for each byte."""
    return [body[at : at + 1] for at in range(len(body))]


def at_random(seed: int, most: int = 64) -> Split:
    """Pieces of 1 to `most` bytes, the same for the same seed."""

    def split(body: bytes) -> list[bytes]:
        generator = random.Random(seed)
        pieces, at = [], 0
        while at < len(body):
            size = generator.randint(1, most)
            pieces.append(body[at : at + size])
            at += size
        return pieces

    return split


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names are in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Replay:
    """A running replay provider. `url` is its base URL, without a slash at the end; `gzip` codes its answers."""

    url: str
    split: Split
    gzip: bool = False
    received: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))


@contextmanager
def replaying(exchanges: Iterable[Exchange], *, split: Split = by_event) -> Iterator[Replay]:
    """Serve `exchanges` on a free loopback port until the block is left."""
    loop = asyncio.new_event_loop()
    replay = Replay("", split)
    known = {exchange.id: exchange for exchange in exchanges}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                await _answer(writer, replay, known, request)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20))
    replay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, name="replay", daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    """The next request on a connection; None when the peer has closed it."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _answer(writer: asyncio.StreamWriter, replay: Replay, known: dict[str, Exchange], request: Received) -> None:
    model, endpoint = _asked(request)
    found = known.get(model.removeprefix("replay/"))
    if found is None or endpoint != _ENDPOINTS.get(found.protocol):
        await _write(writer, 404, {"content-type": "application/json"}, [b'{"error":{"message":"not recorded"}}'])
        return
    replay.received[found.id].append(request)
    headers = {name: value for name, value in found.response.headers.items() if name not in _DROPPED}
    headers.setdefault("content-type", "text/event-stream" if found.stream else "application/json")
    body = found.response.data
    if replay.gzip:
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body)
    await _write(writer, found.response.status, headers, replay.split(body))


def _asked(request: Received) -> tuple[str, str]:
    """The model that a request names, and the last word of its path; `embedContent` counts as its batch form."""
    path = unquote(urlsplit(request.target).path)
    if named := _MODEL_IN_PATH.search(path):
        verb = named["verb"] or "model"
        return named["model"], "batchEmbedContents" if verb == "embedContent" else verb
    return str(json.loads(request.body)["model"]), path.rsplit("/", 1)[1]


async def _write(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], pieces: list[bytes]) -> None:
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", "transfer-encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    for piece in pieces:
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
