"""The operators in the database: make, list, give a new token, remove. Each change is in the audit log (SEC-58)."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from nexusflow.accounts.audit import change
from nexusflow.accounts.model import AccountInvalid, check_text, new_id
from nexusflow.keys.pepper import bind_pepper
from nexusflow.keys.secret import new_secret
from nexusflow.operators.model import Operator, OperatorProblem, Role
from nexusflow.store import Database, Value

SCHEME = "nf-op-"
"""Begins the token of an operator, so that nobody takes it for an API key."""
Operators = list[Operator]  # a name outside the class, where `list` is a method
_COLUMNS = ", ".join(Operator.__struct_fields__)


class OperatorTable:
    """The operators of one database. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        """Raises PepperProblem when `database` was made with another pepper."""
        self._database = database
        self._digest = bind_pepper(database, pepper)

    def create(self, name: str, role: Role, *, actor: str) -> tuple[Operator, str]:
        """A new operator and the token to sign in with, which is stored nowhere. Raises OperatorProblem."""
        if role not in get_args(Role):
            raise OperatorProblem(f"{role!r} is not one of: {', '.join(get_args(Role))}.")
        try:
            check_text(name, "An operator's name", "name")
        except AccountInvalid as error:
            raise OperatorProblem(str(error)) from error
        token = new_secret(SCHEME)
        with change(self._database, actor) as under_way:
            if self._select("WHERE name = $1", (name,)):
                raise OperatorProblem(f"There is an operator named {name} already.")
            made = Operator(id=new_id("opr_"), name=name, role=role, created_ms=under_way.at_ms)
            self._database.execute(
                f"INSERT INTO operator ({_COLUMNS}, digest) VALUES ($1, $2, $3, $4, $5)",  # noqa: S608
                (*msgspec.structs.astuple(made), self._digest(token.encode())),
            )
            under_way.note("operator.create", made.id, name=name, role=role)
        return made, token

    def first(self) -> tuple[Operator, str] | None:
        """The first operator of a fresh gateway, an owner, with the token; None where there is one already."""
        return None if self.list() else self.create("owner", "owner", actor="system")

    def list(self) -> Operators:
        """All of them, the oldest first."""
        return self._select("ORDER BY created_ms, id")

    def find(self, handle: str) -> Operator:
        """The one with this id or name. Raises OperatorProblem."""
        found = self._select("WHERE id = $1 OR name = $1", (handle,))
        if not found:
            raise OperatorProblem(f"There is no operator {handle}.")
        return found[0]

    def by_token(self, token: str) -> Operator | None:
        """Whose token it is."""
        found = self._select("WHERE digest = $1", (self._digest(token.encode()),))
        return found[0] if found else None

    def renew(self, handle: str, *, actor: str) -> tuple[Operator, str]:
        """A new token, and whoever is signed in by the one before is no longer. Raises OperatorProblem."""
        token = new_secret(SCHEME)
        with change(self._database, actor) as under_way:
            found = self.find(handle)
            digest = self._digest(token.encode())
            self._database.execute("UPDATE operator SET digest = $2 WHERE id = $1", (found.id, digest))
            self._database.execute("DELETE FROM operator_session WHERE operator = $1", (found.id,))
            under_way.note("operator.renew", found.id, name=found.name)
        return found, token

    def remove(self, handle: str, *, actor: str) -> Operator:
        """End it with its sessions. Raises OperatorProblem, also for the last owner: nobody could make another."""
        with change(self._database, actor) as under_way:
            found = self.find(handle)
            if found.role == "owner" and sum(one.role == "owner" for one in self.list()) == 1:
                raise OperatorProblem(f"{found.name} is the last owner. Make another one first.")
            self._database.execute("DELETE FROM operator_session WHERE operator = $1", (found.id,))
            self._database.execute("DELETE FROM operator WHERE id = $1", (found.id,))
            under_way.note("operator.remove", found.id, name=found.name, role=found.role)
        return found

    def _select(self, condition: str, params: Sequence[Value] = ()) -> Operators:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM operator {condition}", params)  # noqa: S608
        names = Operator.__struct_fields__
        return [msgspec.convert(dict(zip(names, row, strict=True)), Operator) for row in rows]
