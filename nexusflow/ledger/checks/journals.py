"""Checks of the journals on this machine: unbroken, and nothing in them that the database lacks (I-03, I-15)."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from nexusflow.ir import money
from nexusflow.ledger import ownership
from nexusflow.ledger.book.many import chunks, marks
from nexusflow.ledger.checks.finding import Check, check
from nexusflow.ledger.reading import Mark, Reader, posted_through
from nexusflow.ledger.records import Closed, Opened, Progress
from nexusflow.store import Database

_ATTEMPTS = 3
_decode = msgspec.msgpack.Decoder(Opened | Progress | Closed | Mark).decode


@dataclass(slots=True)
class Journals:
    """What the journals say. `posted` are ends that must be in the database, `waiting` those that need not be yet."""

    read: int = 0
    records: int = 0
    damage: list[str] = field(default_factory=list)
    posted: list[Closed] = field(default_factory=list)
    waiting: list[Closed] = field(default_factory=list)
    open_calls: int = 0

    def add(self, other: "Journals") -> None:
        """Count `other` too."""
        self.read += other.read
        self.records += other.records
        self.damage += other.damage
        self.posted += other.posted
        self.waiting += other.waiting
        self.open_calls += other.open_calls


def read_journals(folder: Path) -> Journals:
    """Read all journals in `folder`, of the living too. Read them before the database. Raises OSError."""
    found = Journals()
    for path in ownership.journals(folder):
        found.add(_read(path))
    for path in sorted(folder.glob(".damaged-*")):
        found.damage.append(f"{path.name} was set aside")
    return found


def journal_check(journals: Journals) -> Check:
    """I-15."""
    return check("I-15", "no journal has a gap or a broken chain", journals.records, journals.damage)


def compare(database: Database, journals: Journals) -> tuple[list[str], int]:
    """Ends that the database lacks though they were posted, or has with another amount (I-03); and how many ends wait
    for being posted. Raises StoreError.
    """
    offenders: list[str] = []
    unmatched = 0
    for ends, due in ((journals.posted, True), (journals.waiting, False)):
        accepted = [one for one in ends if one.entries]
        for some in chunks(accepted):
            found = _charged(database, [one.id for one in some])
            for one in some:
                charged = found.get(one.id)
                if charged is None and not due:
                    unmatched += 1
                elif charged != one.charged:
                    ledger = "nothing" if charged is None else money.as_text(charged)
                    offenders.append(f"request {one.id}: {money.as_text(one.charged)} by its journal, {ledger} here")
    return offenders, unmatched


def _charged(database: Database, ids: list[str]) -> dict[str, int]:
    """What calls were charged, overrun included; voided ones nothing."""
    query = (
        "SELECT t.id, t.amount + coalesce(beyond.amount, 0) FROM transfer AS t"  # noqa: S608
        f" LEFT JOIN transfer AS beyond ON beyond.id = t.id || '/overrun' WHERE t.id IN ({marks(len(ids))})"
    )
    return {str(id_): int(amount or 0) for id_, amount in database.execute(query, ids)}


def _read(folder: Path) -> Journals:
    """A live worker may remove a file meanwhile; then read again."""
    for attempt in range(_ATTEMPTS):
        try:
            return _read_once(folder)
        except FileNotFoundError:
            if not folder.exists():
                return Journals()
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _read_once(folder: Path) -> Journals:
    found = Journals(read=1)
    through = posted_through(folder)
    reader = Reader(folder, through)
    live: set[str] = set()
    for position, payload in reader.frames():
        found.records += 1
        record = _decode(payload)
        if isinstance(record, Opened):
            live.add(record.id)
        elif isinstance(record, Closed):
            live.discard(record.id)
            (found.posted if position <= through else found.waiting).append(record)
    found.open_calls = len(live)
    found.damage = [f"{folder.name}/{one.file} at {one.offset}: {one.what}" for one in reader.findings]
    return found
