"""Rotation, changes and accounts of keys, on either database (SEC-54, SEC-55, L04)."""

from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.accounts import AccountTable, AccountUnknown
from nexusflow.keys import Changes, Key, KeyAmbiguous, KeyCache, KeyInvalid, KeyTable, KeyUse, Scopes
from nexusflow.keys.model import wall_ms
from nexusflow.store import Database, StoreError
from tests.support.stores import Store

HOUR_MS = 3_600_000


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        yield database


@pytest.fixture
def clock() -> list[int]:
    return [wall_ms()]


@pytest.fixture
def known(database: Database, pepper: bytes, clock: list[int]) -> Iterator[KeyCache]:
    known = KeyCache(database, pepper, lambda: clock[0])
    yield known
    known.close()


def test_a_key_belongs_to_the_default_organisation_and_may_do_all(table: KeyTable) -> None:
    key, _ = table.create("ci")
    assert table.find(key.id) == key
    assert (key.org, key.team, key.owner, key.plan, key.rpm, key.scopes) == (
        "org_default",
        None,
        None,
        None,
        None,
        Scopes(),
    )


def test_all_that_is_given_to_a_key_is_kept(table: KeyTable, database: Database, known: KeyCache) -> None:
    accounts = AccountTable(database)
    acme = accounts.create_organisation("acme", actor="t")
    team = accounts.create_team("acme", "research", actor="t")
    bob = accounts.create_member("acme", "bob", actor="t")
    scopes = Scopes(
        models=("qwen*",),
        protocols=("openai/chat-completions",),
        endpoints=("chat",),
        ips=("192.0.2.0/24", "2001:db8::/32"),
    )
    key, secret = table.create(
        "ci", org="acme", team="research", owner=bob.id, plan="team", rpm=60, scopes=scopes, actor="t"
    )
    assert (key.org, key.team, key.owner, key.plan, key.rpm, key.scopes) == (
        acme.id,
        team.id,
        bob.id,
        "team",
        60,
        scopes,
    )
    assert table.find("ci") == key
    known.refresh()
    assert known.lookup(secret) == key


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"org": "nobody"}, AccountUnknown),
        ({"org": "acme", "team": "sales"}, KeyInvalid),
        ({"team": "research"}, KeyInvalid),
        ({"owner": "bob"}, KeyInvalid),
        ({"rpm": 0}, KeyInvalid),
        ({"rpm": 10**7}, KeyInvalid),
        ({"plan": ""}, KeyInvalid),
        ({"scopes": Scopes(models=("a b",))}, KeyInvalid),
        ({"scopes": Scopes(models=("",))}, KeyInvalid),
        ({"scopes": Scopes(protocols=("openai",))}, KeyInvalid),
        ({"scopes": Scopes(endpoints=("chats",))}, KeyInvalid),
        ({"scopes": Scopes(ips=("192.0.2.1/24",))}, KeyInvalid),
        ({"scopes": Scopes(ips=("example.com",))}, KeyInvalid),
        ({"scopes": Scopes(ips=("192.0.2.1",) * 201)}, KeyInvalid),
        ({"scopes": Scopes(admin="all")}, KeyInvalid),  # type: ignore[arg-type]
    ],
)
def test_what_means_nothing_is_refused(
    table: KeyTable, database: Database, given: dict[str, Any], problem: type[Exception]
) -> None:
    accounts = AccountTable(database)
    accounts.create_organisation("acme", actor="t")
    accounts.create_team("acme", "research", actor="t")
    accounts.create_member("acme", "bob", actor="t")
    with pytest.raises(problem):
        table.create("ci", **given)
    assert table.list() == []


def test_SEC55_both_secrets_work_until_the_grace_is_over(
    table: KeyTable, known: KeyCache, clock: list[int], database: Database
) -> None:
    key, old = table.create("ci", scopes=Scopes(models=("qwen*",)), rpm=7)
    known.refresh()
    renewed, new = table.rotate("ci", HOUR_MS)
    assert known.refresh()
    assert (renewed.id, renewed.scopes, renewed.rpm) == (key.id, key.scopes, 7)
    assert renewed.masked != key.masked
    for secret, masked in ((old, key.masked), (new, renewed.masked)):
        found = known.lookup(secret)
        assert found is not None
        assert (found.id, found.masked, found.scopes, found.rpm) == (key.id, masked, key.scopes, 7)
    clock[0] = database.now_ms() + HOUR_MS
    assert known.lookup(old) is None
    assert known.lookup(new) is not None
    assert known.lookup(new) == table.find(key.id) == table.find("ci") == renewed


def test_no_grace_ends_the_old_secret_at_once(table: KeyTable, known: KeyCache, clock: list[int]) -> None:
    _, old = table.create("ci")
    _, new = table.rotate("ci", 0)
    known.refresh()
    clock[0] = wall_ms() + 1000
    assert known.lookup(old) is None
    assert known.lookup(new) is not None


def test_a_rotation_does_not_outlive_the_key(table: KeyTable, known: KeyCache, clock: list[int]) -> None:
    end = wall_ms() + HOUR_MS
    _, old = table.create("ci", end)
    renewed, new = table.rotate("ci", 2 * HOUR_MS)
    assert renewed.expires_ms == end
    known.refresh()
    clock[0] = end - 1
    assert None not in (known.lookup(old), known.lookup(new))
    clock[0] = end
    assert (known.lookup(old), known.lookup(new)) == (None, None)


