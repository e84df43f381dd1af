"""One look at a task: what is to be done with it next, by its state (engines A.4)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from nexusflow.ir.task import Brief, Failed, Made, Progress, Running
from nexusflow.protocols.makers.maker import BASE
from nexusflow.results.results import Results
from nexusflow.tasks.keeping import NotKept, elsewhere, keep
from nexusflow.tasks.lanes import MediaLane
from nexusflow.tasks.model import DAY_MS, Stored, Task
from nexusflow.tasks.outcome import End, GoOn, Outcome, Unknown
from nexusflow.tasks.sending import Lost, NotSent, Refused, Show, send
from nexusflow.tasks.submitting import UNKNOWN, Record, backoff, look_up, refusal, submit, verdict, went
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.guard import NotFetched

MOST_COPIES = 6
POLL_S = 30.0
SLOWLY_S = 600.0
"""How often a provider is asked about a task whose time is over."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a look needs of the process."""

    results: Results
    fetcher: Fetcher
    record: Record
    show: Show
    store: bool
    """Whether results are copied, or left at the provider where they have an address there."""


async def look(task: Task, lanes: Sequence[MediaLane], tools: Tools, now_ms: int) -> Outcome:
    """The next step of `task`, whose lane is the first of `lanes`; without one it can only wait or end.

    Raises what `tools.record` raises.
    """
    over = now_ms >= task.deadline_ms
    if task.state == "queued" and (task.cancel or over):
        if task.cancel:
            return End(state="cancelled", error="It was cancelled before it began.", code="cancelled")
        return End(state="expired", error="No provider could take it in time.", code="expired")
    if not lanes:
        return GoOn(SLOWLY_S / 10, failed=True) if not over else Unknown(UNKNOWN)
    lane = lanes[0]
    if task.state == "queued":
        found: Progress | Outcome = await _submit(task, lanes, tools)
    elif task.state == "submitting":
        found = await look_up(task, lane)
    elif task.made is not None:
        found = task.made
    else:
        found = await _ask(task, lane, now_ms)
    return await _follow(task, found, lane, tools)


async def _submit(task: Task, lanes: Sequence[MediaLane], tools: Tools) -> Progress | Outcome:
    try:
        ready = await _inline(task, lanes[0], tools)
    except NotFetched as error:
        return End(state="failed", error=f"A picture that the request names: {error}.", code="invalid_request")
    return await submit(ready, lanes[0], lanes[1:], tools.record, tools.show)


async def _follow(task: Task, found: Progress | Outcome, lane: MediaLane, tools: Tools) -> Outcome:
    if isinstance(found, Running):
        return went(found, task, lane)
    if isinstance(found, Failed):
        return verdict(found)
    if isinstance(found, Made):
        return await _kept(task, found, lane, tools)
    return found


async def _kept(task: Task, made: Made, lane: MediaLane, tools: Tools) -> Outcome:
    if not made.outputs:
        return End(state="failed", error="The provider made nothing.", code="upstream_error")
    if not tools.store and all(one.url is not None and not one.url.startswith(BASE) for one in made.outputs):
        return End(state="succeeded", made=made, output=elsewhere(made))
    try:
        output: tuple[Stored, ...] = await keep(task, made, lane, tools.results, tools.fetcher)
    except NotKept:
        if task.made is None or task.errors < MOST_COPIES:
            return GoOn(backoff(task.errors), {"state": "waiting", "made": made}, failed=True)
        return End(
            state="succeeded",
            made=made,
            output=elsewhere(made),
            error="It was made, but could not be copied from the provider.",
            code="result_unavailable",
        )
    return End(state="succeeded", made=made, output=output)


async def _ask(task: Task, lane: MediaLane, now_ms: int) -> Progress | Outcome:
    """The provider's word on a task that it works on."""
    over = now_ms >= task.deadline_ms
    if task.handle is None:
        return Unknown(UNKNOWN)
    if task.cancel and task.errors == 0:
        await _cancel(task, lane)
    try:
        answer = await send(lane, lane.maker.poll(task.handle, lane.destination), POLL_S)
        found = lane.maker.polled(task.brief, task.handle, answer)
        if not (over and isinstance(found, Running)):
            return found
    except Refused as refused:
        # A poll is ours: only what it says of the request itself is a verdict.
        if refused.status in (400, 422):
            return refusal(refused.problem)
    except (NotSent, Lost, ValueError, msgspec.MsgspecError):
        pass
    if not over:
        return GoOn(backoff(task.errors), failed=True)
    last = now_ms >= task.deadline_ms + DAY_MS
    return Unknown("The provider has not said in time what became of it.", None if last else SLOWLY_S)


async def _cancel(task: Task, lane: MediaLane) -> None:
    """Ask once or twice; what came of it the next poll tells."""
    request = lane.maker.cancel(task.handle or "", lane.destination)
    if request is not None:
        try:
            await send(lane, request, POLL_S)
        except (NotSent, Lost, Refused):
            return


async def _inline(task: Task, lane: MediaLane, tools: Tools) -> Task:
    """`task` with the media it gives by URL fetched, for a provider that takes only bytes (SEC-20)."""
    if not lane.maker.wants_bytes:
        return task
    brief = task.brief
    changed: dict[str, object] = {"images": tuple([await _data(url, tools) for url in brief.images])}
    for name in ("mask", "first_frame", "last_frame", "video"):
        url = getattr(brief, name)
        if url is not None:
            changed[name] = await _data(url, tools)
    made: Brief = msgspec.structs.replace(brief, **changed)
    return msgspec.structs.replace(task, brief=made)


async def _data(url: str, tools: Tools) -> str:
    if url.startswith("data:"):
        return url
    data, mime = await tools.fetcher.fetch(url)
    return f"data:{mime.partition(';')[0]};base64,{base64.b64encode(data).decode()}"
