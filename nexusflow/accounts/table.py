"""Organisations, teams and users in the database. Not for the hot path; see Directory for that."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from nexusflow.accounts.audit import Change, change
from nexusflow.accounts.model import (
    MEMBER_ID,
    ORGANISATION_ID,
    TEAM_ID,
    Account,
    AccountAmbiguous,
    AccountInvalid,
    AccountTaken,
    AccountUnknown,
    Member,
    Organisation,
    Status,
    Team,
    Wallet,
    check_name,
    check_text,
    new_id,
)
from nexusflow.ir.money import LARGEST
from nexusflow.store import Database, Page, Value, in_order

_TABLES: dict[type, str] = {Organisation: "organisation", Team: "team", Member: "member", Wallet: "wallet"}
_T = TypeVar("_T", Organisation, Team, Member, Wallet)
_Part = TypeVar("_Part", Team, Member)


class AccountTable:
    """The accounts of one database. Every method raises StoreError when the database fails.

    Each change is one transaction with its row in the audit log, in the name of `actor`; workers follow it within a
    second. `org` and `handle` are an id or a name; a team or user is also called `ORGANISATION/NAME`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_organisation(
        self, name: str, *, actor: str, plan: str | None = None, credit_line: int | None = 0
    ) -> Organisation:
        """A new organisation with an empty wallet, which may fall to `-credit_line` (None: without bound).

        Raises AccountInvalid and AccountTaken.
        """
        check_name(name)
        if plan is not None:
            check_text(plan, "A plan", "plan")
        floor = _floor(credit_line)
        with change(self._database, actor, directory=True) as under_way:
            if self._select(Organisation, "WHERE name = $1", (name,)):
                raise AccountTaken(f"There is an organisation {name} already.", "name")
            made = Organisation(
                id=new_id(ORGANISATION_ID), name=name, plan=plan, status="active", created_ms=under_way.at_ms
            )
            self._insert(made)
            self._database.execute("INSERT INTO wallet (org, floor) VALUES ($1, $2)", (made.id, floor))
            under_way.note("organisation.create", made.id, name=name, plan=plan, credit_line=credit_line)
        return made

    def create_team(self, org: str, name: str, *, actor: str) -> Team:
        """A new team of `org`. Raises AccountInvalid, AccountTaken and AccountUnknown."""
        return self._add(Team, TEAM_ID, org, name, actor)

    def create_member(self, org: str, name: str, *, actor: str) -> Member:
        """A new user of `org`. Raises AccountInvalid, AccountTaken and AccountUnknown."""
        return self._add(Member, MEMBER_ID, org, name, actor)

    def organisations(self, page: Page | None = None) -> list[Organisation]:
        """All organisations or a page of them, the oldest first."""
        return self._select(Organisation, *in_order("organisation", {}, page))

    def teams(self, org: str | None = None, page: Page | None = None) -> list[Team]:
        """The teams of one organisation or of all, the oldest first. Raises AccountUnknown."""
        return self._parts(Team, org, page)

    def members(self, org: str | None = None, page: Page | None = None) -> list[Member]:
        """The users of one organisation or of all, the oldest first. Raises AccountUnknown."""
        return self._parts(Member, org, page)

    def find(self, handle: str) -> Account:
        """What `handle` names. Raises AccountUnknown and AccountAmbiguous."""
        return find_account(self._database, handle)

    def find_organisation(self, handle: str) -> Organisation:
        """The organisation with this id or name. Raises AccountUnknown."""
        return find_organisation(self._database, handle)

    def wallet(self, org: str) -> Wallet:
        """The money of an organisation. Raises AccountUnknown."""
        return read_wallet(self._database, self.find_organisation(org).id)

    def suspend(self, handle: str, *, actor: str) -> Account:
        """From now on refuse calls of an organisation, team or user. Raises AccountUnknown and AccountAmbiguous."""
        return self._set_status(handle, "suspended", actor)

    def resume(self, handle: str, *, actor: str) -> Account:
        """End a suspension. Raises AccountUnknown and AccountAmbiguous."""
        return self._set_status(handle, "active", actor)

    def set_credit_line(self, org: str, credit_line: int | None, *, actor: str) -> Wallet:
        """Let the balance of `org` fall to `-credit_line`, or without bound (None).

        Money already spent stays spent: a lower line than the balance only ends further calls. Raises AccountInvalid
        and AccountUnknown.
        """
        floor = _floor(credit_line)
        with change(self._database, actor) as under_way:
            found = self.find_organisation(org)
            self._database.execute("UPDATE wallet SET floor = $1 WHERE org = $2", (floor, found.id))
            under_way.note("organisation.credit_line", found.id, credit_line=credit_line)
            return read_wallet(self._database, found.id)

    def set_plan(self, org: str, plan: str | None, *, actor: str) -> Organisation:
        """Give `org` another plan, or none. Raises AccountInvalid and AccountUnknown."""
        if plan is not None:
            check_text(plan, "A plan", "plan")
        with change(self._database, actor, directory=True) as under_way:
            found = self.find_organisation(org)
            self._database.execute("UPDATE organisation SET plan = $1 WHERE id = $2", (plan, found.id))
            under_way.note("organisation.plan", found.id, plan=plan)
        return msgspec.structs.replace(found, plan=plan)

    def _add(self, kind: type[_Part], scheme: str, org: str, name: str, actor: str) -> _Part:
        check_name(name)
        with change(self._database, actor, directory=True) as under_way:
            owner = self.find_organisation(org)
            if self._select(kind, "WHERE org = $1 AND name = $2", (owner.id, name)):
                raise AccountTaken(f"{owner.name} has a {_word(kind)} {name} already.", "name")
            made = kind(id=new_id(scheme), org=owner.id, name=name, status="active", created_ms=under_way.at_ms)
            self._insert(made)
            under_way.note(f"{_word(kind)}.create", made.id, org=owner.id, name=name)
        return made

    def _insert(self, made: Account) -> None:
        names = made.__struct_fields__
        places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        self._database.execute(
            f"INSERT INTO {_TABLES[type(made)]} ({', '.join(names)}) VALUES ({places})",  # noqa: S608
            msgspec.structs.astuple(made),
        )

    def _set_status(self, handle: str, status: Status, actor: str) -> Account:
        with change(self._database, actor, directory=True) as under_way:
            found = self.find(handle)
            self._database.execute(
                f"UPDATE {_TABLES[type(found)]} SET status = $1 WHERE id = $2",  # noqa: S608
                (status, found.id),
            )
            _note_status(under_way, found, status)
        return msgspec.structs.replace(found, status=status)

    def _parts(self, kind: type[_Part], org: str | None, page: Page | None) -> list[_Part]:
        wanted = {} if org is None else {"org": self.find_organisation(org).id}
        return self._select(kind, *in_order(_TABLES[kind], wanted, page))

    def _select(self, kind: type[_T], condition: str, params: Sequence[Value] = ()) -> list[_T]:
        return _select(self._database, kind, condition, params)


