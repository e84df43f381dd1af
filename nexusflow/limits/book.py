"""The statements behind the SQLite engine: buckets, slots and the tickets that make repeated calls harmless."""

from collections.abc import Callable, Sequence

import apsw

from nexusflow.limits.engine import CLOSED_TICKET_MS, OPEN_TICKET_MS, Counters
from nexusflow.limits.rule import (
    Ask,
    Granted,
    Limit,
    LimitState,
    Refused,
    Ticket,
    corrections,
    grant,
    grant_again,
    refuse,
    settled,
    state,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, full_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slot (
    key TEXT NOT NULL, holder TEXT NOT NULL, end_us INTEGER NOT NULL, PRIMARY KEY (key, holder)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticket (
    id TEXT PRIMARY KEY, open INTEGER NOT NULL, end_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ticket_end ON ticket (end_us);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), last_us INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO clock VALUES (1, 0);
"""
_SWEEP_US = 10_000_000
_TABLES = ("bucket", "slot", "ticket")


class Book:
    """One connection, used by one thread. Every method but `together` and `close` is meant to run within `together`."""

    def __init__(self, connection: apsw.Connection, clock: Callable[[], int], lease_ms: int) -> None:
        self.counters = Counters()
        self._connection = connection
        self._clock = clock
        self._lease_us = lease_ms * 1000
        self._now = 0
        self._sweep_us = 0

    def together(self, works: Sequence[Callable[["Book"], object]]) -> list[object]:
        """The results of `works`, done in one transaction. Raises apsw.Error, and nothing of it was done."""
        # IMMEDIATE takes the write lock first, where waiting is possible.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._tick()
            results = [work(self) for work in works]
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself after some failures, such as a full disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def reserve(self, ask: Ask) -> Granted | Refused:
        """See Engine."""
        needs = ask.needs()
        levels = [self._level(limit) for limit in ask.limits]
        if self._one("SELECT 1 FROM ticket WHERE id = ?", ask.id):
            return grant_again(ask, levels)
        for limit, need, level in zip(ask.limits, needs, levels, strict=True):
            if level + need > limit.capacity:
                return refuse(ask, needs, levels)
        for limit, need, level in zip(ask.limits, needs, levels, strict=True):
            if limit.slots:
                self._hold(limit, ask.id)
            else:
                self._fill(limit, self._now + level + need)
        self._ticket(ask.id, 1, OPEN_TICKET_MS)
        return grant(ask, [level + need for level, need in zip(levels, needs, strict=True)], self._now)

    def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """See Engine."""
        asked = ticket.ask
        known = self._one("SELECT open FROM ticket WHERE id = ?", asked.id)
        if known != 0:
            self._ticket(asked.id, 0, CLOSED_TICKET_MS)
        changes = corrections(ticket, tokens)
        for limit, change, end in zip(asked.limits, changes, ticket.ends_us, strict=True):
            if limit.slots:
                self._connection.execute("DELETE FROM slot WHERE key = ? AND holder = ?", (limit.key, asked.id))
            elif known and change:
                self._fill(limit, settled(self._full(limit), change, end, self._now))

    def renew(self, tickets: Sequence[Ticket]) -> None:
        """See Engine."""
        for ticket in tickets:
            if self._one("SELECT open FROM ticket WHERE id = ?", ticket.ask.id) == 0:
                continue
            for limit in ticket.ask.limits:
                if limit.slots:
                    held = self._one("SELECT 1 FROM slot WHERE key = ? AND holder = ?", limit.key, ticket.ask.id)
                    self.counters.slots_restored += held is None
                    self._hold(limit, ticket.ask.id)

    def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """See Engine."""
        return [state(limit, self._level(limit)) for limit in limits]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _level(self, limit: Limit) -> int:
        if not limit.slots:
            return max(self._full(limit) - self._now, 0)
        self._connection.execute("DELETE FROM slot WHERE key = ? AND end_us <= ?", (limit.key, self._now))
        self.counters.leases_expired += self._connection.changes()
        return self._one("SELECT count(*) FROM slot WHERE key = ?", limit.key) or 0

    def _full(self, limit: Limit) -> int:
        return self._one("SELECT full_us FROM bucket WHERE key = ?", limit.key) or 0

    def _fill(self, limit: Limit, full_us: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO bucket VALUES (?, ?)", (limit.key, full_us))

    def _hold(self, limit: Limit, holder: str) -> None:
        end = self._now + self._lease_us
        self._connection.execute("INSERT OR REPLACE INTO slot VALUES (?, ?, ?)", (limit.key, holder, end))

    def _ticket(self, name: str, is_open: int, keep_ms: int) -> None:
        end = self._now + keep_ms * 1000
        self._connection.execute("INSERT OR REPLACE INTO ticket VALUES (?, ?, ?)", (name, is_open, end))

    def _one(self, sql: str, *values: str) -> int | None:
        for (value,) in self._connection.execute(sql, values):
            return int(value)
        return None

    def _tick(self) -> None:
        """Read the clock. It runs from the start of the machine, so an earlier time than the last was a restart."""
        self._now = self._clock()
        last = self._one("SELECT last_us FROM clock") or 0
        # Another process may have read its clock later and yet committed first.
        if self._now < last - _SWEEP_US:
            for table in _TABLES:
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608
        elif self._now < last:
            self._now = last
        self._connection.execute("UPDATE clock SET last_us = ?", (self._now,))
        if self._now >= self._sweep_us:
            self._sweep_us = self._now + _SWEEP_US
            self._connection.execute("DELETE FROM bucket WHERE full_us <= ?", (self._now,))
            self._connection.execute("DELETE FROM ticket WHERE end_us <= ?", (self._now,))
            self._connection.execute("DELETE FROM slot WHERE end_us <= ?", (self._now,))
            self.counters.leases_expired += self._connection.changes()
