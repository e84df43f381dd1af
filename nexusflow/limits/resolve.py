"""Which limits apply to a call, and where each comes from (contract 2.10)."""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from nexusflow.ir.quota import NONE, Fail, Quota
from nexusflow.limits.rule import Kind, Limit, Scope, Source

_KINDS: tuple[tuple[Kind, Literal["rpm", "tpm", "concurrency", "streams", "tasks"]], ...] = (
    ("requests", "rpm"),
    ("tokens", "tpm"),
    ("concurrency", "concurrency"),
    ("streams", "streams"),
    ("tasks", "tasks"),
)


_UNWANTED: dict[tuple[bool, bool], tuple[Kind, ...]] = {
    (False, False): ("streams", "tasks"),
    (False, True): ("streams",),
    (True, False): ("tasks",),
    (True, True): (),
}
"""By whether a call streams and whether it is a task."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls, by ids: a key of an organisation and perhaps of a team and a user. `key_rpm` is the key's own cap."""

    org: str
    key: str
    team: str | None = None
    user: str | None = None
    key_rpm: int | None = None


class Grades(Struct, frozen=True, kw_only=True):
    """What was agreed. A user's limits are those of the first of `overrides` (for the model), `user`, `system`.

    Each field of a quota is looked up by itself: an override that only names `rpm` leaves the others as they were.
    The user is the one behind the key; a key without an owner is held to them by itself. `org` and `team` come on
    top and are shared by all their keys.
    """

    system: Quota
    user: Quota = NONE
    overrides: Mapping[str, Quota] = {}
    org: Quota = NONE
    team: Quota = NONE
    fail: Fail = "local"


def limits_of(caller: Caller, grades: Grades, model: str) -> tuple[Limit, ...]:
    """All limits on calls of `caller` to `model`, of every kind; see `relevant`.

    An overridden limit counts the calls to its model alone, and all others those to the models without an override.
    """
    limits: list[Limit] = []
    scope: Scope = "key" if caller.user is None else "user"
    subject = caller.key if caller.user is None else caller.user
    for kind, field in _KINDS:
        amount, source = _resolved(grades, model, field)
        if amount is not None:
            only = model if source == "model override" else ""
            limits.append(_limit(caller, kind, scope, subject, amount, source, grades.fail, only))
    if caller.key_rpm is not None:
        limits.append(_capped(caller, caller.key_rpm, grades.fail))
    for outer, who, quota in (("team", caller.team, grades.team), ("org", caller.org, grades.org)):
        if who is not None:
            limits += _shared(caller, "team" if outer == "team" else "org", who, quota, grades.fail)
    return tuple(limits)


def limits_on(
    scope: Literal["model", "deployment"], name: str, quota: Quota, fail: Fail = "local"
) -> tuple[Limit, ...]:
    """The limits of a model or of an upstream deployment, shared by all organisations."""
    return tuple(
        Limit(name=f"{scope} {kind}", kind=kind, scope=scope, subject=name, amount=amount, fail=fail, source=scope)
        for kind, field in _KINDS
        if (amount := getattr(quota, field)) is not None
    )


def relevant(limits: Iterable[Limit], *, stream: bool = False, task: bool = False) -> tuple[Limit, ...]:
    """Those of `limits` that a call is held to: only streams need a stream's slot, only tasks a task's."""
    unwanted = _UNWANTED[stream, task]
    return tuple([limit for limit in limits if limit.kind not in unwanted])


def _resolved(grades: Grades, model: str, field: str) -> tuple[int | None, Source]:
    override = grades.overrides.get(model, NONE)
    sources: tuple[tuple[Quota, Source], ...] = ((override, "model override"), (grades.user, "user default"))
    for quota, source in sources:
        amount: int | None = getattr(quota, field)
        if amount is not None:
            return amount, source
    system: int | None = getattr(grades.system, field)
    return system, "system default"


def _limit(
    caller: Caller, kind: Kind, scope: Scope, subject: str, amount: int, source: Source, fail: Fail, model: str
) -> Limit:
    return Limit(
        name=f"{scope} {kind}",
        kind=kind,
        scope=scope,
        subject=subject,
        amount=amount,
        org=caller.org,
        source=source,
        fail=fail,
        model=model,
    )


def _capped(caller: Caller, rpm: int, fail: Fail) -> Limit:
    """The cap that a key carries: a bucket beside the one that holds a key without an owner to its plan."""
    return _limit(caller, "requests", "key", f"{caller.key}/cap", rpm, "key", fail, "")


def _shared(caller: Caller, scope: Literal["team", "org"], who: str, quota: Quota, fail: Fail) -> list[Limit]:
    return [
        _limit(caller, kind, scope, who, amount, scope, fail, "")
        for kind, field in _KINDS
        if (amount := getattr(quota, field)) is not None
    ]
