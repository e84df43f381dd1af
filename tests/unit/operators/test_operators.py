"""Operators and their sessions in both databases (SEC-08, SEC-58, SEC-75)."""

from collections.abc import Iterator

import pytest

from nexusflow.accounts.audit import entries
from nexusflow.keys.pepper import bind_pepper
from nexusflow.keys.secret import is_well_formed
from nexusflow.operators import Operator, OperatorProblem, OperatorTable, SessionTable
from nexusflow.operators.model import RIGHTS
from nexusflow.operators.sessions import IDLE_MS, LONGEST_MS
from nexusflow.store import Database
from tests.support.stores import Store

PEPPER = b"p" * 32


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        yield database


@pytest.fixture
def table(database: Database) -> OperatorTable:
    return OperatorTable(database, PEPPER)


@pytest.fixture
def sessions(database: Database) -> SessionTable:
    return SessionTable(database, bind_pepper(database, PEPPER))


def test_the_first_operator_is_made_once_and_is_an_owner(table: OperatorTable) -> None:
    first = table.first()
    assert first is not None
    assert (first[0].name, first[0].role) == ("owner", "owner")
    assert table.first() is None


def test_a_token_is_known_by_its_digest_alone_and_is_no_key(table: OperatorTable, database: Database) -> None:
    made, token = table.create("maria", "finance", actor="test")
    assert table.by_token(token) == made
    assert table.by_token(token[:-1] + "x") is None
    assert not is_well_formed(token)
    stored = database.execute("SELECT * FROM operator")
    assert token not in repr(stored) + repr(entries(database))


def test_names_are_taken_once_and_roles_are_known(table: OperatorTable) -> None:
    table.create("maria", "viewer", actor="test")
    with pytest.raises(OperatorProblem, match="already"):
        table.create("maria", "owner", actor="test")
    with pytest.raises(OperatorProblem, match="not one of"):
        table.create("eve", "root", actor="test")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(OperatorProblem):
        table.create("", "viewer", actor="test")


def test_the_last_owner_stays(table: OperatorTable) -> None:
    table.first()
    with pytest.raises(OperatorProblem, match="last owner"):
        table.remove("owner", actor="test")
    table.create("second", "owner", actor="test")
    assert table.remove("owner", actor="test").name == "owner"
    assert [one.name for one in table.list()] == ["second"]


def test_a_new_token_ends_the_sessions_of_the_one_before(table: OperatorTable, sessions: SessionTable) -> None:
    made, before = table.create("maria", "viewer", actor="test")
    secret = sessions.open(made)
    assert sessions.whose(secret) == made
    _, after = table.renew("maria", actor="test")
    assert sessions.whose(secret) is None
    assert (table.by_token(before), table.by_token(after)) == (None, made)


def test_signing_out_ends_one_session(table: OperatorTable, sessions: SessionTable) -> None:
    made, _ = table.create("maria", "viewer", actor="test")
    one, other = sessions.open(made), sessions.open(made)
    sessions.close(one)
    assert (sessions.whose(one), sessions.whose(other)) == (None, made)


@pytest.mark.parametrize(("column", "age"), [("created_ms", LONGEST_MS), ("seen_ms", IDLE_MS)])
def test_SEC08_a_session_has_an_end_whatever_happens(
    table: OperatorTable, sessions: SessionTable, database: Database, column: str, age: int
) -> None:
    made, _ = table.create("maria", "viewer", actor="test")
    secret = sessions.open(made)
    database.execute(f"UPDATE operator_session SET {column} = {column} - $1", (age - 60_000,))
    assert sessions.whose(secret) == made
    database.execute(f"UPDATE operator_session SET {column} = {column} - 120000")
    if column == "seen_ms":  # having been seen just now, it lasts another while
        assert sessions.whose(secret) == made
        database.execute("UPDATE operator_session SET seen_ms = seen_ms - $1", (age,))
    assert sessions.whose(secret) is None
    sessions.open(made)
    assert database.execute("SELECT count(*) FROM operator_session") == [(1,)]


def test_SEC58_every_change_of_operators_is_in_the_audit_log(table: OperatorTable, database: Database) -> None:
    table.first()
    table.create("maria", "viewer", actor="key:k")
    table.renew("maria", actor="key:k")
    table.remove("maria", actor="key:k")
    found = [(one.actor, one.action) for one in reversed(entries(database))]
    assert found == [
        ("system", "operator.create"),
        ("key:k", "operator.create"),
        ("key:k", "operator.renew"),
        ("key:k", "operator.remove"),
    ]


def test_only_owners_make_operators_and_all_may_look() -> None:
    everybody = [Operator(id="o", name="n", role=role, created_ms=0) for role in RIGHTS]
    assert {one.role for one in everybody if one.may("operators")} == {"owner"}
    assert all(one.may("read") for one in everybody)
    assert {one.role for one in everybody if one.may("money")} == {"owner", "finance"}
