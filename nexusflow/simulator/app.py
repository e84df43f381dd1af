"""The simulated provider's routes: chat, the model list, and what tests want to know afterwards."""

import asyncio
import json
import time
from collections import deque
from typing import Any

from nexusflow.simulator import chat, wire
from nexusflow.simulator.http import Connection, Request
from nexusflow.simulator.models import NAMES, behaviour

JSON = {"content-type": "application/json", "x-simulated": "true"}
REMEMBERED = 1000


class Simulator:
    """One server's state: the requests it has seen."""

    def __init__(self) -> None:
        self.seen: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answer one request."""
        route = f"{request.method} {request.path.removeprefix('/v1')}"
        if route == "POST /chat/completions":
            await self._chat(request, connection)
        elif route == "GET /models":
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in NAMES]
            await connection.answer(200, json.dumps({"object": "list", "data": models}).encode(), JSON)
        elif route == "GET /_simulator/requests":
            await connection.answer(200, json.dumps(list(self.seen)).encode(), JSON)
        elif route == "POST /_simulator/reset":
            self.seen.clear()
            await connection.answer(200, b"{}", JSON)
        else:
            await self._refuse(connection, 404, f"no route {route}", "not_found")

    async def _chat(self, request: Request, connection: Connection) -> None:
        body = _object(request.body)
        if body is None:
            await self._refuse(connection, 400, "the body is not a JSON object", "invalid_json")
            return
        model = body.get("model")
        wanted = behaviour(model) if isinstance(model, str) else None
        if wanted is None:
            await self._refuse(connection, 404, f"no simulated model {model!r}", "model_not_found")
            return
        record = self._remember(request, body)
        started = time.monotonic()
        work = asyncio.ensure_future(chat.answer(body, wanted, connection))
        left = asyncio.ensure_future(_client_left(connection))
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        record["seconds"] = round(time.monotonic() - started, 3)
        if work.done():
            left.cancel()
            record["ended"] = "complete" if work.exception() is None else "client_left"
        else:
            record["ended"] = "client_left"
            work.cancel()
            connection.open = False
        await asyncio.gather(work, left, return_exceptions=True)

    def _remember(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        headers = {name: _redact(name, value) for name, value in request.headers.items()}
        record = {"method": request.method, "path": request.path, "headers": headers, "body": body, "ended": "open"}
        self.seen.append(record)
        return record

    async def _refuse(self, connection: Connection, status: int, message: str, code: str) -> None:
        body = wire.error(f"[simulated] {message}", "invalid_request_error", code)
        await connection.answer(status, body, JSON)


async def _client_left(connection: Connection) -> None:
    """Return when the client closes while it should be waiting. What it sends meanwhile stays for the next request."""
    while not connection.reader.at_eof():  # noqa: ASYNC110  # a stream reader tells of its end by this flag only
        await asyncio.sleep(0.005)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _redact(name: str, value: str) -> str:
    return f"...{value[-4:]}" if name in ("authorization", "x-api-key", "api-key") else value
