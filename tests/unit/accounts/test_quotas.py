"""What is agreed beside the plans, and requests for more, on either database (contract 2.10, L64)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from nexusflow.accounts import AccountInvalid, AccountTable, AccountTaken, AccountUnknown, Directory, entries
from nexusflow.accounts.quotas import LARGEST, LONGEST_REASON, MOST_OPEN, Agreed, LimitRequest, QuotaTable
from nexusflow.accounts.quotas import RequestDecided as Decided
from nexusflow.ir.account import DEFAULT_ORG
from nexusflow.ir.quota import NONE, Quota
from nexusflow.keys import Changes, KeyTable
from nexusflow.store import Database, Page

ME = "cli:ann"
TEN = Quota(rpm=10)


@pytest.fixture
def quotas(database: Database) -> QuotaTable:
    return QuotaTable(database)


@pytest.fixture
def known(database: Database) -> Iterator[Directory]:
    known = Directory(database)
    yield known
    known.close()


@dataclass(frozen=True, slots=True)
class Acme:
    """An organisation with a team, a user, a key of its own and one of the user's."""

    org: str
    team: str
    bob: str
    key: str
    bobs: str


@pytest.fixture
def acme(accounts: AccountTable, keys: KeyTable) -> Acme:
    org = accounts.create_organisation("acme", actor=ME).id
    team = accounts.create_team("acme", "research", actor=ME).id
    bob = accounts.create_member("acme", "bob", actor=ME).id
    key, _ = keys.create("ci", org="acme", actor=ME)
    bobs, _ = keys.create("laptop", org="acme", owner="bob", actor=ME)
    return Acme(org, team, bob, key.id, bobs.id)


def ask(quotas: QuotaTable, acme: Acme, model: str = "", reason: str = "a launch", **wanted: int) -> LimitRequest:
    """A request of the key without an owner."""
    return quotas.ask(acme.org, acme.key, acme.key, model, Quota(**wanted), reason)


def trail(database: Database, count: int) -> list[tuple[str, str, dict[str, Any]]]:
    """The last changes, the oldest first, without what they leave open."""
    return [
        (one.action, one.subject, {name: value for name, value in one.detail.items() if value is not None})
        for one in reversed(entries(database, count))
    ]


def test_set_replaces_what_was_agreed_and_an_empty_one_ends_it(quotas: QuotaTable, acme: Acme) -> None:
    first = quotas.set(acme.key, Quota(rpm=10, streams=2), actor=ME)
    assert first == Agreed(org=acme.org, subject=acme.key, model="", quota=Quota(rpm=10, streams=2))
    other = quotas.set(acme.key, Quota(tpm=LARGEST, concurrency=0, tasks=1), actor=ME, model="qwen/max")
    assert quotas.list() == [first, other]
    second = quotas.set(acme.key, Quota(tpm=5), actor=ME)
    assert quotas.list() == [second, other]
    assert second.quota == Quota(tpm=5)
    assert quotas.set(acme.key, NONE, actor=ME).quota == NONE
    assert quotas.list() == [other]


def test_a_subject_goes_by_id_or_name_and_is_kept_as_its_id(quotas: QuotaTable, acme: Acme) -> None:
    for handle, subject in (
        ("acme", acme.org),
        (acme.org, acme.org),
        ("acme/research", acme.team),
        (acme.team, acme.team),
        ("acme/bob", acme.bob),
        (acme.key, acme.key),
    ):
        agreed = quotas.set(handle, TEN, actor=ME)
        assert (agreed.org, agreed.subject) == (acme.org, subject)
        assert quotas.list(handle) == quotas.list(subject) == [agreed]
    assert len(quotas.list()) == 4
    assert quotas.list("default") == []


def test_remove_returns_what_was_agreed_and_finds_nothing_afterwards(
    quotas: QuotaTable, database: Database, acme: Acme
) -> None:
    quotas.set(acme.bob, TEN, actor=ME)
    only = quotas.set(acme.bob, Quota(rpm=3), actor=ME, model="qwen")
    assert quotas.remove("acme/bob", actor=ME, model="qwen") == only
    assert [one.quota for one in quotas.list("acme/bob")] == [TEN]
    for subject, model in ((acme.bob, "qwen"), (acme.key, ""), ("nobody", "")):
        with pytest.raises(AccountUnknown) as caught:
            quotas.remove(subject, actor=ME, model=model)
        assert caught.value.field == "subject"
    assert trail(database, 1) == [("quota.remove", acme.bob, {"model": "qwen", "rpm": 3})]


