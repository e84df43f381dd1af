"""What was agreed beside the plans: quotas of single subjects, and the requests of callers for more (contract 2.10)."""

from collections.abc import Sequence
from typing import Literal
from unicodedata import category

import msgspec
from msgspec import Struct

from nexusflow.accounts.audit import change
from nexusflow.accounts.model import (
    MEMBER_ID,
    AccountAmbiguous,
    AccountInvalid,
    AccountTaken,
    AccountUnknown,
    Organisation,
    check_text,
    new_id,
)
from nexusflow.accounts.table import find_account
from nexusflow.ir.quota import NONE, Quota
from nexusflow.store import Database, Page, Value, in_order

REQUEST_ID = "lrq_"
MOST_OPEN = 10
"""Open requests of one key."""
LONGEST_REASON = 1_000  # characters
LONGEST_MODEL = 128  # characters, as gateway.yaml has it
LARGEST = 1_000_000_000_000
_BOUNDS = Quota.__struct_fields__
_ASKED = ("rpm", "tpm", "concurrency")
State = Literal["open", "approved", "denied"]


class RequestDecided(AccountInvalid):
    """This request for more was granted or turned down before."""


class Agreed(Struct, frozen=True, kw_only=True):
    """The quota of one `subject`, for one model or (empty) for all that have none of their own."""

    org: str
    subject: str
    model: str
    quota: Quota

    @property
    def id(self) -> str:
        """By which a page of a list goes on; ids of subjects have no slash."""
        return f"{self.subject}/{self.model}" if self.model else self.subject


class LimitRequest(Struct, frozen=True, kw_only=True):
    """A caller's wish for more: of `model` or (empty) of all. `subject` is the key's owner, or the key itself."""

    id: str
    org: str
    key_id: str
    subject: str
    model: str
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    reason: str
    state: State
    created_ms: int
    decided_ms: int | None = None
    answer: str | None = None


