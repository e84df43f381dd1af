"""Sending a task to its provider: at most once, as far as anybody can tell (engines A.4)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from nexusflow.flow.failure import Failure, of_status
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.task import Failed, Progress, Running, State
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.tasks.lanes import MediaLane
from nexusflow.tasks.model import Task
from nexusflow.tasks.outcome import End, GoOn, Outcome, Unknown
from nexusflow.tasks.sending import Lost, NotSent, Refused, Show, send

MOST_SUBMITS = 5
FIRST_S, LONGEST_S = 1.0, 60.0
UNKNOWN = "Nobody knows whether the provider made this. It was not sent again, and its price stays reserved."

Record = Callable[[Task, dict[str, Any]], Awaitable[Task]]


async def submit(
    task: Task, lane: MediaLane, others: Sequence[MediaLane], record: Record, show: Show
) -> Progress | Outcome:
    """Send `task`. `record` writes that it is about to be sent, before a byte is (R-23); `others` are the lanes
    after this one; `show` is told how an image comes to be.

    Raises what `record` raises.
    """
    try:
        requests = lane.maker.submit(task.brief, lane.destination, task.id)
    except RequestRefused as refused:
        return _turn(task, others) or refusal(refused.problem)
    task = await record(task, {"state": "submitting", "submits": task.submits + 1})
    answers: list[Answer] = []
    try:
        for request in requests:
            answers += [await send(lane, request, lane.total, show)]
    except (NotSent, Lost, Refused) as failure:
        if not answers:
            return await _failed(task, lane, others, failure)
    return await _read(task, lane, answers)


async def look_up(task: Task, lane: MediaLane) -> Progress | Outcome:
    """What became of a submission without an answer, by the provider's rule."""
    rule = lane.maker.after_loss
    if rule == "resubmit" and task.submits < MOST_SUBMITS:
        return GoOn(0, {"state": "queued"}, failed=True)
    question: Request | None = lane.maker.look_up(task.id, lane.destination) if rule == "lookup" else None
    if question is None:
        return Unknown(UNKNOWN)
    try:
        found = lane.maker.looked_up(task.brief, task.id, await send(lane, question, lane.total))
    except (NotSent, Lost, Refused, ValueError, msgspec.MsgspecError):
        return GoOn(backoff(task.errors), failed=True) if task.errors < MOST_SUBMITS else Unknown(UNKNOWN)
    return found if found is not None else GoOn(0, {"state": "queued"}, failed=True)


async def _read(task: Task, lane: MediaLane, answers: Sequence[Answer]) -> Progress | Outcome:
    try:
        return lane.maker.submitted(task.brief, answers)
    except (ValueError, msgspec.MsgspecError):
        return await look_up(task, lane)


async def _failed(
    task: Task, lane: MediaLane, others: Sequence[MediaLane], failure: NotSent | Lost | Refused
) -> Progress | Outcome:
    """By the classes of reliability 1.3: what was surely not done may be tried elsewhere, what is uncertain may not."""
    if isinstance(failure, Lost):
        return await look_up(task, lane)
    problem = Problem(kind=Kind.UPSTREAM, message="The provider could not be reached.")
    if isinstance(failure, Refused):
        kind, problem = of_status(failure.status), failure.problem
        if kind is Failure.CALLER:
            return refusal(problem)
        if kind is Failure.UNCERTAIN or failure.status == 500:
            return await look_up(task, lane)
    turned = _turn(task, others)
    if turned is not None:
        return turned
    if task.submits >= MOST_SUBMITS or task.face != "nexusflow/tasks":
        return refusal(problem)
    wait = float(problem.retry_after) if problem.retry_after else backoff(task.errors)
    return GoOn(wait, {"state": "queued"}, failed=True)


def _turn(task: Task, others: Sequence[MediaLane]) -> GoOn | None:
    """To the next lane; None where there is none."""
    if not others:
        return None
    provider, model = others[0].name
    changes = {"state": "queued", "provider": provider, "upstream_model": model, "price": others[0].price_id}
    return GoOn(0, changes, failed=True)


_STATES: dict[str, State] = {"cancelled": "cancelled", "expired": "expired"}
_CODES = {Kind.CONTENT: "content_policy_violation", Kind.PARAM: "invalid_request", Kind.RATE: "rate_limited"}


def refusal(problem: Problem) -> End:
    """A refusal as the end of its task."""
    return End(state="failed", error=problem.message, code=_CODES.get(problem.kind, problem.code or "upstream_error"))


def verdict(failed: Failed) -> End:
    """The provider's own verdict."""
    return End(state=_STATES.get(failed.code, "failed"), error=failed.message, code=failed.code)


def backoff(errors: int) -> float:
    """Seconds after so many failures in a row."""
    return float(min(FIRST_S * 2.0 ** min(errors, 10), LONGEST_S))


def went(progress: Running, task: Task, lane: MediaLane) -> GoOn:
    """The provider works on it."""
    first, later = lane.maker.poll_s
    usual = first if task.state != "waiting" else min(later * (1 + task.polls / 20), later * 3)
    wait = progress.wait_s if progress.wait_s is not None else usual
    changes: dict[str, Any] = {"state": "waiting", "handle": progress.handle, "errors": 0}
    if progress.progress is not None:
        changes["progress"] = max(min(progress.progress, 99), task.progress or 0, 0)
    return GoOn(max(wait, 0.0), changes)
