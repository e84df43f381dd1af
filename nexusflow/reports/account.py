"""What an organisation has: its wallet and its budgets, as of now."""

from typing import Any

from nexusflow.ir.money import as_text
from nexusflow.store import Database


def balance(database: Database, org: str, currency: str) -> dict[str, Any]:
    """The wallet of `org` in decimals. `available` is None where nothing bounds it. Raises `StoreError`."""
    rows = database.execute("SELECT credited, spent, held, floor FROM wallet WHERE org = $1", (org,))
    credited, spent, held, floor = rows[0] if rows else (0, 0, 0, 0)
    had, paid, set_aside = int(credited or 0), int(spent or 0), int(held or 0)
    left = None if floor is None else had - paid - set_aside - int(floor)
    return {
        "object": "balance",
        "organisation": org,
        "currency": currency,
        "balance": as_text(had - paid),
        "credited": as_text(had),
        "spent": as_text(paid),
        "held": as_text(set_aside),
        "credit_line": None if floor is None else as_text(-int(floor)),
        "available": None if left is None else as_text(left),
    }