class QuotaTable:
    """The quotas and requests of one database. Every method raises StoreError when the database fails.

    Each change of an operator is one transaction with its row in the audit log; workers follow it within a second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, subject: str, quota: Quota, *, actor: str, model: str = "") -> Agreed:
        """Agree on `quota` in place of what was agreed before; an empty one ends the agreement.

        `subject` is an organisation, team or user (id or name), or the id of a key. Those of organisations and teams
        are for all models together, and a key with an owner has the owner's. Raises AccountInvalid and AccountUnknown.
        """
        check_quota(quota)
        check_model(model)
        with change(self._database, actor, directory=True) as under_way:
            org, id_ = self._subject(subject)
            if quota != NONE:
                self._check_holds(id_, model)
            agreed = Agreed(org=org, subject=id_, model=model, quota=quota)
            self._put(agreed, under_way.at_ms)
            under_way.note("quota.set", id_, model=model, **msgspec.structs.asdict(quota))
        return agreed

    def remove(self, subject: str, *, actor: str, model: str = "") -> Agreed:
        """End what was agreed, and return it. Raises AccountUnknown, also where nothing was."""
        with change(self._database, actor, directory=True) as under_way:
            _, id_ = self._subject(subject)
            found = read_quotas(self._database, "WHERE subject = $1 AND model = $2", (id_, model))
            if not found:
                raise AccountUnknown(f"Nothing was agreed with {subject}{f' for {model}' if model else ''}.", "subject")
            self._put(msgspec.structs.replace(found[0], quota=NONE), under_way.at_ms)
            under_way.note("quota.remove", id_, model=model, **msgspec.structs.asdict(found[0].quota))
        return found[0]

    def list(self, subject: str | None = None, page: Page | None = None) -> "Sequence[Agreed]":
        """All that is agreed, or what is agreed with one subject, by subject and model. Raises AccountUnknown."""
        params: list[Value] = [] if subject is None else [self._subject(subject)[1]]
        clauses = ["subject = $1"] if params else []
        if page is not None and page.after is not None:
            after, _, model = page.after.partition("/")
            clauses.append(f"(subject, model) > (${len(params) + 1}, ${len(params) + 2})")
            params += [after, model]
        condition = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        return read_quotas(self._database, condition, params, None if page is None else page.limit)

    def ask(self, org: str, key_id: str, subject: str, model: str, wanted: Quota, reason: str) -> LimitRequest:
        """File the request of a key. Raises AccountInvalid, and AccountTaken where it has too many open ones."""
        check_quota(wanted)
        check_model(model)
        check_reason(reason)
        if all(getattr(wanted, name) is None for name in _ASKED):
            raise AccountInvalid("A request for more names `rpm`, `tpm` or `concurrency`.", "rpm")
        with self._database.transaction(alone="accounts"):
            open_ones = self._database.execute(
                "SELECT count(*) FROM limit_request WHERE key_id = $1 AND state = 'open'", (key_id,)
            )
            if int(open_ones[0][0] or 0) >= MOST_OPEN:
                raise AccountTaken(f"This key has {MOST_OPEN} open requests already.")
            made = LimitRequest(
                id=new_id(REQUEST_ID),
                org=org,
                key_id=key_id,
                subject=subject,
                model=model,
                **{name: getattr(wanted, name) for name in _ASKED},
                reason=reason,
                state="open",
                created_ms=self._database.now_ms(),
            )
            self._database.insert_new("limit_request", LimitRequest.__struct_fields__, [msgspec.structs.astuple(made)])
        return made

    def requests(
        self, state: State | None = None, page: Page | None = None, key_id: str | None = None
    ) -> "Sequence[LimitRequest]":
        """The requests, the oldest first: all, or those in one state, or of one key."""
        wanted = {name: value for name, value in (("state", state), ("key_id", key_id)) if value is not None}
        return self._select(*in_order("limit_request", wanted, page))

    def find(self, id_: str) -> LimitRequest:
        """The request `id_`. Raises AccountUnknown."""
        found = self._select("WHERE id = $1", (id_,))
        if not found:
            raise AccountUnknown(f"There is no request {id_}. `nexusflow limits requests` shows the open ones.")
        return found[0]

    def approve(self, id_: str, *, actor: str, quota: Quota = NONE, answer: str | None = None) -> LimitRequest:
        """Grant a request as it was made, or `quota` instead; what else was agreed with the subject stays.

        Raises AccountInvalid, AccountUnknown, and RequestDecided for one that is.
        """
        check_quota(quota)
        check_answer(answer)
        with change(self._database, actor, directory=True) as under_way:
            asked = self._open(id_)
            self._check_holds(asked.subject, asked.model)
            granted = quota.over(Quota(**{name: getattr(asked, name) for name in _ASKED}))
            condition = "WHERE subject = $1 AND model = $2"
            before = read_quotas(self._database, condition, (asked.subject, asked.model))
            whole = granted.over(before[0].quota) if before else granted
            self._put(Agreed(org=asked.org, subject=asked.subject, model=asked.model, quota=whole), under_way.at_ms)
            decided = self._decide(asked, "approved", answer, under_way.at_ms)
            detail = {"subject": asked.subject, "model": asked.model}
            under_way.note("limits.approve", id_, **detail, **msgspec.structs.asdict(granted))
        return decided

    def deny(self, id_: str, *, actor: str, answer: str | None = None) -> LimitRequest:
        """Turn a request down. Raises AccountInvalid, AccountUnknown, and RequestDecided for one that is."""
        check_answer(answer)
        with change(self._database, actor) as under_way:
            asked = self._open(id_)
            decided = self._decide(asked, "denied", answer, under_way.at_ms)
            under_way.note("limits.deny", id_, subject=asked.subject, answer=answer)
        return decided

    def _open(self, id_: str) -> LimitRequest:
        found = self.find(id_)
        if found.state != "open":
            raise RequestDecided(f"{id_} was {found.state} already.", "id")
        return found

    def _decide(self, asked: LimitRequest, state: State, answer: str | None, at_ms: int) -> LimitRequest:
        self._database.execute(
            "UPDATE limit_request SET state = $1, decided_ms = $2, answer = $3 WHERE id = $4",
            (state, at_ms, answer, asked.id),
        )
        return msgspec.structs.replace(asked, state=state, decided_ms=at_ms, answer=answer)

    def _put(self, agreed: Agreed, at_ms: int) -> None:
        self._database.execute("DELETE FROM quota WHERE subject = $1 AND model = $2", (agreed.subject, agreed.model))
        if agreed.quota != NONE:
            columns = ("org", "subject", "model", *_BOUNDS, "set_ms")
            bounds = msgspec.structs.astuple(agreed.quota)
            row = (agreed.org, agreed.subject, agreed.model, *bounds, at_ms)
            self._database.insert_new("quota", columns, [row], "subject")

    def _subject(self, handle: str) -> tuple[str, str]:
        """Organisation and id of what `handle` names."""
        rows = self._database.execute("SELECT org FROM api_key WHERE id = $1 AND replaced_by IS NULL", (handle,))
        if rows:
            return str(rows[0][0]), handle
        try:
            found = find_account(self._database, handle)
        except AccountUnknown:
            raise AccountUnknown(f"There is no organisation, team, user or key {handle}.", "subject") from None
        except AccountAmbiguous as error:
            raise AccountAmbiguous(str(error), "subject") from None
        return (found.id if isinstance(found, Organisation) else found.org), found.id

    def _check_holds(self, subject: str, model: str) -> None:
        """Raise AccountInvalid for an agreement that no call would ever be held to."""
        rows = self._database.execute("SELECT owner FROM api_key WHERE id = $1", (subject,))
        owner = rows[0][0] if rows else None
        if owner is not None:
            raise AccountInvalid(f"The limits of this key are those of its owner, {owner!s}.", "subject")
        if model and not rows and not subject.startswith(MEMBER_ID):
            raise AccountInvalid("What is agreed with an organisation or team is for all models together.", "model")

    def _select(self, condition: str, params: Sequence[Value] = ()) -> "Sequence[LimitRequest]":
        columns = LimitRequest.__struct_fields__
        rows = self._database.execute(f"SELECT {', '.join(columns)} FROM limit_request {condition}", params)  # noqa: S608
        return [msgspec.convert(dict(zip(columns, row, strict=True)), LimitRequest) for row in rows]


def check_quota(quota: Quota) -> None:
    """Raise AccountInvalid for a bound that none can be."""
    for name in _BOUNDS:
        bound = getattr(quota, name)
        if bound is not None and not 0 <= bound <= LARGEST:
            raise AccountInvalid(f"`{name}` must be from 0 to {LARGEST}.", name)


def check_model(model: str) -> None:
    """Raise AccountInvalid for what can be no model's id; nothing stands for all models."""
    if len(model) > LONGEST_MODEL or not model.isprintable() or model.isspace():
        raise AccountInvalid(f"A model's id has at most {LONGEST_MODEL} printable characters.", "model")


