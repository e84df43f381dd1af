"""Price lists on record, so that any line of the ledger can be computed again (B-11, I-09)."""

from collections.abc import Mapping

from nexusflow.store import Database


def remember_prices(database: Database, bodies: Mapping[str, str]) -> None:
    """Keep the lists of an artifact, by their ids, for ever. Raises `StoreError`."""
    now_ms = database.now_ms()
    rows = [(id_, body, now_ms) for id_, body in sorted(bodies.items())]
    if rows:
        database.insert_new("price", ("id", "body", "seen_ms"), rows)
