"""Organisations, teams, users and their wallets (L06, L65)."""

import pytest

from nexusflow.accounts import (
    AccountAmbiguous,
    AccountInvalid,
    AccountTable,
    AccountTaken,
    AccountUnknown,
    Wallet,
    entries,
)
from nexusflow.ir.account import DEFAULT_ORG
from nexusflow.store import Database

ME = "cli:ann"


def test_a_fresh_gateway_has_one_organisation_that_may_spend_without_a_top_up(accounts: AccountTable) -> None:
    [default] = accounts.organisations()
    assert (default.id, default.name, default.status) == (DEFAULT_ORG, "default", "active")
    wallet = accounts.wallet("default")
    assert (wallet.balance, wallet.available, wallet.credit_line) == (0, None, None)


def test_L65_a_new_organisation_is_prepaid(accounts: AccountTable) -> None:
    made = accounts.create_organisation("acme", actor=ME, plan="team")
    assert accounts.organisations()[1:] == [made] == [accounts.find("acme")] == [accounts.find(made.id)]
    assert accounts.wallet("acme") == Wallet(org=made.id, credited=0, spent=0, held=0, floor=0)
    assert accounts.wallet(made.id).available == 0
    assert (made.plan, made.status) == ("team", "active")


def test_a_credit_line_lowers_the_floor(accounts: AccountTable) -> None:
    accounts.create_organisation("acme", actor=ME, credit_line=50)
    assert accounts.wallet("acme").available == 50
    assert accounts.set_credit_line("acme", 20, actor=ME).floor == -20
    assert accounts.set_credit_line("acme", None, actor=ME).available is None
    assert accounts.wallet("acme").floor is None
    with pytest.raises(AccountInvalid):
        accounts.set_credit_line("acme", -1, actor=ME)
    with pytest.raises(AccountInvalid):
        accounts.create_organisation("other", actor=ME, credit_line=-1)
    with pytest.raises(AccountUnknown):
        accounts.set_credit_line("nobody", 1, actor=ME)


def test_teams_and_users_belong_to_one_organisation(accounts: AccountTable) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    accounts.create_organisation("globex", actor=ME)
    team = accounts.create_team("acme", "research", actor=ME)
    other = accounts.create_team("globex", "research", actor=ME)
    user = accounts.create_member("acme", "bob", actor=ME)
    assert (team.org, user.org) == (acme.id, acme.id)
    assert accounts.teams("acme") == [team]
    assert {one.id for one in accounts.teams()} == {team.id, other.id}
    assert (accounts.members("acme"), accounts.members("globex")) == ([user], [])
    assert accounts.find("acme/research") == team == accounts.find(team.id)
    assert accounts.find(f"{acme.id}/bob") == user
    assert accounts.find("globex/research") == other


def test_a_name_of_a_team_and_a_user_needs_an_id(accounts: AccountTable) -> None:
    accounts.create_organisation("acme", actor=ME)
    team = accounts.create_team("acme", "bob", actor=ME)
    accounts.create_member("acme", "bob", actor=ME)
    with pytest.raises(AccountAmbiguous, match=team.id):
        accounts.find("acme/bob")


@pytest.mark.parametrize("handle", ["", "nobody", "acme/nobody", "nobody/x", "team_x", "org_x", "usr_x", "acme/"])
def test_what_nobody_has_is_unknown(accounts: AccountTable, handle: str) -> None:
    accounts.create_organisation("acme", actor=ME)
    with pytest.raises(AccountUnknown):
        accounts.find(handle)


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\nb", "a/b", "org_x", "team_x", "usr_x", "nul\0"])
def test_a_name_that_could_be_something_else_is_refused(accounts: AccountTable, name: str) -> None:
    accounts.create_organisation("acme", actor=ME)
    for create in (
        lambda: accounts.create_organisation(name, actor=ME),
        lambda: accounts.create_team("acme", name, actor=ME),
        lambda: accounts.create_member("acme", name, actor=ME),
    ):
        with pytest.raises(AccountInvalid):
            create()
    assert len(accounts.organisations()) == 2


def test_a_name_is_given_once(accounts: AccountTable) -> None:
    accounts.create_organisation("客服", actor=ME)
    accounts.create_team("客服", "research", actor=ME)
    with pytest.raises(AccountTaken):
        accounts.create_organisation("客服", actor=ME)
    with pytest.raises(AccountTaken):
        accounts.create_team("客服", "research", actor=ME)
    assert len(accounts.organisations()) == 2


def test_L06_suspended_and_resumed(accounts: AccountTable, database: Database) -> None:
    accounts.create_organisation("acme", actor=ME)
    accounts.create_team("acme", "research", actor=ME)
    accounts.create_member("acme", "bob", actor=ME)
    for handle in ("acme", "acme/research", "acme/bob"):
        before = accounts.find(handle)
        assert accounts.suspend(handle, actor=ME).status == "suspended"
        assert accounts.find(handle).status == "suspended"
        assert accounts.resume(handle, actor=ME) == before == accounts.find(handle)


def test_a_refused_change_leaves_no_trace(accounts: AccountTable, database: Database) -> None:
    accounts.create_organisation("acme", actor=ME)
    before = entries(database), database.execute("SELECT change FROM directory_change")
    with pytest.raises(AccountTaken):
        accounts.create_organisation("acme", actor=ME)
    with pytest.raises(AccountUnknown):
        accounts.create_team("nobody", "x", actor=ME)
    assert (entries(database), database.execute("SELECT change FROM directory_change")) == before


def test_a_plan_can_be_changed(accounts: AccountTable) -> None:
    accounts.create_organisation("acme", actor=ME)
    assert accounts.set_plan("acme", "team", actor=ME).plan == "team"
    assert accounts.find_organisation("acme").plan == "team"
    assert accounts.set_plan("acme", None, actor=ME).plan is None
    with pytest.raises(AccountInvalid):
        accounts.set_plan("acme", "", actor=ME)
