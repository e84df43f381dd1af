"""HTTP/1.1 over a plain socket, for requests that no HTTP library would send."""

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 30.0
"""How long a test waits for what must happen; far more than it takes, so that no machine is too slow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it stood on the wire. Header names are in lower case; `complete` is false when it was cut off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    complete: bool

    def header(self, name: str) -> str | None:
        """The value of a header that occurs at most once."""
        values = [value for known, value in self.headers if known == name]
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer in OpenAI's envelope, checked for its form."""
        return error_of(self.body)


def error_of(body: bytes | str) -> dict[str, Any]:
    """The error in one JSON text, which has exactly the members that the official SDKs read."""
    found = json.loads(body)
    assert list(found) == ["error"], found
    error: dict[str, Any] = found["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


class Connection:
    """One client connection. Use as a context manager."""

    def __init__(self, url: str, *, receive_buffer: int | None = None) -> None:
        address = urlsplit(url)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:  # must be set before connecting, or the window is already large
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect((address.hostname or "", address.port or 80))
        self._buffer = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`. Raises `EOFError` when the server closes before it."""
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    def answer(self) -> Answer:
        """The next answer, whole or as much as came before the server closed. Raises `EOFError` when none came."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        fields = dict(headers)
        try:
            if fields.get("transfer-encoding") == "chunked":
                return self._chunked(status, headers)
            body = self._take(int(fields.get("content-length", 0)))
        except (EOFError, ConnectionError):
            return Answer(status, headers, self._buffer, complete=False)
        return Answer(status, headers, body, complete=True)

    def reset(self) -> None:
        """Tear the connection down without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def closed(self) -> bool:
        """Whether the server closes the connection, after whatever it still sends."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def _chunked(self, status: int, headers: list[tuple[str, str]]) -> Answer:
        body = b""
        try:
            while size := int(self.read_until(b"\r\n"), 16):
                body += self._take(size)
                self._take(2)
            self.read_until(b"\r\n")
        except (EOFError, ConnectionError):
            return Answer(status, headers, body, complete=False)
        return Answer(status, headers, body, complete=True)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


def request(
    key: str | None,
    body: bytes,
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: tuple[str, ...] = (),
) -> bytes:
    """The bytes of a well-formed request but for what the arguments do to it."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", "content-type: application/json", *headers]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chat(model: str, **fields: Any) -> bytes:
    """A small chat request as JSON."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], **fields}).encode()


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true while a test has patience."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False
