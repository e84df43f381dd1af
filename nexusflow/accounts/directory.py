"""Who pays for a request, from memory: accounts and budgets as they are in the database, at most a second old."""

import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from nexusflow.accounts.budgets import EVERYONE, read_budgets
from nexusflow.accounts.periods import NEVER_MS, span
from nexusflow.accounts.quotas import read_quotas
from nexusflow.ir.account import Bound, Budget, Counter, Payer, Scope
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.quota import Quota
from nexusflow.store import Database
from nexusflow.store.follow import Follower

LONGEST_TAG = 128  # characters; a longer user tag, or one that is no plain text, is counted under its digest
_REMEMBERED = 20_000  # answers kept in memory; user tags are the callers' choice, so their number has a bound
_log = logging.getLogger("nexusflow.accounts")


class Caller(Protocol):
    """The part of a key that decides who pays."""

    @property
    def id(self) -> str: ...
    @property
    def org(self) -> str: ...
    @property
    def team(self) -> str | None: ...
    @property
    def owner(self) -> str | None: ...


class _Known(NamedTuple):
    caller: Caller
    ends_ms: int
    payer: Payer


@dataclass(frozen=True, slots=True)
class _State:
    """What was read, and the answers found in it so far."""

    active: dict[str, bool]
    """Of organisations, teams and users, by id."""
    stored: tuple[Budget, ...]
    budgets: dict[tuple[Scope, str], list[Budget]]
    plans: dict[str, str]
    """Of organisations that have one, by id."""
    quotas: dict[str, dict[str, Quota]]
    """By subject and model; an empty model is for all that have none of their own."""
    known: dict[tuple[str, str, str | None], _Known] = field(default_factory=dict)


class Directory(Follower):
    """Accounts and budgets, for one process. `payer` never touches the database; `refresh` and `watch` follow it."""

    def __init__(self, database: Database, config_budgets: Sequence[Budget] = ()) -> None:
        """Read all accounts of `database`. `config_budgets` are those of gateway.yaml. Raises StoreError."""
        super().__init__(database, _log, "accounts")
        self._configured = tuple(config_budgets)
        self._change = 0
        self._state = _state({}, (), (), {}, {})
        self._lock = threading.Lock()
        self.refresh()

    def payer(self, key: Caller, model: str, user_tag: str | None, now_ms: int) -> Payer:
        """On whose account a call of `key` for `model` goes, with the budgets that apply at `now_ms`. No I/O.

        `user_tag` is what the request says of its user (`user`, `safety_identifier`, `metadata.user_id`); without one
        the key's owner is the user. Raises `RequestRefused`: E-PERM (account_suspended), or E-STORE for an account so
        new that this process has not read it yet.
        """
        if user_tag is not None and len(user_tag) > LONGEST_TAG:
            user_tag = _digest(user_tag)
        state = self._state
        found = state.known.get((key.id, model, user_tag))
        # A key that was changed is another object, even under its old id.
        if found is not None and found.caller is key and now_ms < found.ends_ms:
            return found.payer
        return _find(state, key, model, user_tag, now_ms)

    def set_config_budgets(self, budgets: Sequence[Budget]) -> None:
        """Take over the budgets of another gateway.yaml."""
        with self._lock:
            self._configured = tuple(budgets)
            was = self._state
            self._state = _state(was.active, was.stored, self._configured, was.plans, was.quotas)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """All budgets, those of gateway.yaml first."""
        return self._configured + self._state.stored

    @property
    def edition(self) -> object:
        """Another object after every change; what was made of an earlier one is out of date."""
        return self._state

    def plan(self, org: str) -> str | None:
        """The plan of an organisation."""
        return self._state.plans.get(org)

    def quotas(self, subject: str) -> Mapping[str, Quota]:
        """What was agreed with a subject beside its plan, by model; see `QuotaTable`."""
        return self._state.quotas.get(subject, {})

    def _take(self, reader: Database) -> bool:
        [(change,)] = reader.execute("SELECT change FROM directory_change WHERE id = 1")
        # A restored backup counts from another number: any difference is a change.
        if change == self._change:
            return False
        rows = reader.execute(
            "SELECT id, status FROM organisation UNION ALL SELECT id, status FROM team"
            " UNION ALL SELECT id, status FROM member"
        )
        active = {str(id_): status == "active" for id_, status in rows}
        stored = tuple(read_budgets(reader))
        found = reader.execute("SELECT id, plan FROM organisation WHERE plan IS NOT NULL")
        plans = {str(id_): str(plan) for id_, plan in found}
        quotas: dict[str, dict[str, Quota]] = {}
        for agreed in read_quotas(reader):
            quotas.setdefault(agreed.subject, {})[agreed.model] = agreed.quota
        with self._lock:
            self._state = _state(active, stored, self._configured, plans, quotas)
        self._change = int(change or 0)
        return True