def find_organisation(database: Database, handle: str) -> Organisation:
    """The organisation with this id or name. Raises AccountUnknown."""
    found = _select(database, Organisation, "WHERE id = $1 OR name = $1", (handle,))
    if not found:
        raise AccountUnknown(f"There is no organisation {handle}. `nexusflow accounts list` shows all.", "org")
    return found[0]


def find_account(database: Database, handle: str) -> Account:
    """The organisation, team or user that `handle` names. Raises AccountUnknown and AccountAmbiguous."""
    parts = [*_by(database, "WHERE id = $1", (handle,))]
    org, slash, name = handle.partition("/")
    if not parts and slash:
        owner = find_organisation(database, org)
        parts = [*_by(database, "WHERE org = $1 AND name = $2", (owner.id, name))]
    if len(parts) > 1:
        raise AccountAmbiguous(f"{handle} is a team and a user, use an id: {', '.join(part.id for part in parts)}")
    if parts:
        return parts[0]
    if slash or handle.startswith((TEAM_ID, MEMBER_ID)):
        raise AccountUnknown(f"There is no team or user {handle}. `nexusflow accounts show ORG` shows those of one.")
    return find_organisation(database, handle)


def read_wallet(database: Database, org: str, lock: str = "") -> Wallet:
    """The wallet of the organisation with the id `org`; `lock` is the database's `for_update`, or nothing."""
    return _select(database, Wallet, f"WHERE org = $1{lock}", (org,))[0]


def _by(database: Database, condition: str, params: Sequence[Value]) -> list[Team | Member]:
    return [*_select(database, Team, condition, params), *_select(database, Member, condition, params)]


def _select(database: Database, kind: type[_T], condition: str, params: Sequence[Value]) -> list[_T]:
    columns = ", ".join(kind.__struct_fields__)
    rows = database.execute(f"SELECT {columns} FROM {_TABLES[kind]} {condition}", params)  # noqa: S608
    return [_of(kind, row) for row in rows]


def _of(kind: type[_T], row: Sequence[Value]) -> _T:
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)


def _note_status(under_way: Change, account: Account, status: Status) -> None:
    verb = "suspend" if status == "suspended" else "resume"
    under_way.note(f"{_word(type(account))}.{verb}", account.id, was=account.status)


def _floor(credit_line: int | None) -> int | None:
    if credit_line is not None and not 0 <= credit_line <= LARGEST:
        raise AccountInvalid("A credit line is not negative.", "credit_line")
    return None if credit_line is None else -credit_line


def _word(kind: type[Any]) -> str:
    return "user" if kind is Member else _TABLES[kind]
