"""Money that operators move: paid in, given back, corrected. Double entry, immutable, idempotent by id (I-02, B-10)."""

import re
from typing import Literal

import msgspec
from msgspec import Struct

from nexusflow.accounts.audit import Change, change
from nexusflow.accounts.model import AccountInvalid, AccountProblem, AccountUnknown, Wallet, check_text, new_id
from nexusflow.accounts.table import find_organisation, read_wallet
from nexusflow.ir.money import LARGEST, as_text
from nexusflow.ledger.records import REVENUE, wallet
from nexusflow.store import Database

ADJUSTMENT = "adjustment"
_ID = re.compile(r"[\w.:/-]{1,100}", re.ASCII)
_SOURCE = re.compile(r"[a-z0-9_-]{1,40}")
_COLUMNS = "id, kind, debit, credit, amount, org, team, key_id, user_tag, request, lease, model, reason, at_ms"

Kind = Literal["credit", "refund", "adjust"]


def funding(source: str) -> str:
    """The account name of where paid-in money comes from."""
    return f"funding:{source}"


class MoneyRefused(AccountProblem):
    """This movement would not add up, or its id belongs to another one."""


class Movement(Struct, frozen=True, kw_only=True):
    """One transfer between a wallet and another account; `amount` in nano-units, never negative."""

    id: str
    kind: Kind
    debit: str
    credit: str
    amount: int
    org: str
    team: str | None = None
    key_id: str | None = None
    user_tag: str | None = None
    request: str | None = None
    lease: str | None = None
    model: str | None = None
    reason: str
    at_ms: int