def test_a_list_comes_in_pages(quotas: QuotaTable, acme: Acme) -> None:
    for each in (acme.key, acme.bob):
        for model in ("", "a", "vendor/b", "c"):
            quotas.set(each, TEN, actor=ME, model=model)
    quotas.set("acme", TEN, actor=ME)
    wanted: tuple[str | None, ...] = (None, acme.bob)
    for subject in wanted:
        whole = quotas.list(subject)
        assert len(whole) == (9 if subject is None else 4)
        found: list[Agreed] = []
        while rows := quotas.list(subject, Page(2, found[-1].id if found else None)):
            assert len(rows) <= 2
            found += rows
        assert found == whole


@pytest.mark.parametrize("name", Quota.__struct_fields__)
@pytest.mark.parametrize("bound", [-1, LARGEST + 1])
def test_a_bound_that_none_can_be_is_named(quotas: QuotaTable, acme: Acme, name: str, bound: int) -> None:
    wanted = Quota(**{name: bound})
    asked = ask(quotas, acme, rpm=1)
    for change in (
        lambda: quotas.set(acme.key, wanted, actor=ME),
        lambda: quotas.ask(acme.org, acme.key, acme.key, "", wanted, ""),
        lambda: quotas.approve(asked.id, actor=ME, quota=wanted),
    ):
        with pytest.raises(AccountInvalid) as caught:
            change()
        assert caught.value.field == name
    assert quotas.list() == []
    assert quotas.requests() == [asked]


def test_what_no_call_would_be_held_to_is_refused(
    quotas: QuotaTable, keys: KeyTable, database: Database, acme: Acme
) -> None:
    """Calls are counted for the user behind a key, and by organisation and team for all models together."""
    written = len(entries(database))
    for subject, model, field in (
        (acme.bobs, "", "subject"),
        (acme.bobs, "qwen", "subject"),
        (acme.org, "qwen", "model"),
        ("acme/research", "qwen", "model"),
        (acme.key, "m" * 129, "model"),
        (acme.key, "\0", "model"),
        (acme.key, " ", "model"),
    ):
        with pytest.raises(AccountInvalid) as caught:
            quotas.set(subject, TEN, actor=ME, model=model)
        assert caught.value.field == field
    for subject in ("nobody", "acme/nobody", "key_nobody", "team_nobody"):
        with pytest.raises(AccountUnknown) as unknown:
            quotas.set(subject, TEN, actor=ME)
        assert unknown.value.field == "subject"
    assert quotas.list() == []
    assert len(entries(database)) == written
    # What was agreed with a key before it had an owner can still be ended, and a request of then be denied.
    quotas.set(acme.key, TEN, actor=ME)
    asked = ask(quotas, acme, rpm=5)
    keys.update(acme.key, Changes(owner="bob"), actor=ME)
    with pytest.raises(AccountInvalid):
        quotas.approve(asked.id, actor=ME)
    assert quotas.deny(asked.id, actor=ME).state == "denied"
    quotas.set(acme.key, NONE, actor=ME)
    assert quotas.list() == []


def test_a_former_secret_is_no_subject(quotas: QuotaTable, keys: KeyTable, acme: Acme) -> None:
    keys.rotate(acme.key, 60_000, actor=ME)
    [former] = [one.id for one in keys.list(acme.org) if one.replaced_by == acme.key]
    assert quotas.set(acme.key, TEN, actor=ME).subject == acme.key
    with pytest.raises(AccountUnknown):
        quotas.set(former, TEN, actor=ME)


def test_a_request_is_filed_as_it_was_made(quotas: QuotaTable, database: Database, acme: Acme) -> None:
    written = len(entries(database))
    reason = "Zwei Zeilen,\nmit \N{WAVING HAND SIGN} und \N{ZERO WIDTH NON-JOINER}"
    made = ask(quotas, acme, "qwen", reason, rpm=50, concurrency=7)
    assert msgspec.structs.asdict(made) | {"id": "", "created_ms": 0} == {
        "id": "", "org": acme.org, "key_id": acme.key, "subject": acme.key, "model": "qwen", "rpm": 50, "tpm": None,
        "concurrency": 7, "reason": reason, "state": "open", "created_ms": 0, "decided_ms": None, "answer": None,
    }  # fmt: skip
    assert made.id.startswith("lrq_")
    assert abs(made.created_ms - database.now_ms()) < 3_600_000
    assert quotas.find(made.id) == made
    # It is no change of an operator's, and nothing is agreed yet.
    assert len(entries(database)) == written
    assert quotas.list() == []
    with pytest.raises(AccountUnknown):
        quotas.find("lrq_none")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "rpm"),
        ({"streams": 3, "tasks": 3}, "rpm"),
        ({"rpm": 1, "reason": "x" * (LONGEST_REASON + 1)}, "reason"),
        ({"rpm": 1, "reason": "nul\0"}, "reason"),
        ({"rpm": 1, "reason": "\ud800"}, "reason"),
        ({"rpm": 1, "model": "\x1b[2J"}, "model"),
    ],
)
def test_what_cannot_be_asked_is_named(quotas: QuotaTable, acme: Acme, given: dict[str, Any], field: str) -> None:
    with pytest.raises(AccountInvalid) as caught:
        ask(quotas, acme, **given)
    assert caught.value.field == field
    assert quotas.requests() == []


