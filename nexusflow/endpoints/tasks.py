"""`/v1/tasks`: one resource for every image and video, whoever makes it (contract 2.8)."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from nexusflow.endpoints import videos
from nexusflow.endpoints.address import nowhere, path_of
from nexusflow.endpoints.made import MediaSurface, fingerprint, repeats
from nexusflow.endpoints.surface import Call
from nexusflow.flow.admit import client_address, permit
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.once import name_of
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.task import FINAL
from nexusflow.keys.model import Key
from nexusflow.protocols.common import checks
from nexusflow.protocols.tasks import read_request
from nexusflow.tasks import ending, listing, table
from nexusflow.tasks.accepting import Wish
from nexusflow.tasks.listing import Wanted
from nexusflow.tasks.model import Task
from nexusflow.tasks.words import STATUS, told
from nexusflow.upstream.webhook import check_url

PROTOCOL = "nexusflow/tasks"
PATH = "/v1/tasks"
LONGEST = 100
WATCH_S = 0.5
_POLL_S = {"image": 3, "video": 10}
"""How soon it is worth asking again (contract 3 row 4)."""


class Tasks(MediaSurface):
    """The tasks of one artifact, and OpenAI's videos as another face of them."""

    async def serve(self, call: Call) -> None:
        """Answer one request by its address and method."""
        path = path_of(call).decode("latin-1")
        if path == videos.PATH or path.startswith(f"{videos.PATH}/"):
            await videos.serve(self, call, path)
            return
        head, key = self.admitted(call)
        permit(key, None, None, "tasks", client_address(call.scope))
        method = str(call.scope.get("method"))
        parts = path.removeprefix(PATH).strip("/").split("/")
        if parts == [""]:
            await _by_method(method, {"POST": self._create, "GET": self._list}, call, head, key)
        elif len(parts) == 1:
            await _by_method(method, {"GET": self._read}, call, parts[0], key)
        elif parts[1:] == ["cancel"]:
            await _by_method(method, {"POST": self._cancel}, call, parts[0], key)
        elif parts[1:] == ["events"]:
            await _by_method(method, {"GET": self._events}, call, parts[0], key)
        else:
            raise nowhere()

    async def owned(self, id_: str, key: Key) -> Task:
        """The task of this id, if it is the key's owner's; a foreign id is an unknown id (L31, C-28)."""
        found: Task | None = await self.runtime.engine.run(table.find, id_, key.owner or key.id)
        if found is None:
            raise refuse(Kind.MODEL, "There is no such task, or no longer.", code="task_not_found", param="id")
        return found

    async def cancelled(self, task: Task) -> Task:
        """The task after it was asked to end. Raises `RequestRefused` (409) for one that is over."""
        engine = self.runtime.engine
        now_ms = time.time_ns() // 1_000_000
        if not await engine.run(table.ask_to_cancel, task.id, now_ms):
            message = f"The task is {STATUS[task.state]}; only what is pending or running can be cancelled."
            raise refuse(Kind.CONFLICT, message, code="task_not_cancellable")
        engine.hurry()
        await engine.ended(task.id, 1.0)
        found: Task | None = await engine.run(table.find, task.id)
        return found or task

    def words(self, task: Task, **more: Any) -> dict[str, Any]:
        """The public object."""
        results = self.runtime.results
        return told(task, lambda one: ending.link(one, task, results), **more)

    async def _create(self, call: Call, head: Any, key: Key) -> None:
        self.desk.gate.early(key, PROTOCOL, call.client.headers)
        body = await read_body(call.exchange, head, call.receive, self.bounds)
        fields = read_request.canonical(checks.parse(body, read_request.MONEY_FIELDS))
        media = self.find(fields.get("model"), PROTOCOL)
        model = media.model
        decoder = self.artifact.decoders[model.requests[PROTOCOL]]
        request = read_request.validate(fields, decoder, model)
        if request.webhook_url is not None:
            webhooks = self.artifact.plan.server.webhooks
            if webhooks.secret is None:
                raise refuse(Kind.PARAM, "This gateway sends no webhooks.", param="webhook_url")
            check_url(request.webhook_url, webhooks.allow_hosts)
        wish = Wish(
            key=key,
            address=client_address(call.scope),
            media=media,
            face=PROTOCOL,
            endpoint="tasks",
            brief=read_request.brief(request, fields, media.type, model),
            fingerprint=fingerprint(PROTOCOL, body),
            base_url=self.base_url(call),
            name=name_of(call.scope["headers"]),
            retry=repeats(head),
            webhook_url=request.webhook_url,
            waits=bool(model.media and model.media.sync),
        )
        task, new = await self.desk.accept(wish, call.exchange.request_id, call.client.headers)
        if wish.waits:
            await self.ended(call, task, new)
        task = await self.owned(task.id, key)
        headers = [*call.client.headers, (b"location", f"{PATH}/{task.id}".encode())]
        if not new:
            headers.append((b"idempotent-replayed", b"true"))
        await answer(call.send, 202, msgspec.json.encode(self.words(task)), headers)

    async def _read(self, call: Call, id_: str, key: Key) -> None:
        task = await self.owned(id_, key)
        more: dict[str, Any] = {}
        headers = list(call.client.headers)
        if task.completed_ms is None and task.state != "unknown":
            headers.append((b"retry-after", str(_POLL_S[task.type]).encode()))
            more = await self._waiting(task)
        await answer(call.send, 200, msgspec.json.encode(self.words(task, **more)), headers)

    async def _waiting(self, task: Task) -> dict[str, Any]:
        """How long it may take, as far as that can be told."""
        engine = self.runtime.engine
        usual = await engine.run(table.usual_ms, task.model)
        if task.state != "queued":
            passed = time.time_ns() // 1_000_000 - (task.submitted_ms or task.created_ms)
            return {"expected_wait_seconds": max(usual - passed, 0) // 1000} if usual is not None else {}
        position = await engine.run(table.ahead, task)
        wait = usual * (1 + position // 32) // 1000 if usual is not None else None
        return {"queue_position": position + 1, "expected_wait_seconds": wait}

    async def _list(self, call: Call, head: Any, key: Key) -> None:
        query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
        wanted = _wanted(query, key)
        found: list[Task] = await self.runtime.engine.run(listing.page, wanted)
        more = len(found) == wanted.limit
        body = {"object": "list", "data": [self.words(one) for one in found], "has_more": more}
        if more and found:
            body["next_cursor"] = found[-1].id
        await answer(call.send, 200, msgspec.json.encode(body), call.client.headers)

    async def _cancel(self, call: Call, id_: str, key: Key) -> None:
        task = await self.cancelled(await self.owned(id_, key))
        await answer(call.send, 200, msgspec.json.encode(self.words(task)), call.client.headers)

    async def _events(self, call: Call, id_: str, key: Key) -> None:
        """The task at every change, as server-sent events, until its end."""
        task = await self.owned(id_, key)
        before: bytes | None = None
        call.exchange.deadline = float("inf")
        while True:
            words = msgspec.json.encode(self.words(task))
            if words != before:
                before = words
                await call.client.write(b"event: task.%b\ndata: %b\n\n" % (STATUS[task.state].encode(), words))
            if task.state in FINAL or task.state == "unknown":
                break
            await asyncio.sleep(WATCH_S)
            task = await self.owned(id_, key)
        await call.client.end(b"")


async def _by_method(method: str, handlers: Mapping[str, Any], call: Call, what: Any, key: Key) -> None:
    handler = handlers.get(method)
    if handler is None:
        allow = ", ".join(handlers)
        raise RequestRefused(Problem(kind=Kind.METHOD, message=f"This address takes {allow} only.", allow=allow))
    await handler(call, what, key)


def _wanted(query: Mapping[str, str], key: Key) -> Wanted:
    """The filters of a list. Raises `RequestRefused` naming the one that is no such thing."""
    limit = query.get("limit", "20")
    if not limit.isascii() or not limit.isdigit() or not 0 < int(limit) <= LONGEST:
        raise refuse(Kind.PARAM, f"`limit` must be a whole number from 1 to {LONGEST}.", param="limit")
    status = query.get("status")
    states = [state for state, word in STATUS.items() if word == status] if status is not None else None
    if states == []:
        raise refuse(
            Kind.PARAM, f"`status` must be one of: {', '.join(dict.fromkeys(STATUS.values()))}", param="status"
        )
    if query.get("type") not in (None, "image", "video"):
        raise refuse(Kind.PARAM, "`type` must be image or video", param="type")
    return Wanted(
        owner=key.owner or key.id,
        states=states,
        model=query.get("model"),
        type=query.get("type"),
        after_ms=_seconds(query, "created_after"),
        before_ms=_seconds(query, "created_before"),
        after=query.get("after") or query.get("cursor"),
        limit=int(limit),
    )


def _seconds(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise refuse(Kind.PARAM, f"`{name}` must be whole seconds since 1970.", param=name)
    return int(text) * 1000
