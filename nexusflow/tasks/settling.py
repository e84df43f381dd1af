"""The one settlement of a task, as the ledger takes it: a charge for what was made, or nothing on a verdict (T-3)."""

from nexusflow.flow.settlement import Evidence, Outcome, Settlement, Terms, settle
from nexusflow.ir.plan import Billing, Price
from nexusflow.ir.task import Made
from nexusflow.ir.usage import Usage
from nexusflow.ledger import records
from nexusflow.ledger.records import CallLine, Closed, Entry
from nexusflow.pricing import cost_of
from nexusflow.tasks.costs import all_of, used
from nexusflow.tasks.model import Task
from nexusflow.tasks.outcome import End

BELIEVABLE = 10**9
_STATUS: dict[str, int] = {"succeeded": 200, "cancelled": 499, "expired": 504, "failed": 502}


def closed(task: Task, price: Price | None, end: End, now_ms: int) -> Closed:
    """The `end` of `task`. The price is the one it was accepted at."""
    charged = all_of(task.brief) if end.presumed else used(task.brief, end.made) if end.made is not None else None
    done = _settled(task, price, charged)
    usage = done.usage
    line = CallLine(
        protocol=task.face,
        model=task.model,
        answered_by=task.upstream_model,
        provider=task.provider,
        status=_STATUS[end.state],
        outcome=(Outcome.DONE if charged is not None else Outcome.FAILED).value,
        error=end.code,
        input=usage.total_input,
        output=usage.total_output,
        source=usage.source,
        amount=done.amount,
        total_ms=max(now_ms - task.created_ms, 0),
        attempts=task.submits,
    )
    return _closed(task, done.entries, line)


def late(task: Task, price: Price, made: Made) -> tuple[Closed, Entry] | None:
    """What the provider charges for a task that it had said was lost (U-39): ours to bear. None: it is nothing."""
    usage = used(task.brief, made)
    cost = cost_of(price, usage, task.created_ms).cost
    if not cost:
        return None
    entry = Entry(
        id=f"{task.id}/late",
        kind="absorbed",
        debit=records.ABSORBED,
        credit=records.payable(task.provider),
        amount=cost,
        provider=task.provider,
        model=task.model,
        price=task.price,
        plan=task.plan,
        basis="reported",
        reason="made after the provider had said that it failed",
    )
    return _closed(task, (entry,), None), entry


def _settled(task: Task, price: Price | None, charged: Usage | None) -> Settlement:
    terms = Terms(
        request=task.id,
        org=task.org,
        provider=task.provider,
        model=task.model,
        plan=task.plan,
        price=price,
        price_id=task.price,
        billing=Billing(),
        now_ms=task.created_ms,
    )
    evidence = Evidence(charged or Usage(), 0, lambda: 0, BELIEVABLE, BELIEVABLE)
    return settle(Outcome.DONE if charged is not None else Outcome.FAILED, terms, evidence)


def _closed(task: Task, entries: tuple[Entry, ...], line: CallLine | None) -> Closed:
    return Closed(
        id=task.id,
        at_ms=task.created_ms,
        org=task.org,
        key=task.key_id,
        team=task.team,
        user=task.user_tag,
        lease=task.lease,
        held=task.held,
        entries=entries,
        call=line,
    )