def test_the_longest_names_and_reasons_are_kept(quotas: QuotaTable, acme: Acme) -> None:
    made = ask(quotas, acme, "m" * 128, "ä" * LONGEST_REASON, rpm=LARGEST)
    assert quotas.find(made.id) == made
    quotas.approve(made.id, actor=ME)
    assert [(one.model, one.quota.rpm) for one in quotas.list()] == [("m" * 128, LARGEST)]


def test_a_key_has_so_many_open_requests_and_no_more(quotas: QuotaTable, acme: Acme) -> None:
    made = [ask(quotas, acme, rpm=number) for number in range(MOST_OPEN)]
    assert MOST_OPEN == 10
    with pytest.raises(AccountTaken):
        ask(quotas, acme, rpm=99)
    # Another key's are its own, and one that is decided makes room.
    quotas.ask(acme.org, acme.bobs, acme.bob, "", TEN, "")
    quotas.deny(made[3].id, actor=ME)
    ask(quotas, acme, rpm=99)
    with pytest.raises(AccountTaken):
        ask(quotas, acme, rpm=100)


def test_requests_are_listed_by_state_and_key_in_pages(quotas: QuotaTable, acme: Acme) -> None:
    mine = [ask(quotas, acme, rpm=number) for number in range(5)]
    bobs = quotas.ask(acme.org, acme.bobs, acme.bob, "", TEN, "")
    denied = quotas.deny(mine[1].id, actor=ME)
    approved = quotas.approve(mine[2].id, actor=ME)
    assert quotas.requests("denied") == [denied]
    assert quotas.requests("approved") == [approved]
    assert {one.id for one in quotas.requests("open")} == {one.id for one in (mine[0], *mine[3:], bobs)}
    assert quotas.requests(key_id=acme.bobs) == [bobs]
    assert quotas.requests("denied", key_id=acme.bobs) == []
    found: list[LimitRequest] = []
    while rows := quotas.requests(page=Page(4, found[-1].id if found else None)):
        found += rows
    assert found == quotas.requests()
    assert len(found) == 6
    assert [one.created_ms for one in found] == sorted(one.created_ms for one in found)


def test_what_is_approved_joins_what_was_agreed(quotas: QuotaTable, database: Database, acme: Acme) -> None:
    quotas.set(acme.key, Quota(rpm=10, tpm=1_000, streams=2), actor=ME)
    other = quotas.set(acme.key, Quota(rpm=1), actor=ME, model="qwen")
    asked = ask(quotas, acme, rpm=50, concurrency=7)
    decided = quotas.approve(asked.id, actor="key:key_1", answer="good luck")
    assert decided == quotas.find(asked.id)
    assert (decided.state, decided.answer) == ("approved", "good luck")
    assert decided.decided_ms is not None
    assert decided.decided_ms >= decided.created_ms
    [whole, still] = quotas.list(acme.key)
    assert whole.quota == Quota(rpm=50, tpm=1_000, concurrency=7, streams=2)
    assert still == other
    assert trail(database, 1) == [
        ("limits.approve", asked.id, {"subject": acme.key, "model": "", "rpm": 50, "concurrency": 7})
    ]
    assert entries(database, 1)[0].actor == "key:key_1"


def test_other_numbers_than_asked_can_be_granted(quotas: QuotaTable, database: Database, acme: Acme) -> None:
    """What is not given is granted as it was asked; the request keeps what was asked."""
    asked = ask(quotas, acme, "qwen", rpm=500, tpm=9_000)
    decided = quotas.approve(asked.id, actor=ME, quota=Quota(rpm=100, concurrency=3))
    assert (decided.rpm, decided.tpm, decided.concurrency) == (500, 9_000, None)
    assert quotas.list() == [
        Agreed(org=acme.org, subject=acme.key, model="qwen", quota=Quota(rpm=100, tpm=9_000, concurrency=3))
    ]
    granted = {"subject": acme.key, "model": "qwen", "rpm": 100, "tpm": 9_000, "concurrency": 3}
    assert trail(database, 1) == [("limits.approve", asked.id, granted)]