def test_revoking_ends_every_secret(table: KeyTable, known: KeyCache) -> None:
    key, old = table.create("ci")
    _, new = table.rotate("ci", HOUR_MS)
    known.refresh()
    assert table.revoke("ci").id == key.id
    known.refresh()
    assert (known.lookup(old), known.lookup(new)) == (None, None)
    assert {one.status(wall_ms()) for one in table.list()} == {"revoked"}


def test_the_former_secret_can_be_ended_alone(table: KeyTable, known: KeyCache) -> None:
    key, old = table.create("ci")
    _, new = table.rotate("ci", HOUR_MS)
    former = table.revoke(old)
    assert former.replaced_by == key.id
    assert former.id != key.id
    known.refresh()
    assert known.lookup(old) is None
    assert known.lookup(new) is not None


def test_there_are_never_three_secrets(table: KeyTable) -> None:
    key, old = table.create("ci")
    table.rotate("ci", HOUR_MS)
    former = table.find(old)
    with pytest.raises(KeyInvalid, match=former.id):
        table.rotate("ci", HOUR_MS)
    with pytest.raises(KeyInvalid, match=key.id):
        table.rotate(former.id, HOUR_MS)
    table.revoke(former.id)
    assert table.rotate("ci", HOUR_MS)[0].id == key.id


@pytest.mark.parametrize("grace", [-1, 91 * 86_400_000])
def test_an_endless_grace_is_refused(table: KeyTable, grace: int) -> None:
    key, _ = table.create("ci")
    with pytest.raises(KeyInvalid, match="90 days"):
        table.rotate("ci", grace)
    assert table.list() == [key]


def test_an_ended_key_is_not_rotated(table: KeyTable) -> None:
    table.create("ci")
    table.revoke("ci")
    with pytest.raises(KeyInvalid, match="has ended"):
        table.rotate("ci", HOUR_MS)


def test_a_rotated_name_still_names_one_key(table: KeyTable) -> None:
    key, _ = table.create("ci")
    table.rotate("ci", HOUR_MS)
    assert table.find("ci").id == key.id
    table.create("ci")
    with pytest.raises(KeyAmbiguous, match="2 keys"):
        table.find("ci")


def test_an_update_changes_what_is_given_and_nothing_else(table: KeyTable, known: KeyCache) -> None:
    end = wall_ms() + HOUR_MS
    key, secret = table.create("ci", end, rpm=5, plan="team")
    known.refresh()
    after = table.update("ci", Changes(rpm=None, scopes=Scopes(models=("a",)), name="prod"))
    assert (after.id, after.name, after.rpm, after.plan, after.expires_ms) == (key.id, "prod", None, "team", end)
    assert known.refresh()
    assert known.lookup(secret) == after == table.find("prod")
    assert table.update("prod", Changes(expires_ms=None, plan=None, scopes=Scopes())).expires_ms is None
    assert table.update("prod", Changes(expires_ms=end)).expires_ms == end


@pytest.mark.parametrize(
    "changes",
    [
        Changes(name=""),
        Changes(rpm=0),
        Changes(expires_ms=1),
        Changes(team="nobody"),
        Changes(owner="nobody"),
        Changes(plan=" "),
        Changes(scopes=Scopes(ips=("x",))),
    ],
)
def test_an_update_to_nonsense_changes_nothing(table: KeyTable, changes: Changes) -> None:
    key, _ = table.create("ci")
    with pytest.raises(KeyInvalid):
        table.update("ci", changes)
    assert table.find("ci") == key


def test_SEC54_a_narrowed_key_is_narrow_for_its_former_secret_too(
    table: KeyTable, known: KeyCache, clock: list[int]
) -> None:
    _, old = table.create("ci")
    table.rotate("ci", HOUR_MS)
    end = wall_ms() + HOUR_MS // 2
    table.update("ci", Changes(scopes=Scopes(models=("a",)), expires_ms=end))
    known.refresh()
    found = known.lookup(old)
    assert found is not None
    assert found.scopes.models == ("a",)
    clock[0] = end
    assert known.lookup(old) is None
    with pytest.raises(KeyInvalid, match="former secret"):
        table.update(old, Changes(rpm=1))


def test_L04_uses_are_told_by_key(table: KeyTable, database: Database) -> None:
    key, _ = table.create("ci")
    table.create("unused")
    database.execute("INSERT INTO key_use (key_id, calls, last_used_ms) VALUES ($1, 3, 99)", (key.id,))
    assert table.uses() == {key.id: KeyUse(3, 99)}


def test_unreadable_scopes_never_open_a_key(table: KeyTable, database: Database, known: KeyCache) -> None:
    _, secret = table.create("ci", scopes=Scopes(models=("a",)))
    known.refresh()
    database.execute("UPDATE api_key SET scopes = '{\"models\": 1}', change = change + 1")
    with pytest.raises(StoreError, match="damaged"):
        known.refresh()
    found: Key | None = known.lookup(secret)
    assert found is not None
    assert found.scopes.models == ("a",)
