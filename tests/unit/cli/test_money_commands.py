"""`nexusflow accounts`, `credit`, `refund`, `budgets` and `keys` as a user types them (L04, L65, SEC-54, SEC-58)."""

import getpass
import json
import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nexusflow.accounts import Directory
from nexusflow.cli import tables
from nexusflow.cli.main import main
from nexusflow.keys import KeyCache, is_well_formed
from nexusflow.store import Database, open_store
from tests.support.stores import Store

Run = Callable[..., Result]
Told = Callable[..., Any]


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program against `store`; for PostgreSQL its address is in an environment variable."""
    if store.at.kind == "postgres":
        monkeypatch.setenv("DATABASE_URL", (store.root / "database-url").read_text())
        where = ["--database", "DATABASE_URL", "--data", str(store.root / ".nexusflow")]
    else:
        where = ["--data", str(store.root / ".nexusflow")]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, *where])

    run("keys", "create", "--name", "first")
    return run


@pytest.fixture
def told(run: Run) -> Told:
    """What a command that must succeed says in JSON."""

    def told(*arguments: str) -> Any:
        result = run(*arguments, "--format", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return told


def opened(store: Store) -> Database:
    return open_store(store.at, store.root)


def test_an_organisation_from_its_making_to_its_suspension(run: Run, told: Told) -> None:
    acme = told("accounts", "create", "acme", "--plan", "team", "--credit-line", "10")
    assert re.fullmatch(r"org_[a-z2-7]{16}", acme["id"])
    assert (acme["status"], acme["plan"], acme["balance"], acme["available"]) == ("active", "team", "0.00", "10.00")
    team = told("accounts", "team", "add", "acme", "research")
    user = told("accounts", "user", "add", "acme", "bob")
    assert told("accounts", "suspend", "acme/bob")["status"] == "suspended"
    shown = told("accounts", "show", acme["id"])
    assert shown == {**acme, "teams": [team], "users": [{**user, "status": "suspended"}]}
    assert told("accounts", "resume", "acme/bob") == user
    assert told("accounts", "credit-line", "acme", "unlimited")["available"] == "unlimited"
    assert told("accounts", "credit-line", "acme", "0.000000001")["credit_line"] == "0.000000001"
    assert told("accounts", "plan", "acme")["id"] == acme["id"]
    assert [row["name"] for row in told("accounts", "list")] == ["default", "acme"]
    table = run("accounts", "show", "acme").stdout
    assert all(word in table for word in (acme["id"], team["id"], user["id"], "research", "bob"))


def test_L65_money_goes_in_once_and_exactly(run: Run, told: Told) -> None:
    told("accounts", "create", "acme")
    made = told("credit", "acme", "12.500000001", "--source", "bank", "--memo", "June", "--id", "invoice-7")
    assert (made["id"], made["amount"], made["balance"], made["debit"]) == (
        "invoice-7",
        "12.500000001",
        "12.500000001",
        "funding:bank",
    )
    again = told("credit", "acme", "12.500000001", "--source", "bank", "--memo", "June", "--id", "invoice-7")
    assert again == made
    assert run("credit", "acme", "13", "--source", "bank", "--id", "invoice-7").exit_code == 1
    assert told("accounts", "adjust", "acme", "-2.5", "--reason", "typing error")["amount"] == "2.50"
    assert told("accounts", "show", "acme")["balance"] == "10.000000001"
    assert run("accounts", "adjust", "acme", "-10.01", "--reason", "too much").exit_code == 1
    assert "Its balance is 11.000000001." in run("credit", "acme", "1").stdout


@pytest.mark.parametrize("amount", ["0", "-1", "1.0000000001", "1e3", "NaN", "1,5", "", "99999999999", "0x10", "１"])
def test_an_amount_is_read_exactly_or_not_at_all(run: Run, told: Told, amount: str) -> None:
    result = run("credit", "--", "default", amount) if amount.startswith("-") else run("credit", "default", amount)
    assert result.exit_code == 2
    assert told("accounts", "show", "default")["balance"] == "0.00"


def test_a_charge_is_given_back(run: Run, told: Told, store: Store) -> None:
    with opened(store) as database, database.transaction():
        database.execute(
            "INSERT INTO transfer (id, kind, debit, credit, amount, org, request, basis, at_ms, posted_ms)"
            " VALUES ('01REQ', 'charge', 'wallet:org_default', 'revenue', 700000000, 'org_default', '01REQ',"
            " 'reported', 1, 1)"
        )
        database.execute("UPDATE wallet SET spent = 700000000")
    assert told("refund", "01REQ", "--amount", "0.2", "--reason", "slow")["amount"] == "0.20"
    rest = told("refund", "01REQ", "--reason", "slow", "--id", "t-1")
    assert (rest["amount"], rest["org"], rest["request"]) == ("0.50", "org_default", "01REQ")
    assert told("refund", "01REQ", "--reason", "slow", "--id", "t-1") == rest
    assert told("accounts", "show", "default")["balance"] == "0.00"
    result = run("refund", "01REQ", "--reason", "again")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "0.00 can still be refunded" in result.stderr
    assert run("refund", "02REQ", "--reason", "x").exit_code == 1
    assert run("refund", "01REQ").exit_code == 2


def test_budgets_are_made_listed_and_removed(run: Run, told: Told, store: Store) -> None:
    key = told("keys", "create", "--name", "ci")
    one = told("budgets", "create", "key", "ci", "12.5", "--per", "day")
    assert (one["subject"], one["amount"], one["per"], one["mode"], one["org"]) == (
        key["id"],
        "12.50",
        "day",
        "hard",
        None,
    )
    two = told("budgets", "create", "model", "*", "1", "--per", "total", "--soft", "--org", "default")
    assert (two["mode"], two["org"]) == ("soft", "org_default")
    with opened(store) as database:
        for subject, spent in (("a", 5), ("b", 7)):
            database.execute(
                "INSERT INTO budget_spend (budget, subject, period_start, spent, held) VALUES ($1, $2, 0, $3, 1)",
                (two["id"], subject, spent),
            )
    rows = told("budgets", "list")
    assert [(row["id"], row["spent_by"], row["spent"]) for row in rows] == [
        (one["id"], None, "0.00"),
        (two["id"], "a", "0.000000005"),
        (two["id"], "b", "0.000000007"),
    ]
    assert [row["id"] for row in told("budgets", "list", "--org", "default")] == [two["id"]] * 2
    assert told("budgets", "remove", one["id"]) == one
    assert run("budgets", "remove", one["id"]).exit_code == 1
    assert run("budgets", "create", "user", "alice", "1").exit_code == 2
    assert run("budgets", "create", "key", "nobody", "1").exit_code == 1


def test_SEC54_a_key_gets_scopes_and_an_organisation(run: Run, told: Told) -> None:
    acme = told("accounts", "create", "acme")
    user = told("accounts", "user", "add", "acme", "bob")
    key = told(
        "keys", "create", "--name", "ci", "--org", "acme", "--owner", "bob", "--rpm", "60",
        "--model", "qwen*", "--model", "deepseek", "--ip", "192.0.2.0/24", "--endpoint", "chat",
        "--protocol", "openai/chat-completions",
    )  # fmt: skip
    assert is_well_formed(key.pop("secret"))
    assert (key["org"], key["owner"], key["rpm"]) == (acme["id"], user["id"], 60)
    assert (key["models"], key["ips"], key["endpoints"]) == (["qwen*", "deepseek"], ["192.0.2.0/24"], ["chat"])
    changed = told("keys", "update", "ci", "--model", "any", "--rpm", "none", "--expires", "2999-01-01")
    assert changed == {**key, "models": [], "rpm": None, "expires": "2999-01-01T00:00:00Z"}
    assert told("keys", "update", "ci", "--expires", "never", "--name", "prod")["expires"] is None
    assert [row["name"] for row in told("keys", "list", "--org", "acme")] == ["prod"]
    for wrong in (
        ["keys", "update", "prod"],
        ["keys", "update", "prod", "--ip", "nowhere"],
        ["keys", "update", "prod", "--rpm", "many"],
        ["keys", "create", "--name", "x", "--endpoint", "kitchen"],
        ["keys", "create", "--name", "x", "--owner", "nobody"],
        ["keys", "create", "--name", "x", "--admin", "all"],
    ):
        assert run(*wrong).exit_code == 2
    assert run("keys", "create", "--name", "x", "--org", "nobody").exit_code == 1
    assert len(told("keys", "list")) == 2


def test_L04_SEC55_a_key_is_rotated_with_a_grace(run: Run, told: Told, store: Store) -> None:
    old = run("keys", "create", "--name", "ci", "--quiet").stdout.strip()
    key = told("keys", "list")[-1]
    with opened(store) as database:
        pepper = (store.root / ".nexusflow" / "pepper").read_bytes()
        known = KeyCache(database, pepper)
        new = run("keys", "rotate", "ci", "--grace", "24h", "--quiet").stdout.strip()
        assert is_well_formed(new)
        assert known.refresh()
        assert [found.id for secret in (old, new) if (found := known.lookup(secret))] == [key["id"]] * 2
        database.execute("INSERT INTO key_use (key_id, calls, last_used_ms) VALUES ($1, 3, 86400000)", (key["id"],))
        assert run("keys", "revoke", old).exit_code == 0
        known.refresh()
        assert known.lookup(old) is None
        known.close()
    rows = {row["id"]: row for row in told("keys", "list")}
    assert (rows[key["id"]]["calls"], rows[key["id"]]["last_used"]) == (3, "1970-01-02T00:00:00Z")
    assert {row["replaced_by"] for row in rows.values()} == {None, key["id"]}
    for wrong in ("soon", "24", "1y"):
        assert run("keys", "rotate", "ci", "--grace", wrong).exit_code == 2
    assert "has a new secret" in run("keys", "rotate", "ci", "--grace", "0m").stdout


def test_SEC58_the_audit_log_names_who_typed(run: Run, told: Told) -> None:
    secret = told("keys", "create", "--name", "ci")["secret"]
    told("accounts", "create", "acme")
    told("credit", "acme", "5")
    log = told("accounts", "audit", "--limit", "3")
    assert [entry["action"] for entry in log] == ["money.credit", "organisation.create", "key.create"]
    me = pwd.getpwuid(os.getuid()).pw_name
    assert {entry["actor"] for entry in log} == {f"cli:{me}"}
    assert log[0]["detail"]["amount"] == "5.00"
    assert secret[11:-4] not in json.dumps(told("accounts", "audit"))
    [rest] = told("accounts", "audit", "--before", log[-1]["id"])
    assert rest["detail"]["name"] == "first"
    assert "money.credit" in run("accounts", "audit").stdout


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert tables.actor() == f"cli:{os.getuid()}"


def test_SEC55_a_running_worker_follows_the_command_line(run: Run, told: Told, store: Store) -> None:
    told("accounts", "create", "acme")
    with opened(store) as database:
        known = Directory(database)
        assert not known.refresh()
        told("accounts", "suspend", "acme")
        assert known.refresh()
        told("budgets", "create", "org", "acme", "1")
        assert known.refresh()
        known.close()


@pytest.mark.parametrize(
    "command",
    [
        ["accounts", "list"],
        ["accounts", "show", "default"],
        ["credit", "default", "1"],
        ["refund", "x", "--reason", "y"],
        ["budgets", "list"],
    ],
)
def test_a_mistyped_folder_is_told_and_not_created(tmp_path: Path, command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "--data" in result.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["accounts", "create", "default"],
        ["accounts", "show", "nobody"],
        ["accounts", "suspend", "default/nobody"],
        ["accounts", "team", "add", "nobody", "x"],
        ["credit", "nobody", "1"],
    ],
)
def test_what_cannot_be_done_exits_with_1_and_a_sentence(run: Run, command: list[str]) -> None:
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
