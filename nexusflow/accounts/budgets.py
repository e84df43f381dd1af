"""The budgets in the database, beside those of gateway.yaml: bounds on spending per subject and period."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from nexusflow.accounts.audit import change
from nexusflow.accounts.model import AccountInvalid, AccountTaken, AccountUnknown, Member, Team, check_text, new_id
from nexusflow.accounts.periods import span
from nexusflow.accounts.table import find_account, find_organisation
from nexusflow.ir.account import Budget, Counter, Mode, Period, Scope
from nexusflow.ir.money import LARGEST
from nexusflow.store import Database, Page, Value, in_order

EVERYONE = "*"
COLUMNS = "id, scope, subject, period, amount, mode, org"
BUDGET_ID = "bdg_"
Budgets = list[Budget]  # a name outside the class, where `list` is a method


class BudgetTable:
    """The budgets of one database. Every method raises StoreError when the database fails.

    Each change is one transaction with its row in the audit log, in the name of `actor`; workers follow it within a
    second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        scope: Scope,
        subject: str,
        period: Period,
        amount: int,
        *,
        actor: str,
        mode: Mode = "hard",
        org: str | None = None,
    ) -> Budget:
        """A new budget of `amount` nano-units per period.

        `subject` is an organisation or team (id or name), the id of a key, a user (id, `ORG/NAME`) or user tag, a model
        id, or `*`: each has a sum of its own. `org` limits it to the calls of one organisation. Raises AccountInvalid,
        AccountTaken for a second one of the same kind, and AccountUnknown.
        """
        if not 0 <= amount <= LARGEST:
            raise AccountInvalid("A budget's amount is not negative.", "amount")
        check_text(subject, "A budget's subject", "subject")
        for field, value, kind in (("scope", scope, Scope), ("period", period, Period), ("mode", mode, Mode)):
            if value not in get_args(kind):
                raise AccountInvalid(f"{value!r} is not one of: {', '.join(get_args(kind))}.", field)
        with change(self._database, actor, directory=True) as under_way:
            org_id = None if org is None else find_organisation(self._database, org).id
            subject = _resolve(self._database, scope, subject, org_id)
            made = Budget(
                id=new_id(BUDGET_ID), scope=scope, subject=subject, period=period, amount=amount, mode=mode, org=org_id
            )
            self._refuse_second(made)
            self._database.execute(
                f"INSERT INTO budget ({COLUMNS}, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608
                (*msgspec.structs.astuple(made), under_way.at_ms),
            )
            under_way.note("budget.create", made.id, **msgspec.structs.asdict(made))
        return made

    def list(self, org: str | None = None, page: Page | None = None) -> Budgets:
        """All budgets, or those limited to one organisation, the oldest first. Raises AccountUnknown."""
        wanted = {} if org is None else {"org": find_organisation(self._database, org).id}
        return read_budgets(self._database, *in_order("budget", wanted, page))

    def find(self, id: str) -> Budget:
        """The budget `id`. Raises AccountUnknown."""
        found = read_budgets(self._database, "WHERE id = $1", (id,))
        if not found:
            raise AccountUnknown(f"There is no budget {id}. `nexusflow budgets list` shows all of the database.")
        return found[0]

    def spent(self, budget: Budget, period_start: int) -> dict[Counter, tuple[int, int]]:
        """What each subject has spent and holds, nano-units, in the period that began then."""
        rows = self._database.execute(
            "SELECT subject, spent, held FROM budget_spend WHERE budget = $1 AND period_start = $2 ORDER BY subject",
            (budget.id, period_start),
        )
        return {
            Counter(budget.id, str(subject), period_start): (int(spent or 0), int(held or 0))
            for subject, spent, held in rows
        }

    def remove(self, id: str, *, actor: str) -> Budget:
        """End the budget `id`; what was counted stays on record. Raises AccountUnknown."""
        with change(self._database, actor, directory=True) as under_way:
            found = self.find(id)
            self._database.execute("DELETE FROM budget WHERE id = $1", (id,))
            under_way.note("budget.remove", id, **msgspec.structs.asdict(found))
        return found

    def _refuse_second(self, budget: Budget) -> None:
        same = read_budgets(
            self._database,
            "WHERE scope = $1 AND subject = $2 AND period = $3 AND mode = $4",
            (budget.scope, budget.subject, budget.period, budget.mode),
        )
        for other in same:
            if other.org == budget.org:
                raise AccountTaken(f"{other.id} is a budget of this kind already; remove it first.", "subject")


def read_budgets(database: Database, condition: str = "", params: Sequence[Value] = ()) -> Budgets:
    """The budgets of the database that fulfil an SQL `condition`."""
    rows = database.execute(f"SELECT {COLUMNS} FROM budget {condition}", params)  # noqa: S608
    names = COLUMNS.split(", ")
    return [msgspec.convert(dict(zip(names, row, strict=True)), Budget) for row in rows]


def fullest(database: Database, budgets: Sequence[Budget], now_ms: int) -> dict[tuple[str, str], float]:
    """By scope and period of `budgets`: what is spent and held of the fullest of them, 1 being all.

    Raises StoreError.
    """
    found: dict[tuple[str, str], float] = {(one.scope, one.period): 0.0 for one in budgets}
    starts = {one.period: span(one.period, now_ms)[0] for one in budgets}
    known = {(one.id, starts[one.period]): one for one in budgets if one.amount}
    places = ", ".join(f"${at}" for at in range(1, len(starts) + 1))
    rows = (
        database.execute(
            "SELECT budget, period_start, max(spent + held) FROM budget_spend"  # noqa: S608
            f" WHERE period_start IN ({places}) GROUP BY budget, period_start",
            tuple(starts.values()),
        )
        if starts
        else ()
    )
    for id_, start, used in rows:
        budget = known.get((str(id_), int(start or 0)))
        if budget is not None:
            kind = budget.scope, budget.period
            found[kind] = max(found[kind], int(used or 0) / budget.amount)
    return found


def _resolve(database: Database, scope: Scope, subject: str, org: str | None) -> str:
    """The id that `subject` names; a user tag and a model's id stand for themselves."""
    if subject == EVERYONE or scope == "model":
        return subject
    if scope == "org":
        return find_organisation(database, subject).id
    if scope == "key":
        if not database.execute("SELECT id FROM api_key WHERE id = $1 AND replaced_by IS NULL", (subject,)):
            raise AccountUnknown(
                f"There is no key with the id {subject}. `nexusflow keys list` shows all keys.", "subject"
            )
        return subject
    return _part(database, scope, subject, org)


def _part(database: Database, scope: Scope, subject: str, org: str | None) -> str:
    """A team, a user, or else a user tag, which only means something inside one organisation."""
    kind = Team if scope == "team" else Member
    try:
        found = find_account(database, subject)
    except AccountUnknown:
        if kind is Team:
            raise
    else:
        if isinstance(found, kind):
            if org not in (None, found.org):
                raise AccountInvalid(f"{subject} does not belong to this organisation.", "subject")
            return found.id
        if kind is Team:
            raise AccountUnknown(f"{subject} is not a team.", "subject")
    if org is None:
        raise AccountInvalid("A user tag belongs to one organisation: name it too.", "org")
    return subject
