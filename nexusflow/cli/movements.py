"""How the verbs that move money show what they did."""

from typing import TYPE_CHECKING, Any

from nexusflow.cli.tables import moment
from nexusflow.ir.money import as_text

if TYPE_CHECKING:
    from nexusflow.accounts import Movement


def described(made: "Movement") -> dict[str, Any]:
    """One movement, its amount as a decimal."""
    return {
        "id": made.id,
        "kind": made.kind,
        "org": made.org,
        "amount": as_text(made.amount),
        "debit": made.debit,
        "credit": made.credit,
        "request": made.request,
        "reason": made.reason,
        "at": moment(made.at_ms),
    }