def test_what_is_denied_changes_nothing_but_the_request(quotas: QuotaTable, database: Database, acme: Acme) -> None:
    before = quotas.set(acme.key, TEN, actor=ME)
    asked = ask(quotas, acme, rpm=50)
    denied = quotas.deny(asked.id, actor=ME, answer="not now")
    assert (denied.state, denied.answer, denied.rpm) == ("denied", "not now", 50)
    assert quotas.find(asked.id) == denied
    assert quotas.list() == [before]
    assert trail(database, 2) == [
        ("quota.set", acme.key, {"model": "", "rpm": 10}),
        ("limits.deny", asked.id, {"subject": acme.key, "answer": "not now"}),
    ]


@pytest.mark.parametrize("first", ["approve", "deny"])
@pytest.mark.parametrize("second", ["approve", "deny"])
def test_nothing_is_decided_twice(quotas: QuotaTable, database: Database, acme: Acme, first: str, second: str) -> None:
    asked = ask(quotas, acme, rpm=50)
    decided = getattr(quotas, first)(asked.id, actor=ME, answer="first")
    agreed, written = quotas.list(), len(entries(database))
    with pytest.raises(Decided, match=f"{asked.id} was {decided.state} already"):
        getattr(quotas, second)(asked.id, actor=ME, answer="second")
    assert quotas.find(asked.id) == decided
    assert quotas.list() == agreed
    assert len(entries(database)) == written
    with pytest.raises(AccountUnknown):
        getattr(quotas, second)("lrq_none", actor=ME)


@pytest.mark.parametrize("answer", ["", " ", "a" * 101, "nul\0"])
def test_an_answer_is_short_and_printable(quotas: QuotaTable, acme: Acme, answer: str) -> None:
    asked = ask(quotas, acme, rpm=50)
    for decide in (quotas.approve, quotas.deny):
        with pytest.raises(AccountInvalid) as caught:
            decide(asked.id, actor=ME, answer=answer)
        assert caught.value.field == "answer"
    assert quotas.requests("open") == [asked]
    assert quotas.list() == []


def test_the_directory_follows_every_change(
    quotas: QuotaTable, accounts: AccountTable, known: Directory, acme: Acme
) -> None:
    def followed() -> bool:
        """Whether there was anything to follow; then what was made of the edition before is out of date."""
        before = known.edition
        changed = known.refresh()
        assert (known.edition is not before) == changed
        return changed

    assert followed()
    assert known.quotas(acme.key) == {}
    quotas.set(acme.key, TEN, actor=ME)
    quotas.set(acme.key, Quota(tpm=5), actor=ME, model="qwen")
    assert followed()
    assert known.quotas(acme.key) == {"": TEN, "qwen": Quota(tpm=5)}
    assert known.quotas(acme.bob) == {}
    asked, unwanted = ask(quotas, acme, rpm=50), ask(quotas, acme, rpm=90)
    assert not followed()
    quotas.approve(asked.id, actor=ME, quota=Quota(rpm=40))
    assert followed()
    assert known.quotas(acme.key)[""] == Quota(rpm=40)
    quotas.deny(unwanted.id, actor=ME)
    assert not followed()
    quotas.remove(acme.key, actor=ME, model="qwen")
    quotas.set(acme.key, NONE, actor=ME)
    assert followed()
    assert known.quotas(acme.key) == {}


def test_the_directory_knows_the_plans_of_organisations(accounts: AccountTable, known: Directory, acme: Acme) -> None:
    known.refresh()
    assert known.plan(acme.org) is None
    accounts.set_plan("acme", "team", actor=ME)
    before = known.edition
    assert known.plan(acme.org) is None
    assert known.refresh()
    assert known.edition is not before
    assert (known.plan(acme.org), known.plan(DEFAULT_ORG)) == ("team", None)
    # Another gateway.yaml's budgets leave both as they were, and are another edition too.
    before = known.edition
    known.set_config_budgets(())
    assert known.edition is not before
    assert known.plan(acme.org) == "team"
    accounts.set_plan("acme", None, actor=ME)
    assert known.refresh()
    assert known.plan(acme.org) is None
