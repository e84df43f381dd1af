"""What a call comes to, by how it ended: pure arithmetic over usage, price and the provider's rules (reliability 2.2).

The customer pays at most once for a request, however many attempts were made (B-02); what a provider is owed without
a paying customer is absorbed, by reason.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from nexusflow.flow.failure import Failure
from nexusflow.ir.plan import Billing, Price
from nexusflow.ir.usage import Usage
from nexusflow.ledger import records
from nexusflow.ledger.records import Basis, Entry, Kind
from nexusflow.pricing import NOTHING, Cost, Unpriceable, cost_of, implausible

_encode = msgspec.json.Encoder().encode


class Outcome(StrEnum):
    """How a call ended, as the call log spells it."""

    DONE = "done"
    FAILED = "failed"
    BROKEN = "broken"
    LEFT = "left"


class Terms(Struct, frozen=True, gc=False):
    """What a call was agreed to cost: its price list, chosen when its money was reserved (B-11). No price: free."""

    request: str
    org: str
    provider: str
    model: str
    plan: str
    price: Price | None
    price_id: str | None
    billing: Billing
    now_ms: int


class Evidence(Struct, frozen=True, gc=False):
    """What is known of a call's usage in tokens. `input` and `output` are local estimates, of the request and of what
    was generated; the latter is only made when it is asked for. `most_*` is what a report may say to be believed."""

    usage: Usage | None
    input: int
    output: Callable[[], int]
    most_input: int
    most_output: int
    server_error: bool = False


class Settlement(Struct, frozen=True, gc=False):
    """The entries to post, and what the call log says."""

    entries: tuple[Entry, ...]
    usage: Usage
    amount: int


def settle(outcome: Outcome, terms: Terms, evidence: Evidence, paid: Sequence[Entry] = ()) -> Settlement:
    """The one settlement of a call. `paid` are entries of earlier attempts, which the customer does not pay."""
    usage, basis, wrong = _measured(outcome, evidence)
    try:
        cost = _priced(terms, usage)
    except Unpriceable as beyond:
        usage, basis, wrong = _estimate(evidence), "estimated", str(beyond)
        cost = _priced(terms, usage)
    billing = terms.billing
    if outcome is Outcome.FAILED and not (evidence.server_error and billing.on_5xx == "charge_input"):
        return _void(terms, usage, "failed", cost.cost if billing.charges_input_on_error else 0, paid)
    if outcome is Outcome.LEFT and billing.on_disconnect == "cancel_free":
        return _void(terms, usage, "the client left and the provider charges nothing", 0, paid)
    reason = wrong or (None if outcome is Outcome.DONE else outcome.value)
    charge = _entry(terms, "charge", cost.amount, basis, reason, usage)
    return Settlement((charge, *_owed(terms, "cost", cost.cost, basis), *paid), usage, cost.amount)


def absorbed(failure: Failure, terms: Terms, evidence: Evidence, attempt: int) -> Entry | None:
    """What a lost attempt owes its provider: input and what was heard, where nobody knows how it ended (class U).

    Of a provider that said itself that it failed (class E), its rule tells. Others read nothing.
    """
    if failure is Failure.UNCERTAIN:
        usage = Usage(input_text=evidence.input, output_text=evidence.output(), source="estimated")
    elif failure is Failure.SERVER_ERROR and terms.billing.charges_input_on_error:
        usage = Usage(input_text=evidence.input, source="estimated")
    else:
        return None
    cost = _priced(terms, usage).cost
    if not cost:
        return None
    entry = _entry(terms, "absorbed", cost, "estimated", failure.name.lower())
    return msgspec.structs.replace(entry, id=f"{terms.request}/absorbed/{attempt}")


def _priced(terms: Terms, usage: Usage) -> Cost:
    return NOTHING if terms.price is None else cost_of(terms.price, usage, terms.now_ms)


def usage_text(usage: Usage) -> str:
    """The record as a ledger line keeps it: without the provider's own words."""
    return _encode(msgspec.structs.replace(usage, raw=msgspec.UNSET)).decode()


def _measured(outcome: Outcome, evidence: Evidence) -> tuple[Usage, Basis, str | None]:
    """Usage by precedence (B-06), what it rests on, and what was wrong with the report (B-08)."""
    found = evidence.usage
    if outcome is Outcome.FAILED:
        # Before any content at most the input was read.
        return Usage(input_text=evidence.input, source="estimated"), "estimated", None
    if found is None:
        return _estimate(evidence), "estimated", "no usage reported"
    wrong = "counts that contradict each other" if found.inconsistent else None
    wrong = wrong or implausible(found, evidence.most_input, evidence.most_output)
    if wrong is not None:
        return _estimate(evidence), "estimated", wrong
    if outcome is Outcome.DONE:
        return found, "estimated" if found.source == "estimated" else "reported", None
    # Cut off: of the output whichever says more counts, the last report or the text that went out.
    missing = evidence.output() - found.total_output
    if missing > 0:
        found = msgspec.structs.replace(found, output_text=(found.output_text or 0) + missing)
    return found, "estimated" if found.source == "estimated" else "partial", None


def _estimate(evidence: Evidence) -> Usage:
    return Usage(input_text=evidence.input, output_text=evidence.output(), source="estimated")


def _void(terms: Terms, usage: Usage, reason: str, absorbed: int, paid: Sequence[Entry]) -> Settlement:
    entries = (_entry(terms, "void", 0, "none", reason), *_owed(terms, "absorbed", absorbed, "estimated"), *paid)
    return Settlement(entries, usage if absorbed else Usage(), 0)


def _owed(terms: Terms, kind: Kind, cost: int, basis: Basis) -> tuple[Entry, ...]:
    return (_entry(terms, kind, cost, basis),) if cost else ()


def _entry(
    terms: Terms, kind: Kind, amount: int, basis: Basis, reason: str | None = None, usage: Usage | None = None
) -> Entry:
    if kind in ("charge", "void"):
        id_, debit, credit = terms.request, records.wallet(terms.org), records.REVENUE
    else:
        id_, debit, credit = f"{terms.request}/{kind}", kind, records.payable(terms.provider)
    return Entry(
        id=id_,
        kind=kind,
        debit=debit,
        credit=credit,
        amount=amount,
        provider=terms.provider,
        model=terms.model,
        price=terms.price_id,
        plan=terms.plan,
        usage=usage_text(usage) if usage is not None else None,
        basis=basis,
        reason=reason,
    )
