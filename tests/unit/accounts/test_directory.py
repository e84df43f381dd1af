"""Who pays: from memory, following the database, with every budget that applies (L06, L59, SEC-54, SEC-55)."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from nexusflow.accounts import AccountTable, BudgetTable, Directory, directory
from nexusflow.ir.account import DEFAULT_ORG, Bound, Budget, Counter, Payer
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.keys import Key, KeyTable
from nexusflow.store import Database
from tests.support.stores import Store

ME = "cli:ann"
DAY_MS = 86_400_000
NOW = 20_780 * DAY_MS + 5  # a Monday
OTHER_PROCESS = """
from nexusflow.accounts import AccountTable
with store.open() as database:
    AccountTable(database).suspend(sys.argv[1], actor="cli:elsewhere")
"""


@pytest.fixture
def known(database: Database) -> Iterator[Directory]:
    known = Directory(database)
    yield known
    known.close()


def key(**given: Any) -> Key:
    return Key(id="key_1", name="ci", prefix="sk-air-abcd", last4="wxyz", created_ms=0, **given)


def budget(id: str, scope: Any, subject: str = "*", period: Any = "total", **given: Any) -> Budget:
    return Budget(id=id, scope=scope, subject=subject, period=period, amount=100, **given)


def counted(payer: Payer) -> set[tuple[str, str]]:
    return {(bound.counter.budget, bound.counter.subject) for bound in payer.bounds}


def refusal(known: Directory, key: Key) -> tuple[Kind, str | None, int | None]:
    with pytest.raises(RequestRefused) as caught:
        known.payer(key, "m", None, NOW)
    problem = caught.value.problem
    return problem.kind, problem.code, problem.retry_after


def test_without_budgets_the_keys_organisation_pays(known: Directory) -> None:
    assert known.payer(key(), "m", None, NOW) == Payer(org=DEFAULT_ORG, team=None, key="key_1", user=None, bounds=())
    assert known.payer(key(), "m", "alice", NOW).user == "alice"


def test_budgets_of_every_scope_apply(
    accounts: AccountTable, budgets: BudgetTable, known: Directory, keys: KeyTable
) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    team = accounts.create_team("acme", "research", actor=ME)
    bob = accounts.create_member("acme", "bob", actor=ME)
    mine, _ = keys.create("ci", org="acme", team="research", owner="bob", actor=ME)
    made = [
        budgets.create("org", "acme", "month", 1, actor=ME),
        budgets.create("team", "acme/research", "week", 2, actor=ME),
        budgets.create("key", mine.id, "day", 3, actor=ME, mode="soft"),
        budgets.create("user", "acme/bob", "total", 4, actor=ME),
        budgets.create("model", "qwen", "day", 5, actor=ME, org="acme"),
    ]
    budgets.create("model", "qwen", "day", 6, actor=ME, org="default")
    budgets.create("model", "deepseek", "day", 7, actor=ME)
    accounts.create_team("acme", "sales", actor=ME)
    budgets.create("team", "acme/sales", "day", 8, actor=ME)
    assert known.refresh()
    payer = known.payer(mine, "qwen", None, NOW)
    ids = [one.id for one in made]
    expected = {
        Bound(Counter(ids[0], acme.id, NOW - 5 - 22 * DAY_MS), 1, "hard", "org", NOW - 5 + 8 * DAY_MS),
        Bound(Counter(ids[1], team.id, NOW - 5), 2, "hard", "team", NOW - 5 + 7 * DAY_MS),
        Bound(Counter(ids[2], mine.id, NOW - 5), 3, "soft", "key", NOW - 5 + DAY_MS),
        Bound(Counter(ids[3], f"{acme.id}/{bob.id}", 0), 4, "hard", "user", 1 << 62),
        Bound(Counter(ids[4], "qwen", NOW - 5), 5, "hard", "model", NOW - 5 + DAY_MS),
    }
    assert set(payer.bounds) == expected
    assert list(payer.bounds) == sorted(payer.bounds, key=lambda bound: bound.counter)
    assert (payer.org, payer.team, payer.key, payer.user) == (acme.id, team.id, mine.id, bob.id)


def test_a_star_gives_each_subject_a_sum_of_its_own(known: Directory) -> None:
    known.set_config_budgets([budget(f"b_{scope}", scope) for scope in ("org", "team", "key", "user", "model")])
    assert counted(known.payer(key(), "m", None, NOW)) == {
        ("b_org", DEFAULT_ORG),
        ("b_key", "key_1"),
        ("b_model", "m"),
    }
    assert ("b_user", f"{DEFAULT_ORG}/alice") in counted(known.payer(key(), "m", "alice", NOW))
    assert ("b_user", f"{DEFAULT_ORG}/bob") in counted(known.payer(key(), "m", "bob", NOW))


def test_a_budget_of_a_user_tag_is_for_that_tag_in_that_organisation(
    budgets: BudgetTable, accounts: AccountTable, known: Directory
) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    one = budgets.create("user", "alice", "total", 5, actor=ME, org="acme")
    known.refresh()
    assert counted(known.payer(key(org=acme.id), "m", "alice", NOW)) == {(one.id, f"{acme.id}/alice")}
    assert known.payer(key(org=acme.id), "m", "bob", NOW).bounds == ()
    assert known.payer(key(), "m", "alice", NOW).bounds == ()


def test_the_same_tag_of_two_organisations_is_not_one_user(accounts: AccountTable, known: Directory) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    known.refresh()
    known.set_config_budgets([budget("b", "user")])
    subjects = {
        bound.counter.subject
        for org in (DEFAULT_ORG, acme.id)
        for bound in known.payer(key(org=org), "m", "alice", NOW).bounds
    }
    assert len(subjects) == 2


def test_an_owners_budget_holds_whatever_user_a_request_names(
    accounts: AccountTable, budgets: BudgetTable, known: Directory
) -> None:
    bob = accounts.create_member("default", "bob", actor=ME)
    eve = accounts.create_member("default", "eve", actor=ME)
    bobs = budgets.create("user", bob.id, "total", 5, actor=ME)
    budgets.create("user", eve.id, "total", 5, actor=ME)
    known.refresh()
    known.set_config_budgets([budget("each", "user")])
    owned = key(owner=bob.id)
    assert counted(known.payer(owned, "m", None, NOW)) == {
        (bobs.id, f"{DEFAULT_ORG}/{bob.id}"),
        ("each", f"{DEFAULT_ORG}/{bob.id}"),
    }
    assert counted(known.payer(owned, "m", "alice", NOW)) == {
        (bobs.id, f"{DEFAULT_ORG}/{bob.id}"),
        ("each", f"{DEFAULT_ORG}/alice"),
    }
    pretended = known.payer(owned, "m", eve.id, NOW)
    assert eve.id not in repr(pretended)
    assert pretended.user is not None
    assert pretended.user.startswith("sha256:")


@pytest.mark.parametrize("tag", ["*", "", "a" * 10_000, "nul\0", "\ud800", "line\nbreak"])
def test_any_tag_is_counted_once_and_can_be_stored(known: Directory, database: Database, tag: str) -> None:
    known.set_config_budgets([budget("b", "user")])
    payer = known.payer(key(), "m", tag, NOW)
    assert known.payer(key(), "m", tag, NOW) == payer
    assert len(payer.bounds) == (0 if tag == "" else 1)
    for text in [bound.counter.subject for bound in payer.bounds] + [payer.user or "nobody"]:
        assert len(text) < 150
        assert database.execute("SELECT CAST($1 AS TEXT)", (text,)) == [(text,)]
    if tag == "a" * 10_000:
        assert known.payer(key(), "m", tag + "a", NOW).user != payer.user


def test_an_answer_is_remembered_until_its_period_ends(known: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    find = directory._find

    def counting(*arguments: Any) -> Payer:
        found.append("find")
        return find(*arguments)

    monkeypatch.setattr(directory, "_find", counting)
    known.set_config_budgets([budget("b", "org", period="day"), budget("c", "org", period="month")])
    mine = key()
    first = known.payer(mine, "m", None, NOW)
    assert known.payer(mine, "m", None, NOW - 5 + DAY_MS - 1) is first
    assert len(found) == 1
    second = known.payer(mine, "m", None, NOW - 5 + DAY_MS)
    assert len(found) == 2
    assert first.bounds[0].ends_ms == second.bounds[0].counter.period_start
    known.payer(mine, "other", None, NOW)
    assert len(found) == 3


def test_a_changed_key_is_looked_at_again(accounts: AccountTable, known: Directory) -> None:
    team = accounts.create_team("default", "research", actor=ME)
    known.refresh()
    before = key()
    assert known.payer(before, "m", None, NOW).team is None
    assert known.payer(msgspec.structs.replace(before, team=team.id), "m", None, NOW).team == team.id


def test_memory_stays_bounded_whatever_tags_come(known: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_REMEMBERED", 50)
    mine = key()
    for number in range(500):
        known.payer(mine, "m", f"user {number}", NOW)
    assert len(known._state.known) <= 50


@pytest.mark.parametrize("part", ["acme", "acme/research", "acme/bob"])
def test_L06_a_suspended_organisation_team_or_user_gets_403(
    accounts: AccountTable, known: Directory, part: str
) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    team = accounts.create_team("acme", "research", actor=ME)
    bob = accounts.create_member("acme", "bob", actor=ME)
    known.refresh()
    mine = key(org=acme.id, team=team.id, owner=bob.id)
    known.payer(mine, "m", None, NOW)
    accounts.suspend(part, actor=ME)
    assert known.refresh()
    assert refusal(known, mine) == (Kind.PERMISSION, "account_suspended", None)
    known.payer(key(), "m", None, NOW)
    accounts.resume(part, actor=ME)
    known.refresh()
    known.payer(mine, "m", None, NOW)


@pytest.mark.parametrize("given", [{"org": "org_new"}, {"team": "team_new"}, {"owner": "usr_new"}])
def test_an_account_not_read_yet_is_not_served_unbounded(known: Directory, given: dict[str, str]) -> None:
    assert refusal(known, key(**given)) == (Kind.STORE, None, 1)


def test_a_removed_budget_and_another_gateway_yaml_end_their_bounds(budgets: BudgetTable, known: Directory) -> None:
    one = budgets.create("org", "*", "total", 5, actor=ME)
    known.refresh()
    known.set_config_budgets([budget("first", "org")])
    mine = key()
    assert {name for name, _ in counted(known.payer(mine, "m", None, NOW))} == {one.id, "first"}
    known.set_config_budgets([budget("second", "org")])
    assert {name for name, _ in counted(known.payer(mine, "m", None, NOW))} == {one.id, "second"}
    budgets.remove(one.id, actor=ME)
    assert known.refresh()
    assert {name for name, _ in counted(known.payer(mine, "m", None, NOW))} == {"second"}


def test_nothing_is_read_again_that_did_not_change(keys: KeyTable, known: Directory) -> None:
    assert not known.refresh()
    keys.create("ci", actor=ME)
    assert not known.refresh()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; the deadline only ends a broken test."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.01)


def test_SEC55_a_watching_directory_follows_what_another_process_does(
    store: Store, accounts: AccountTable, known: Directory
) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    known.refresh()
    mine = key(org=acme.id)
    known.payer(mine, "m", None, NOW)

    def refused() -> bool:
        try:
            known.payer(mine, "m", None, NOW)
        except RequestRefused:
            return True
        return False

    async def scenario() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(known.watch(stop))
        process = await asyncio.to_thread(store.spawn, OTHER_PROCESS, "acme")
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, errors
        await until(refused)
        stop.set()
        await asyncio.wait_for(watching, 60)

    asyncio.run(scenario())