def check_reason(reason: str) -> None:
    """Raise AccountInvalid for one that is too long, or holds characters that no database keeps."""
    odd = any(category(one) in ("Cc", "Cs") and one not in "\r\n\t" for one in reason)
    if odd or len(reason) > LONGEST_REASON:
        raise AccountInvalid(f"A reason is text of at most {LONGEST_REASON} characters.", "reason")


def check_answer(answer: str | None) -> None:
    """Raise AccountInvalid for one that is not 1 to 100 printable characters."""
    if answer is not None:
        check_text(answer, "An answer", "answer")


def read_quotas(
    database: Database, condition: str = "", params: Sequence[Value] = (), limit: int | None = None
) -> Sequence[Agreed]:
    """The agreed quotas that fulfil an SQL `condition`, by subject and model."""
    bound = "" if limit is None else f" LIMIT {limit:d}"
    rows = database.execute(
        f"SELECT org, subject, model, {', '.join(_BOUNDS)} FROM quota {condition} ORDER BY subject, model{bound}",  # noqa: S608
        params,
    )
    return [
        Agreed(
            org=str(org),
            subject=str(subject),
            model=str(model),
            quota=msgspec.convert(dict(zip(_BOUNDS, bounds, strict=True)), Quota),
        )
        for org, subject, model, *bounds in rows
    ]
