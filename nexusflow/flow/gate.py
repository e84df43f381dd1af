"""Whether a call may go now: the limits on its caller, its model and its lane, all of them taken at once or none.

The money of a call is another question; see `nexusflow.flow.desk`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from nexusflow.flow.client import Header
from nexusflow.flow.estimate import Size
from nexusflow.flow.failure import AttemptFailed, Failure
from nexusflow.flow.load import Load
from nexusflow.flow.order import Order
from nexusflow.flow.served import ServedLane
from nexusflow.flow.usual import Usual
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Model
from nexusflow.ir.quota import NONE, LimitRules, Quota
from nexusflow.keys.model import Key
from nexusflow.limits import Ask, Limit, Limiter, LimitState, Refused, Ticket
from nexusflow.limits.headers import anthropic_headers, concurrency_headers, openai_headers, remaining_headers
from nexusflow.limits.resolve import Caller, Grades, limits_of, limits_on, relevant

PATIENCE_MS = 60_000
"""SDKs sleep as long as they are told; for more than this they are asked not to try again by themselves."""
_REMEMBERED = 20_000
_log = logging.getLogger("nexusflow.limits")
_UNITS = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "concurrency": "requests at once",
    "streams": "streams at once",
    "tasks": "tasks at once",
}


class Agreements(Protocol):
    """The part of the directory of accounts that limits need."""

    @property
    def edition(self) -> object: ...
    def plan(self, org: str) -> str | None: ...
    def quotas(self, subject: str) -> Mapping[str, Quota]: ...


class LaneFull(AttemptFailed):
    """All callers together send as much by this lane as they may: no fault of the provider's."""


class Pass(Struct):
    """What one call took of its limits. `end` it once, with the tokens it used; None gives everything back."""

    limiter: Limiter
    ticket: Ticket
    ended: bool = False

    def end(self, tokens: int | None) -> None:
        """Free its slots and correct the estimate; a second time changes nothing."""
        if not self.ended:
            self.ended = True
            self.limiter.end(self.ticket, tokens)


@dataclass(frozen=True, slots=True)
class Gate:
    """The limits of one artifact, over the limiter of the worker."""

    limiter: Limiter
    directory: Agreements
    rules: LimitRules
    usual: Usual
    load: Load
    _known: dict[tuple[str, str], tuple[Key, object, tuple[Limit, ...]]] = field(default_factory=dict)

    def limits(self, key: Key, model: Model | None = None) -> tuple[Limit, ...]:
        """All that holds for calls of `key` to `model`; without one, what holds whatever the model."""
        name = (key.id, model.id if model is not None else "")
        known = self._known.get(name)
        edition = self.directory.edition
        # A key that was changed is another object, even under its old id.
        if known is not None and known[0] is key and known[1] is edition:
            return known[2]
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        found = limits_for(key, model, self.directory, self.rules)
        self._known[name] = (key, edition, found)
        return found

    def early(self, key: Key, protocol: str, headers: list[Header]) -> None:
        """Refuse, before the body is read, what an earlier refusal covers, or has no room (R-30, R-31).

        Raises `RequestRefused`.
        """
        if self.load.level:
            self.load.admit(key.priority)
        limits = self.limits(key)
        refused = self.limiter.early(limits) if limits else None
        if refused is not None:
            headers += _told(protocol, refused.states)
            raise RequestRefused(_problem(refused))

    async def enter(self, order: Order, size: Size, request: str, headers: list[Header]) -> Pass | None:
        """Take what the call needs; None where nothing limits it. What is left goes into `headers`.

        Raises `RequestRefused` (429).
        """
        limits = self.limits(order.key, order.model)
        if not limits:
            return None
        tokens = size.input + size.answers * self.usual.output(order.model.id, size.output)
        answer = await self.limiter.reserve(Ask(request, relevant(limits, stream=order.stream), tokens))
        headers += _told(order.protocol, answer.states)
        if isinstance(answer, Refused):
            raise RequestRefused(_problem(answer))
        return Pass(self.limiter, answer.ticket)

    async def enter_way(self, lane: ServedLane, model: Model, order: Order, size: Size, attempt: str) -> Pass | None:
        """Take what an attempt needs beside what the call has: of the lane, and of a model that was not asked for.

        `attempt` is an id that no other one has.

        Raises `LaneFull`.
        """
        limits = lane.limits
        if model is not order.model:
            had = self.limits(order.key, order.model)
            limits = (*limits, *(limit for limit in self.limits(order.key, model) if limit not in had))
        if not limits:
            return None
        tokens = size.input + size.answers * self.usual.output(model.id, size.output)
        ask = Ask(attempt, relevant(limits, stream=order.stream), tokens)
        answer = await self.limiter.reserve(ask)
        if isinstance(answer, Refused):
            raise LaneFull(_problem(answer), Failure.REFUSED)
        return Pass(self.limiter, answer.ticket)

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """How `limits` stand. Raises `LimitsAway`."""
        return await self.limiter.peek(limits)


