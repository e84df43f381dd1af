"""The simulated provider's routes: chat, the model list, and what tests want to know afterwards."""

import asyncio
import logging

import msgspec

from nexusflow.simulator import asked, wire
from nexusflow.simulator.chat import JSON, Call
from nexusflow.simulator.history import History
from nexusflow.simulator.http import Connection, Request
from nexusflow.simulator.models import MODELS, find

LOG = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is answered with an error object: status, message, code, and the parameter at fault."""

    def __init__(self, status: int, message: str, code: str | None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class Simulator:
    """One server's state: the requests it has seen."""

    def __init__(self) -> None:
        self.history = History()

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answer one request, and remember how it ended."""
        if request.path.startswith("/_simulator/"):
            await self._introspect(request, connection)
            return
        visit = self.history.open(connection.number, request)
        try:
            await _route(request, connection)
        except asyncio.CancelledError:
            visit.end("client_left")
            raise
        except Refused as refused:
            await _refuse(connection, refused)
        except Exception:
            visit.end("error")
            LOG.exception("a request failed")
            if connection.answering:
                connection.cut()
                return
            await _refuse(connection, Refused(500, "the simulator failed; its log says why", None))
            return
        visit.end("complete")

    async def _introspect(self, request: Request, connection: Connection) -> None:
        route = f"{request.method} {request.path}"
        if route == "GET /_simulator/requests":
            await connection.answer(200, msgspec.json.encode(self.history.describe()), JSON)
        elif route == "POST /_simulator/reset":
            self.history.clear()
            await connection.answer(200, b"{}", JSON)
        else:
            await _refuse(connection, _no_route(route))


async def _route(request: Request, connection: Connection) -> None:
    route = f"{request.method} {request.path}"
    if route == "POST /v1/chat/completions":
        await _chat(request, connection)
    elif route == "GET /v1/models":
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in MODELS]
        await connection.answer(200, msgspec.json.encode({"object": "list", "data": models}), JSON)
    else:
        raise _no_route(route)


async def _chat(request: Request, connection: Connection) -> None:
    try:
        said = asked.read(request.body)
    except ValueError as error:
        raise Refused(400, f"not a chat request: {error}", None) from None
    try:
        name, model, options = find(said.chat.model)
    except KeyError:
        raise Refused(404, f"no simulated model {said.chat.model!r}", "model_not_found", "model") from None
    except ValueError as error:
        raise Refused(400, f"model {said.chat.model!r}: {error}", None, "model") from None
    if options.ttfb:
        await asyncio.sleep(options.ttfb / 1000)
    await model.act(Call(said, name, options, connection, model.thinks))


async def _refuse(connection: Connection, refused: Refused) -> None:
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    body = wire.error(f"[simulated] {refused}", kind, refused.code, refused.param)
    await connection.answer(refused.status, body, JSON)


def _no_route(route: str) -> Refused:
    return Refused(404, f"no route {route}", "not_found")
