"""Checks that compute every charge again: usage times price list, and the call log beside it (I-08, I-09)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from nexusflow.ir import money
from nexusflow.ir.plan import Price
from nexusflow.ir.usage import Usage
from nexusflow.ledger.checks.finding import Check, check
from nexusflow.pricing import Unpriceable, cost_of
from nexusflow.pricing.cost import PIECES, TOKENS
from nexusflow.store import Database

_PAGE = 2_000
_CHARGES = (
    "SELECT t.id, t.amount, t.price, t.usage, t.at_ms, coalesce(beyond.amount, 0), owed.amount, call.amount,"
    " call.input, call.output FROM"
    " (SELECT * FROM transfer WHERE kind = 'charge' AND id > $1 ORDER BY id LIMIT $2) AS t"
    " LEFT JOIN transfer AS beyond ON beyond.id = t.id || '/overrun'"
    " LEFT JOIN transfer AS owed ON owed.id = t.id || '/cost'"
    " LEFT JOIN call ON call.id = t.id ORDER BY t.id"
)
_COUNTS = (*TOKENS, *PIECES)
_decode_usage = msgspec.json.Decoder(Usage).decode
_text = money.as_text
_decode_price = msgspec.json.Decoder(Price).decode


class _Charge(Struct, frozen=True, array_like=True):
    """A charge, what of it nobody paid, the cost beside it, and what the call log says."""

    id: str
    amount: int
    price: str | None
    usage: str | None
    at_ms: int
    beyond: int
    cost: int | None
    logged: int | None
    logged_input: int | None
    logged_output: int | None

    @property
    def whole(self) -> int:
        """What the call comes to, whoever pays."""
        return self.amount + self.beyond


@dataclass(slots=True)
class _Found:
    seen: int = 0
    classes: list[str] = field(default_factory=list)
    prices: list[str] = field(default_factory=list)


def price_checks(database: Database) -> Iterator[Check]:
    """I-08 and I-09. Raises StoreError."""
    lists = {str(id_): str(body) for id_, body in database.execute("SELECT id, body FROM price")}
    known: dict[str, Price] = {}
    found = _Found()
    for charge in _charges(database):
        found.seen += 1
        name = charge.price
        if name is not None and name not in known and name in lists:
            known[name] = _decode_price(lists[name])
        _inspect(found, charge, known)
    yield check("I-08", "usage is counted in disjoint classes, and the call log agrees", found.seen, found.classes)
    yield check("I-09", "every charge and cost is its usage at its price list", found.seen, found.prices)


def _charges(database: Database) -> Iterator[_Charge]:
    after = ""
    while True:
        rows = database.execute(_CHARGES, (after, _PAGE))
        for row in rows:
            yield msgspec.convert(row, _Charge)
        if len(rows) < _PAGE:
            return
        after = str(rows[-1][0])


def _inspect(found: _Found, charge: _Charge, known: Mapping[str, Price]) -> None:
    try:
        usage = _decode_usage(charge.usage or "")
    except msgspec.DecodeError:
        found.classes.append(f"transfer {charge.id}: {charge.usage} is no usage")
        return
    negative = [name for name in _COUNTS if (getattr(usage, name) or 0) < 0]
    if negative:
        found.classes.append(f"transfer {charge.id}: negative {', '.join(negative)}")
        return
    if charge.logged is not None:
        logged, totals = (charge.logged_input, charge.logged_output), (usage.total_input, usage.total_output)
        if logged != totals:
            found.classes.append(f"call {charge.id}: {logged} tokens in the log, {totals} in the ledger")
        if charge.logged != charge.whole:
            found.prices.append(f"call {charge.id}: {_text(charge.logged)} in the log, {_text(charge.whole)} here")
    found.prices += _reprice(charge, usage, known)


def _reprice(charge: _Charge, usage: Usage, known: Mapping[str, Price]) -> Iterator[str]:
    is_ = (charge.whole, charge.cost or 0)
    if charge.price is None:
        if any(is_):
            yield f"transfer {charge.id}: {_text(charge.whole)} without a price list"
        return
    if charge.price not in known:
        yield f"transfer {charge.id}: its price list {charge.price} is not on record"
        return
    try:
        must = cost_of(known[charge.price], usage, charge.at_ms)
    except Unpriceable as error:
        yield f"transfer {charge.id}: {error} cannot be priced"
        return
    for what, one, other in zip(("charge", "cost"), is_, must, strict=True):
        if one != other:
            yield f"transfer {charge.id}: {what} of {_text(one)}, which should be {_text(other)}"