def _state(
    active: dict[str, bool],
    stored: tuple[Budget, ...],
    configured: tuple[Budget, ...],
    plans: dict[str, str],
    quotas: dict[str, dict[str, Quota]],
) -> _State:
    budgets: dict[tuple[Scope, str], list[Budget]] = {}
    for budget in (*configured, *stored):
        budgets.setdefault((budget.scope, budget.subject), []).append(budget)
    return _State(active, stored, budgets, plans, quotas)


def _find(state: _State, key: Caller, model: str, user_tag: str | None, now_ms: int) -> Payer:
    _check_active(state, key)
    user = _user(state, key, user_tag)
    bounds = sorted(
        (
            bound
            for scope, subject, named in _subjects(key, user, model)
            for budget in state.budgets.get((scope, named), ())
            if budget.org in (None, key.org)
            for bound in [_bound(budget, key.org, subject, now_ms)]
        ),
        key=lambda bound: bound.counter,
    )
    payer = Payer(org=key.org, team=key.team, key=key.id, user=user, bounds=tuple(bounds))
    ends_ms = min((bound.ends_ms for bound in bounds), default=NEVER_MS)
    if len(state.known) >= _REMEMBERED:
        state.known.clear()
    state.known[key.id, model, user_tag] = _Known(key, ends_ms, payer)
    return payer


def _check_active(state: _State, key: Caller) -> None:
    for what, account in (("organisation", key.org), ("team", key.team), ("user", key.owner)):
        active = True if account is None else state.active.get(account)
        if active is None:
            raise RequestRefused(
                Problem(kind=Kind.STORE, message=f"This key's {what} was made just now. Try again.", retry_after=1)
            )
        if not active:
            raise refuse(Kind.PERMISSION, f"This key's {what} is suspended.", code="account_suspended")


def _user(state: _State, key: Caller, tag: str | None) -> str | None:
    """The user of one call. A tag that is another account's id is the caller's invention, and not that account."""
    if not tag:
        return key.owner
    if not tag.isprintable() or (tag != key.owner and tag in state.active):
        return _digest(tag)
    return tag


def _subjects(key: Caller, user: str | None, model: str) -> Iterator[tuple[Scope, str, str]]:
    """Whose sums a call counts in: scope, subject, and how budgets may name it."""
    subjects: list[tuple[Scope, str | None]] = [
        ("org", key.org),
        ("team", key.team),
        ("key", key.id),
        ("user", user),
        ("model", model),
    ]
    for scope, subject in subjects:
        if subject is not None:
            yield from ((scope, subject, named) for named in {subject, EVERYONE})
    if key.owner is not None and key.owner != user:
        yield "user", key.owner, key.owner  # what is set for the owner holds whatever users the key speaks of


def _bound(budget: Budget, org: str, subject: str, now_ms: int) -> Bound:
    """`budget` for one subject. Callers choose user tags, so two organisations never share the sum of one."""
    start_ms, ends_ms = span(budget.period, now_ms)
    own = f"{org}/{subject}" if budget.scope == "user" else subject
    return Bound(Counter(budget.id, own, start_ms), budget.amount, budget.mode, budget.scope, ends_ms)


def _digest(tag: str) -> str:
    """A name of bounded length that every database can store, for a tag that is too long or has control characters."""
    return "sha256:" + hashlib.sha256(tag.encode("utf-8", "surrogatepass")).hexdigest()
