"""Money that operators move: double entry, once, never more than there is (I-02, I-05, I-06, B-10, L65)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nexusflow.accounts import (
    AccountInvalid,
    AccountProblem,
    AccountTable,
    AccountUnknown,
    Money,
    MoneyRefused,
    Wallet,
    entries,
)
from nexusflow.store import Database
from tests.support.stores import Store

ME = "cli:ann"
DAY = 20_000 * 86_400_000


@pytest.fixture
def acme(accounts: AccountTable) -> str:
    return accounts.create_organisation("acme", actor=ME).id


def transfers(database: Database) -> list[tuple[object, ...]]:
    return list(database.execute("SELECT kind, debit, credit, amount, org FROM transfer ORDER BY posted_ms, id"))


def balances(database: Database) -> dict[str, int]:
    """Of every account, from the transfers alone."""
    sums: dict[str, int] = {}
    for _, debit, credit, amount, _ in transfers(database):
        assert isinstance(amount, int)
        sums[str(debit)] = sums.get(str(debit), 0) - amount
        sums[str(credit)] = sums.get(str(credit), 0) + amount
    return sums


def charge(database: Database, org: str, amount: int, request: str = "req_1") -> None:
    """What the ledger posts for one call: held in a lease, counted in two budgets, charged."""
    with database.transaction():
        counters = f'[["bdg_a","{org}",{DAY}],["bdg_b","key_1",0]]'
        database.execute(
            "INSERT INTO lease (id, org, worker, counters, amount, used, expires_ms, state)"
            " VALUES ($1, $2, 'w', $3, 1000, $4, 0, 'closed')",
            (f"lease_{request}", org, counters, amount),
        )
        database.execute(
            "INSERT INTO transfer (id, kind, debit, credit, amount, org, team, key_id, user_tag, request, lease, model,"
            " basis, at_ms, posted_ms) VALUES ($1, 'charge', $2, 'revenue', $3, $4, 'team_1', 'key_1', 'bob', $1, $5,"
            " 'm', 'reported', 1, 1)",
            (request, f"wallet:{org}", amount, org, f"lease_{request}"),
        )
        database.execute("UPDATE wallet SET spent = spent + $1 WHERE org = $2", (amount, org))
        for budget, subject, start in (("bdg_a", org, DAY), ("bdg_b", "key_1", 0), ("bdg_a", org, DAY + 86_400_000)):
            database.execute(
                "INSERT INTO budget_spend (budget, subject, period_start, spent) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (budget, subject, period_start) DO UPDATE SET spent = budget_spend.spent + $4",
                (budget, subject, start, amount),
            )


def test_L65_what_is_paid_in_can_be_spent(accounts: AccountTable, money: Money, acme: str, database: Database) -> None:
    made = money.credit("acme", 1_500_000_001, "bank", "invoice 7", ME)
    assert (made.kind, made.debit, made.credit, made.amount) == (
        "credit",
        "funding:bank",
        f"wallet:{acme}",
        1_500_000_001,
    )
    money.credit(acme, 2, "card", "top-up", ME)
    assert accounts.wallet("acme") == Wallet(org=acme, credited=1_500_000_003, spent=0, held=0, floor=0)
    assert balances(database) == {"funding:bank": -1_500_000_001, "funding:card": -2, f"wallet:{acme}": 1_500_000_003}
    assert accounts.wallet("default").credited == 0


def test_the_same_id_pays_once(accounts: AccountTable, money: Money, acme: str, database: Database) -> None:
    first = money.credit("acme", 10, "bank", "June", ME, id="invoice/7")
    assert money.credit("acme", 10, "bank", "June, again", ME, id="invoice/7") == first
    assert accounts.wallet("acme").credited == 10
    assert len(transfers(database)) == 1
    assert len([entry for entry in entries(database) if entry.action == "money.credit"]) == 1
    for org, amount, source in (("acme", 11, "bank"), ("default", 10, "bank"), ("acme", 10, "card")):
        with pytest.raises(MoneyRefused, match=r"invoice/7.*0\.00000001"):
            money.credit(org, amount, source, "June", ME, id="invoice/7")
    with pytest.raises(MoneyRefused):
        money.adjust("acme", 10, "June", ME, id="invoice/7")
    assert accounts.wallet("acme").credited == 10


def test_the_same_id_from_many_processes_pays_once(
    accounts: AccountTable, acme: str, store: Store, database: Database
) -> None:
    def pay(number: int) -> None:
        with store.open() as own:
            Money(own).credit("acme", 10, "bank", "June", ME, id="one")
            Money(own).credit("acme", 1, "bank", "June", ME, id=f"own {number}".replace(" ", "-"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pay, range(4)))
    assert accounts.wallet("acme").credited == 14
    assert sum(balances(database).values()) == 0


@pytest.mark.parametrize("amount", [0, -1, 10**19])
def test_an_amount_is_positive_and_fits(accounts: AccountTable, money: Money, acme: str, amount: int) -> None:
    with pytest.raises(AccountInvalid):
        money.credit("acme", amount, "bank", "June", ME)
    assert accounts.wallet("acme").credited == 0


def test_a_wallet_never_holds_more_than_a_number_can(accounts: AccountTable, money: Money, acme: str) -> None:
    money.credit("acme", 8 * 10**18, "bank", "June", ME)
    with pytest.raises(MoneyRefused):
        money.credit("acme", 8 * 10**18, "bank", "June", ME)
    with pytest.raises(MoneyRefused):
        money.adjust("acme", 8 * 10**18, "June", ME)
    assert accounts.wallet("acme").credited == 8 * 10**18


@pytest.mark.parametrize(
    ("source", "memo", "id"), [("Bank", "x", None), ("", "x", None), ("bank", "", None), ("bank", "x", "a b")]
)
def test_words_that_cannot_be_kept_are_refused(money: Money, acme: str, source: str, memo: str, id: str | None) -> None:
    with pytest.raises(AccountInvalid):
        money.credit("acme", 1, source, memo, ME, id=id)


def test_I06_a_correction_goes_both_ways_but_never_under_the_floor(
    accounts: AccountTable, money: Money, acme: str, database: Database
) -> None:
    money.credit("acme", 100, "bank", "June", ME)
    assert money.adjust("acme", -30, "typing error", ME).amount == 30
    assert money.adjust("acme", 5, "goodwill", ME).debit == "adjustment"
    assert accounts.wallet("acme").available == 75
    database.execute("UPDATE wallet SET held = 70 WHERE org = $1", (acme,))
    with pytest.raises(MoneyRefused, match=r"only 0\.000000005"):
        money.adjust("acme", -6, "too much", ME)
    money.adjust("acme", -5, "all", ME)
    accounts.set_credit_line("acme", 1, actor=ME)
    money.adjust("acme", -1, "credit line", ME)
    assert accounts.wallet("acme").available == 0
    money.adjust("default", -7, "without bound", ME)
    assert accounts.wallet("default").balance == -7
    assert balances(database) == {
        "funding:bank": -100,
        "adjustment": 38,
        f"wallet:{acme}": 69,
        "wallet:org_default": -7,
    }


def test_B10_a_refund_gives_back_what_was_charged_and_its_budgets(
    accounts: AccountTable, money: Money, acme: str, database: Database
) -> None:
    money.credit("acme", 1000, "bank", "June", ME)
    charge(database, acme, 600)
    part = money.refund("req_1", 100, "slow", ME)
    assert (part.kind, part.debit, part.credit, part.amount, part.org) == (
        "refund",
        "revenue",
        f"wallet:{acme}",
        100,
        acme,
    )
    assert (part.team, part.key_id, part.user_tag, part.request, part.model) == (
        "team_1",
        "key_1",
        "bob",
        "req_1",
        "m",
    )
    assert (accounts.wallet("acme").spent, accounts.wallet("acme").available) == (500, 500)
    with pytest.raises(MoneyRefused, match=r"0\.0000005 can still"):
        money.refund("req_1", 501, "more than left", ME)
    assert money.refund("req_1", None, "the rest", ME).amount == 500
    for amount in (None, 1):
        with pytest.raises(MoneyRefused, match=r"0\.00 can still"):
            money.refund("req_1", amount, "again", ME)
    assert accounts.wallet("acme").spent == 0
    counted = database.execute("SELECT budget, period_start, spent FROM budget_spend ORDER BY budget, period_start")
    assert counted == [("bdg_a", DAY, 0), ("bdg_a", DAY + 86_400_000, 600), ("bdg_b", 0, 0)]
    assert balances(database) == {"funding:bank": -1000, f"wallet:{acme}": 1000, "revenue": 0}


def test_a_refund_with_an_id_is_given_once(accounts: AccountTable, money: Money, acme: str, database: Database) -> None:
    charge(database, acme, 600)
    first = money.refund("req_1", None, "broken", ME, id="ticket-9")
    assert money.refund("req_1", None, "broken", ME, id="ticket-9") == first
    assert money.refund("req_1", 600, "broken", ME, id="ticket-9") == first
    assert accounts.wallet("acme").spent == 0
    charge(database, acme, 50, "req_2")
    for request, amount in (("req_1", 599), ("req_2", None), ("req_2", 600)):
        with pytest.raises(MoneyRefused):
            money.refund(request, amount, "broken", ME, id="ticket-9")


@pytest.mark.parametrize("request_id", ["req_9", "", "crd_1"])
def test_only_a_charge_can_be_refunded(money: Money, acme: str, database: Database, request_id: str) -> None:
    money.credit("acme", 10, "bank", "June", ME, id="crd_1")
    before = transfers(database)
    with pytest.raises(AccountProblem):
        money.refund(request_id, None, "x", ME)
    assert transfers(database) == before


def test_a_requests_id_is_no_id_for_a_payment(money: Money, acme: str, database: Database) -> None:
    charge(database, acme, 600)
    with pytest.raises(MoneyRefused):
        money.credit("acme", 600, "bank", "x", ME, id="req_1")


def test_concurrent_refunds_give_back_no_more_than_the_charge(
    accounts: AccountTable, acme: str, store: Store, database: Database
) -> None:
    charge(database, acme, 100)

    def ask(number: int) -> int:
        with store.open() as own:
            try:
                return Money(own).refund("req_1", 30, "slow", ME).amount
            except MoneyRefused:
                return 0

    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(ask, range(8)))
    assert sorted(given) == [0] * 5 + [30] * 3
    assert accounts.wallet("acme").spent == 10


def test_nobody_and_nothing(money: Money) -> None:
    with pytest.raises(AccountUnknown):
        money.credit("nobody", 1, "bank", "x", ME)
    with pytest.raises(AccountUnknown):
        money.adjust("nobody", 1, "x", ME)
