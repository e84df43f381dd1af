"""A provider that does exactly what a script says, byte for byte, and remembers what it saw.

The script is chosen by the model's name in the request, so that a case is data and not code. It knows no protocol: the
name stands in the JSON body, or in a path such as Google's `/models/{name}:generateContent`.
"""

import contextlib
import json
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote


class Act(Enum):
    """What a script can do beside sending bytes and pausing."""

    RESET = "tear the connection down"
    CLOSE = "close in good form"
    HANG = "do nothing until the client leaves"
    NOT_AGAIN = "close without an answer if the connection was used before"


@dataclass(frozen=True, slots=True)
class Pace:
    """Send `data` every so often until the test says that it is enough."""

    enough: threading.Event
    data: bytes
    seconds: float = 0.02


@dataclass(frozen=True, slots=True)
class Flood:
    """Send `data` over and over, for as long as the client takes it."""

    data: bytes


Step = bytes | float | Act | Pace | Flood
Script = Sequence[Step]
TLS_HANDSHAKE = b"\x16\x03"
_MODEL_IN_PATH = re.compile(r"/models/([^:/?]+):")


@dataclass(slots=True)
class Seen:
    """One request as the provider saw it. `left` tells that the client closed before the script was over."""

    model: str
    path: str
    headers: dict[str, str]
    body: bytes
    ordinal: int
    began: float
    left: threading.Event = field(default_factory=threading.Event)
    left_at: float = 0.0
    finished: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Provider:
    """The running provider. `requests` holds what it saw, in order.

    `early` answers every request to a path that begins with its key by the head alone, and closes. `port` is that of
    one that was closed; otherwise any free one is taken.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script],
        tls: ssl.SSLContext | None = None,
        early: Mapping[str, bytes] | None = None,
        port: int = 0,
    ) -> None:
        self.scripts = dict(scripts)
        self._early = dict(early or {})
        self.requests: list[Seen] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def of(self, model: str) -> list[Seen]:
        """The requests for one model, in order."""
        return [seen for seen in self.requests if seen.model == model]

    def close(self) -> None:
        """Stop listening and close what is open; those who wait for it in a thread are told."""
        self._closed = True
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        ordinal = self.connections
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            buffer, used = b"", False
            while not self._closed:  # one that was accepted just before is not among the open ones yet
                seen, buffer = self._read(connection, buffer, ordinal)
                self.requests.append(seen)
                if Act.NOT_AGAIN in self.scripts[seen.model] and used:
                    return
                used = True
                _play(connection, self.scripts[seen.model], seen)
                if seen.left.is_set() or Act.CLOSE in self.scripts[seen.model]:
                    return
        except (OSError, EOFError):
            pass
        finally:
            self._open.discard(connection)
            connection.close()

    def _read(self, connection: socket.socket, buffer: bytes, ordinal: int) -> tuple[Seen, bytes]:
        while b"\r\n\r\n" not in buffer:
            buffer += _some(connection)
            if buffer.startswith(TLS_HANDSHAKE):
                connection.sendall(unary(b"plain HTTP here", "400 Bad Request"))
                raise EOFError
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        for prefix, answer in self._early.items():
            if path.startswith(prefix):
                connection.sendall(answer)
                raise EOFError
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(buffer) < length:
            buffer += _some(connection)
        body, buffer = buffer[:length], buffer[length:]
        return Seen(_model(path, body), path, headers, body, ordinal, time.monotonic()), buffer


def _model(path: str, body: bytes) -> str:
    found = _MODEL_IN_PATH.search(path)
    return unquote(found[1]) if found is not None else str(json.loads(body)["model"])


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise EOFError
    return data


def _play(connection: socket.socket, script: Script, seen: Seen) -> None:
    for step in script:
        if isinstance(step, bytes):
            with _noticing(seen):
                connection.sendall(step)
                seen.sent += len(step)
        elif isinstance(step, Pace):
            _keep_pace(connection, step, seen)
        elif isinstance(step, Flood):
            _flood(connection, step.data, seen)
        elif isinstance(step, float):
            _pause(connection, step, seen)
        elif step is Act.HANG:
            _pause(connection, None, seen)
        elif step is Act.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            seen.finished.set()
            raise EOFError
        if seen.left.is_set():
            return
    seen.finished.set()


def _flood(connection: socket.socket, data: bytes, seen: Seen) -> None:
    with _noticing(seen):
        while not _gone(connection, 0):
            connection.sendall(data)
            seen.sent += len(data)
        _leave(seen)


def _keep_pace(connection: socket.socket, pace: Pace, seen: Seen) -> None:
    with _noticing(seen):
        while not pace.enough.is_set():
            connection.sendall(pace.data)
            if _gone(connection, pace.seconds):
                _leave(seen)
                return


def _pause(connection: socket.socket, seconds: float | None, seen: Seen) -> None:
    if _gone(connection, seconds):
        _leave(seen)


def _gone(connection: socket.socket, seconds: float | None) -> bool:
    """Whether the client closes within the time; None waits for it."""
    readable, _, _ = select.select([connection], [], [], seconds)
    if not readable:
        return False
    try:
        return connection.recv(1, 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_PEEK) == b""
    except ConnectionError:
        return True


@contextmanager
def _noticing(seen: Seen) -> Iterator[None]:
    try:
        yield
    except OSError:
        _leave(seen)


def _leave(seen: Seen) -> None:
    seen.left_at = time.monotonic()
    seen.left.set()


@contextmanager
def running(
    scripts: Mapping[str, Script],
    tls: ssl.SSLContext | None = None,
    early: Mapping[str, bytes] | None = None,
    port: int = 0,
) -> Iterator[Provider]:
    """A provider on a loopback port; see `Provider`."""
    provider = Provider(scripts, tls, early, port)
    with contextlib.closing(provider):
        yield provider


# What scripts are made of.


def unary(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer with a body of known length; a content-type is added unless given."""
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}"]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("content-type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def piece(data: bytes) -> bytes:
    """Any bytes as one transfer chunk of a streamed answer."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