class Money:
    """Movements of one database. Every method raises StoreError when the database fails.

    Each is one transaction with the counters that it changes and its row in the audit log, in the name of `actor`. With
    an `id` it is done once however often it is asked for; the same id for something else raises MoneyRefused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def credit(self, org: str, amount: int, source: str, memo: str, actor: str, id: str | None = None) -> Movement:
        """Pay `amount` into the wallet of `org` (id or name).

        `source` says where it comes from, such as `bank` or `card`. Raises AccountInvalid, AccountUnknown and
        MoneyRefused.
        """
        _check(amount, "memo", memo, id)
        if _SOURCE.fullmatch(source) is None:
            raise AccountInvalid("A source has 1 to 40 small letters, digits, `-` or `_`, like `bank`.", "source")
        with change(self._database, actor) as under_way:
            owner = find_organisation(self._database, org).id
            made = Movement(
                id=id or new_id("crd_"),
                kind="credit",
                debit=funding(source),
                credit=wallet(owner),
                amount=amount,
                org=owner,
                reason=memo,
                at_ms=under_way.at_ms,
            )
            return self._paid_in(under_way, made)

    def adjust(self, org: str, amount: int, reason: str, actor: str, id: str | None = None) -> Movement:
        """Correct the wallet of `org` (id or name) by `amount`, which may be negative.

        Raises AccountInvalid, AccountUnknown, and MoneyRefused for what the wallet does not have.
        """
        _check(abs(amount), "reason", reason, id)
        with change(self._database, actor) as under_way:
            owner = find_organisation(self._database, org).id
            sides = (ADJUSTMENT, wallet(owner)) if amount > 0 else (wallet(owner), ADJUSTMENT)
            made = Movement(
                id=id or new_id("adj_"),
                kind="adjust",
                debit=sides[0],
                credit=sides[1],
                amount=abs(amount),
                org=owner,
                reason=reason,
                at_ms=under_way.at_ms,
            )
            return self._paid_in(under_way, made)

    def refund(self, request_id: str, amount: int | None, reason: str, actor: str, id: str | None = None) -> Movement:
        """Give back `amount` of what the request was charged, or all that was not given back yet (None).

        Also lowers the budgets that the charge counted in, in its period. Raises AccountInvalid, AccountUnknown
        and MoneyRefused.
        """
        _check(1 if amount is None else amount, "reason", reason, id)
        with change(self._database, actor) as under_way:
            charge = self._charge(request_id)
            done = None if id is None else self._found(id)
            if done is not None:
                expected = msgspec.structs.replace(charge, amount=done.amount if amount is None else amount)
                return _same(done, expected)
            read_wallet(self._database, charge.org, self._database.for_update)
            left = charge.amount - self._refunded(request_id)
            given = left if amount is None else amount
            if not 0 < given <= left:
                raise MoneyRefused(f"Of this request's charge {as_text(left)} can still be refunded.", "amount")
            made = msgspec.structs.replace(
                charge, id=id or new_id("rfd_"), amount=given, reason=reason, at_ms=under_way.at_ms
            )
            self._write(under_way, made)
            self._add("spent", -given, made.org)
            self._lower_budgets(made)
        return made

    def _paid_in(self, under_way: Change, made: Movement) -> Movement:
        done = self._found(made.id)
        if done is not None:
            return _same(done, made)
        gain = made.amount if made.credit == wallet(made.org) else -made.amount
        _check_room(read_wallet(self._database, made.org, self._database.for_update), gain)
        self._write(under_way, made)
        self._add("credited", gain, made.org)
        return made

    def _charge(self, request_id: str) -> Movement:
        """The refund of a request's whole charge, before it has an id."""
        rows = self._database.execute(
            "SELECT org, team, key_id, user_tag, lease, model, amount FROM transfer"
            " WHERE request = $1 AND kind = 'charge'",
            (request_id,),
        )
        if not rows:
            raise AccountUnknown(f"No request {request_id} was charged.", "request")
        names = ("org", "team", "key_id", "user_tag", "lease", "model", "amount")
        found = dict(zip(names, rows[0], strict=True))
        fixed = {"id": "", "kind": "refund", "debit": REVENUE, "credit": wallet(str(found["org"])), "at_ms": 0}
        return msgspec.convert({**fixed, **found, "request": request_id, "reason": ""}, Movement)

    def _refunded(self, request_id: str) -> int:
        [(total,)] = self._database.execute(
            "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM transfer WHERE request = $1 AND kind = 'refund'",
            (request_id,),
        )
        return int(total or 0)

    def _found(self, id: str) -> Movement | None:
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM transfer WHERE id = $1",  # noqa: S608
            (id,),
        )
        if not rows:
            return None
        found = dict(zip(_COLUMNS.split(", "), rows[0], strict=True))
        if found["kind"] not in ("credit", "refund", "adjust"):
            raise MoneyRefused(f"The id {id} is that of a request.", "id")
        return msgspec.convert(found, Movement)

    def _write(self, under_way: Change, made: Movement) -> None:
        self._database.execute(
            f"INSERT INTO transfer ({_COLUMNS}, basis, posted_ms)"  # noqa: S608
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'none', $14)",
            msgspec.structs.astuple(made),
        )
        under_way.note(
            f"money.{made.kind}",
            made.org,
            id=made.id,
            amount=as_text(made.amount),
            debit=made.debit,
            credit=made.credit,
            request=made.request,
            reason=made.reason,
        )

    def _add(self, counter: Literal["credited", "spent"], amount: int, org: str) -> None:
        self._database.execute(
            f"UPDATE wallet SET {counter} = {counter} + $1 WHERE org = $2",  # noqa: S608
            (amount, org),
        )

    def _lower_budgets(self, made: Movement) -> None:
        """The charge counted in the counters of its lease, and so does what is given back of it."""
        rows = self._database.execute("SELECT counters FROM lease WHERE id = $1", (made.lease,))
        for counters in rows:
            for budget, subject, start in sorted(
                msgspec.json.decode(str(counters[0]), type=list[tuple[str, str, int]])
            ):
                self._database.execute(
                    "UPDATE budget_spend SET spent = spent - $1"
                    " WHERE budget = $2 AND subject = $3 AND period_start = $4",
                    (made.amount, budget, subject, start),
                )


def _check(amount: int, field: str, text: str, id: str | None) -> None:
    if not 0 < amount <= LARGEST:
        raise AccountInvalid("An amount is larger than zero, and not beyond what this ledger can hold.", "amount")
    check_text(text, f"A {field}", field)
    if id is not None and _ID.fullmatch(id) is None:
        raise AccountInvalid("An id has 1 to 100 letters, digits or any of `_ . : / -`.", "id")


def _check_room(found: Wallet, gain: int) -> None:
    """Raises MoneyRefused where the wallet would hold more than a number can, or less than it may."""
    if gain > 0 and found.credited + gain > LARGEST:
        raise MoneyRefused("The wallet cannot hold that much.", "amount")
    if gain < 0 and found.available is not None and found.available + gain < 0:
        left = as_text(max(0, found.available))
        raise MoneyRefused(f"The wallet has only {left} that is not spent or reserved.", "amount")


def _same(done: Movement, asked: Movement) -> Movement:
    """What was done under this id. Raises MoneyRefused when something else is asked for now."""
    for name in ("kind", "debit", "credit", "amount", "org", "request"):
        if getattr(done, name) != getattr(asked, name):
            raise MoneyRefused(f"The id {done.id} belongs to another movement, of {as_text(done.amount)}.", "id")
    return done