def limits_for(key: Key, model: Model | None, directory: Agreements, rules: LimitRules) -> tuple[Limit, ...]:
    """All limits on calls of `key` to `model`, or on all of its calls; none on a lane."""
    caller = Caller(org=key.org, key=key.id, team=key.team, user=key.owner, key_rpm=key.rpm)
    found = limits_of(caller, _grades(key, model, directory, rules), model.id if model is not None else "")
    if model is not None:
        found += limits_on("model", model.id, model.shared_quota, rules.fail)
    return found


def _grades(key: Key, model: Model | None, directory: Agreements, rules: LimitRules) -> Grades:
    """Contract 2.10: what was agreed with the caller stands before its plan, and that before the default."""
    agreed = directory.quotas(key.owner or key.id)
    own, of_org = _plan(rules, key.plan), _plan(rules, directory.plan(key.org))
    overrides = {}
    if model is not None:
        overrides[model.id] = agreed.get(model.id, NONE).over(model.quota)
    return Grades(
        system=rules.default if own is None and of_org is None else NONE,
        user=agreed.get("", NONE).over(own or NONE),
        overrides=overrides,
        org=directory.quotas(key.org).get("", NONE).over(of_org or NONE),
        team=directory.quotas(key.team).get("", NONE) if key.team is not None else NONE,
        fail=rules.fail,
    )


def _plan(rules: LimitRules, name: str | None) -> Quota | None:
    """What a plan grants. One that this gateway.yaml does not know is none: a mistyped name must not be a pass."""
    found = rules.plans.get(name) if name is not None else None
    if name is not None and found is None:
        _log.warning("a key or organisation is on the plan %r, which gateway.yaml does not know", name)
    return found


def _problem(refused: Refused) -> Problem:
    """E-RATE, with the wait to the millisecond; none where waiting is in vain."""
    limit = refused.limit
    what = f"{limit.amount:,} {_UNITS[limit.kind]} of this {limit.scope}"
    if limit.model and limit.scope != "model":
        what += f" for `{limit.model}`"
    if not refused.states:
        message = f"The limit of {what} cannot be checked now."
    elif refused.unsatisfiable:
        message = f"This request alone is more than the limit of {what}."
    else:
        message = f"The limit of {what} is reached."
    return Problem(
        kind=Kind.RATE,
        message=message,
        type="tokens" if limit.kind == "tokens" else None,
        retry_after_ms=None if refused.unsatisfiable else refused.retry_after_ms,
        should_retry=False if refused.unsatisfiable or refused.retry_after_ms > PATIENCE_MS else None,
    )


def _told(protocol: str, states: Sequence[LimitState]) -> list[Header]:
    """What is left, in the words that clients of `protocol` look for (contract 2.10)."""
    if protocol.startswith("anthropic/"):
        headers = anthropic_headers(states, datetime.now(UTC))
    else:
        headers = openai_headers(states)
    headers += [*remaining_headers(states), *concurrency_headers(states)]
    return [(name.encode(), value.encode()) for name, value in headers]
