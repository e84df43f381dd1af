"""An operator's verdict on a task that nobody knows the end of: charged, or given back (reliability 1.3, class U)."""

from nexusflow.accounts.audit import Change
from nexusflow.ir.money import as_text
from nexusflow.ledger.records import Closed
from nexusflow.store import Database
from nexusflow.tasks import table
from nexusflow.tasks.ending import Kept, finish, price_of
from nexusflow.tasks.engine import Policy
from nexusflow.tasks.model import Task
from nexusflow.tasks.outcome import End

CHARGED = "Nobody knows whether the provider made this. It was charged, by the operator's decision."
VOIDED = "Nobody knows whether the provider made this. It was not charged, by the operator's decision."


def resolve(database: Database, task: Task, *, charge: bool, actor: str, reason: str | None, keep_ms: int) -> Task:
    """End a task in state `unknown` as failed, and return it as it is then: charged what was reserved, or nothing.

    Charged is what the lane that it was sent by takes for all that was asked for, at the price at acceptance; that is
    what was reserved, unless a dearer lane was possible too. `keep_ms` is for how long it can still be seen. Raises
    ValueError for a task in another state, `Stale` for one that went on meanwhile, StoreError.
    """
    if task.state != "unknown":
        raise ValueError(f"{task.id} is {task.state}, not unknown")
    end = End(state="failed", error=CHARGED if charge else VOIDED, code="outcome_unknown", presumed=charge)
    now_ms = database.now_ms()

    def audit(database: Database, final: Closed) -> None:
        change, amount = Change(database, actor, now_ms), as_text(final.charged)
        change.note("task.charge" if charge else "task.void", task.id, org=task.org, amount=amount, reason=reason)

    price = price_of(database, task.price)
    # Whoever holds the webhook secret sends what is written here; without one no task has an address to tell.
    kept = Kept(keep_ms, Policy(keep_ms=keep_ms).back_ms, webhooks=True)
    finish(database, task=task, end=end, price=price, results=None, now_ms=now_ms, kept=kept, audit=audit)
    return table.find(database, task.id) or task
