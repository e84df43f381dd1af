"""What the simulated provider was asked, for tests that want to know what reached it."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from nexusflow.simulator.http import Request

REMEMBERED = 1000
REMEMBERED_BYTES = 64 * 1024 * 1024
SECRETS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "key")


@dataclass(slots=True)
class Visit:
    """One request. `ended` is open, complete, client_left or error; `seconds` is how long after its start it ended."""

    connection: int
    request: Request
    started: float
    ended: str = "open"
    seconds: float | None = None

    def end(self, how: str) -> None:
        """Note how it ended, and when."""
        self.ended = how
        self.seconds = round(time.monotonic() - self.started, 4)

    def describe(self) -> dict[str, Any]:
        """As the introspection route tells it; `body` is the JSON that came, or null when it was none."""
        try:
            body = msgspec.json.decode(self.request.body)
        except (msgspec.DecodeError, RecursionError):
            body = None
        return {
            "connection": self.connection,
            "method": self.request.method,
            "path": self.request.path,
            "query": _redacted(self.request.query),
            "headers": _redacted(self.request.headers),
            "body": body,
            "body_bytes": len(self.request.body),
            "ended": self.ended,
            "seconds": self.seconds,
        }


class History:
    """The last requests: a thousand, and no more than 64 MiB of bodies."""

    def __init__(self) -> None:
        self._visits: deque[Visit] = deque()
        self._bytes = 0

    def open(self, connection: int, request: Request) -> Visit:
        """Note a request that has just arrived."""
        visit = Visit(connection, request, time.monotonic())
        self._visits.append(visit)
        self._bytes += len(request.body)
        while len(self._visits) > REMEMBERED or (self._bytes > REMEMBERED_BYTES and len(self._visits) > 1):
            self._bytes -= len(self._visits.popleft().request.body)
        return visit

    def describe(self) -> list[dict[str, Any]]:
        """All that is remembered, oldest first."""
        return [visit.describe() for visit in self._visits]

    def clear(self) -> None:
        """Forget everything."""
        self._visits.clear()
        self._bytes = 0


def _redacted(named: Mapping[str, str]) -> dict[str, str]:
    return {name: f"...{value[-4:]}" if name in SECRETS else value for name, value in named.items()}
