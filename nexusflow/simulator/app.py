"""The simulated provider's paths: what it answers, the lists of models, and what tests want to know afterwards."""

import asyncio
import hashlib
import logging
from typing import Any

import msgspec

from nexusflow.simulator.failure import Failure, Refused, Vendor
from nexusflow.simulator.form import JSON, Call
from nexusflow.simulator.history import History
from nexusflow.simulator.http import Connection, Request
from nexusflow.simulator.listing import describe, list_models
from nexusflow.simulator.media.studio import Errand, Studio
from nexusflow.simulator.models import find
from nexusflow.simulator.openai.kept import Kept
from nexusflow.simulator.routes import Route, find_route, vendor_of
from nexusflow.simulator.shape import Misfit, decode

LOG = logging.getLogger(__name__)


class Simulator:
    """One server's state: the requests it has seen, the responses it keeps for OpenAI's clients, and the media jobs."""

    def __init__(self) -> None:
        self.history = History()
        self._studio = Studio()
        self._kept = Kept()

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answer one request, and remember how it ended."""
        if request.path.startswith("/_simulator/"):
            await self._introspect(request, connection)
            return
        visit = self.history.open(connection.number, request)
        errand = self._studio.find(request)
        vendor = errand.vendor if errand else vendor_of(request)
        try:
            await self._answer(request, connection, vendor, errand)
        except asyncio.CancelledError:
            visit.end("client_left")
            raise
        except Refused as refused:
            await _refuse(request, connection, vendor, refused.failure)
        except Misfit as misfit:
            await _refuse(request, connection, vendor, vendor.misfit(misfit))
        except Exception:
            visit.end("error")
            LOG.exception("a request failed")
            if connection.answering:
                connection.cut()
                return
            await _refuse(request, connection, vendor, Failure("internal", "the simulator failed; its log says why"))
            return
        visit.end("complete")

    async def _introspect(self, request: Request, connection: Connection) -> None:
        route = f"{request.method} {request.path}"
        if route == "GET /_simulator/requests":
            await connection.answer(200, msgspec.json.encode(self.history.describe()), JSON)
        elif route == "GET /_simulator/jobs":
            await connection.answer(200, msgspec.json.encode(self._studio.describe()), JSON)
        elif route == "POST /_simulator/reset":
            self.history.clear()
            self._studio.works.clear()
            await connection.answer(200, b"{}", JSON)
        else:
            await _refuse(request, connection, vendor_of(request), _no_route(request))

    async def _answer(self, request: Request, connection: Connection, vendor: Vendor, errand: Errand | None) -> None:
        if errand is not None:
            await self._studio.act(errand, request, connection, _identity(request))
            return
        file = self._studio.fetch(request)
        if file is not None:
            await connection.answer(file.status, file.body, file.headers)
            return
        route = find_route(request, self._kept) if request.method == "POST" else None
        if route is not None:
            await _call(request, connection, route)
            return
        found = self._look_up(request, vendor)
        if found is None:
            raise Refused(_no_route(request))
        headers = {**vendor.headers(_identity(request)), **JSON}
        await connection.answer(200, msgspec.json.encode(found), headers)

    def _look_up(self, request: Request, vendor: Vendor) -> dict[str, Any] | None:
        """What there is without a model: lists, and responses that are kept."""
        place = request.path.removeprefix("/v1beta").removeprefix("/v1")
        if request.method == "GET" and place == "/models":
            return list_models(vendor, request.query)
        if request.method == "GET" and place.startswith("/models/"):
            return describe(vendor, place.removeprefix("/models/"))
        id_ = place.removeprefix("/responses/")
        if id_ == place or "/" in id_:
            return None
        kept = self._kept.answer(id_)
        if kept is None:
            raise Refused(Failure("route", f"Response with id '{id_}' not found."))
        if request.method == "DELETE":
            self._kept.forget(id_)
            return {"id": id_, "object": "response", "deleted": True}
        return kept if request.method == "GET" else None


async def _call(request: Request, connection: Connection, route: Route) -> None:
    try:
        data = decode(request.body)
    except ValueError as error:
        raise Refused(Failure("invalid", f"the body is no JSON object: {error}")) from None
    wanted = route.name(data)
    try:
        name, model, options = find(wanted)
    except KeyError:
        raise Refused(route.vendor.no_model(wanted, route.method)) from None
    except ValueError as error:
        raise Refused(Failure("invalid", f"model {wanted!r}: {error}", param="model")) from None
    if not (model.embeds if route.embeds else model.talks):
        raise Refused(route.vendor.no_model(wanted, route.method))
    asked, form = route.read(data, model.traits)
    if options.ttfb:
        await asyncio.sleep(options.ttfb / 1000)
    await model.act(Call(asked, form, name, options, model.traits, connection))


async def _refuse(request: Request, connection: Connection, vendor: Vendor, failure: Failure) -> None:
    identity = _identity(request)
    status, body = vendor.error(failure, identity)
    headers = {**vendor.headers(identity), **JSON, **vendor.hints(failure)}
    await connection.answer(status, msgspec.json.encode(body), headers)


def _identity(request: Request) -> str:
    """Twenty hexadecimal digits for a request that is not read to its end."""
    return hashlib.sha256(request.path.encode() + request.body).hexdigest()[:20]


def _no_route(request: Request) -> Failure:
    return Failure("route", f"no route {request.method} {request.path}")
