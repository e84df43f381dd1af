"""Kill -9 at every point, and afterwards every acknowledged call is billed once and nothing is left held (AT-03)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nexusflow.ledger import book, ownership
from nexusflow.ledger.failpoints import NAMES, VARIABLE
from nexusflow.ledger.journal import Journal
from nexusflow.ledger.recovery import recover_all
from tests.support.money import Purse, closed, opened, progress

ROOT = Path(__file__).resolve().parents[3]
FUNDS = 10**12
PASSED_BY_ALL = ("after-reserve", "after-open", "after-progress", "before-close", "after-close-append", "after-durable")


def _spend(purse: Purse, calls: int, failpoint: str | None) -> tuple[int, set[str], dict[str, int]]:
    """Exit code, opened and acknowledged calls of one worker."""
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if failpoint is not None:
        environ[VARIABLE] = failpoint
    journals = purse.path.parent / "journal"
    command = [sys.executable, "-m", "tests.support.spender", str(purse.path), str(journals), str(calls)]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, timeout=60, check=False)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    begun = {words[1] for words in lines if words[0] == "open"}
    return done.returncode, begun, {words[1]: int(words[2]) for words in lines if words[0] == "done"}


def _assert_settled(purse: Purse, begun: set[str], acknowledged: dict[str, int]) -> None:
    """What every acknowledged call costs is charged, an open one is charged or voided, and all sums agree."""
    charges = purse.charges()
    assert {id: charges.get(id) for id in acknowledged} == acknowledged
    for id in begun:
        amount = 1000 + int(id.rpartition("-")[2])
        assert charges.get(id, 0) in (0, amount // 2, amount)
        assert purse.one("SELECT count(*) FROM transfer WHERE id = $1", id) == 1
    assert purse.balance() == (sum(charges.values()), 0)
    assert purse.one("SELECT count(*) FROM lease WHERE state = 'open'") == 0
    assert purse.one("SELECT count(*) FROM transfer WHERE kind IN ('charge', 'void')") == purse.one(
        "SELECT count(DISTINCT request) FROM transfer"
    )
    assert ownership.journals(purse.path.parent / "journal") == []


@pytest.mark.parametrize("failpoint", [name for name in NAMES if not name.startswith("recovery")])
def test_AT03_killed_at_any_point_nothing_is_lost_or_billed_twice(tmp_path: Path, failpoint: str) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    purse.fund(FUNDS)
    # What every call passes is left at a time when calls before and beside it are in all states.
    hit = 15 if failpoint in PASSED_BY_ALL else 1
    code, begun, acknowledged = _spend(purse, 40, f"{failpoint}:{hit}")
    assert code == -signal.SIGKILL
    recover_all(tmp_path / "journal", purse.open)
    _assert_settled(purse, begun, acknowledged)


@pytest.mark.parametrize("failpoint", [name for name in NAMES if name.startswith("recovery")])
def test_AT03_killed_while_it_recovers_another_worker(tmp_path: Path, failpoint: str) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    purse.fund(FUNDS)
    _, begun, acknowledged = _spend(purse, 40, "before-close:25")
    code, *_ = _spend(purse, 0, failpoint)
    assert code == -signal.SIGKILL
    code, *_ = _spend(purse, 0, None)
    assert code == 0
    assert acknowledged
    assert begun - acknowledged.keys()
    _assert_settled(purse, begun, acknowledged)


def test_redelivery_of_ten_thousand_records_adds_none(tmp_path: Path) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    journal = Journal.create(tmp_path / "journal")
    for n in range(10_000):
        journal.append(opened(f"r{n}"))
        journal.append(closed(f"r{n}", n))
    journal.close(keep=True)
    with purse.open() as database:
        for start in range(0, 10_000, 1000):
            book.post(database, [closed(f"r{n}", n) for n in range(start, start + 1000)])
    before = purse.balance(), purse.one("SELECT count(*) FROM transfer"), purse.one("SELECT sum(calls) FROM key_use")
    [done] = recover_all(tmp_path / "journal", purse.open)
    assert (done.posted, done.settled, done.voided) == (10_000, 0, 0)
    after = purse.balance(), purse.one("SELECT count(*) FROM transfer"), purse.one("SELECT sum(calls) FROM key_use")
    assert before == after
    assert before[0] == (sum(range(10_000)), 0)


def test_only_closes_behind_the_mark_are_posted_again(tmp_path: Path) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    journal = Journal.create(tmp_path / "journal")
    journal.posted(journal.append(closed("old", 5)))
    journal.append(closed("new", 7))
    journal.close(keep=True)
    [done] = recover_all(tmp_path / "journal", purse.open)
    assert done.posted == 1
    assert purse.charges() == {"new": 7}


def test_a_call_whose_close_the_ledger_has_but_the_disk_lost_is_left_alone(tmp_path: Path) -> None:
    """I-10: power can take the journal's last records after they were posted."""
    purse = Purse(tmp_path / "nexusflow.db")
    journal = Journal.create(tmp_path / "journal")
    journal.append(opened("a"))
    journal.append(progress("a", 8, 4))
    journal.close(keep=True)
    with purse.open() as database:
        book.post(database, [closed("a", 10)])
    [done] = recover_all(tmp_path / "journal", purse.open)
    assert (done.posted, done.settled, done.voided) == (0, 0, 0)
    assert purse.charges() == {"a": 10}


@pytest.mark.parametrize(("policy", "charges"), [("progress", {"a": 12}), ("none", {})])
def test_open_calls_are_settled_by_the_policy(tmp_path: Path, policy: str, charges: dict[str, int]) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    journal = Journal.create(tmp_path / "journal")
    for record in (opened("a"), opened("b"), progress("a", 8, 4), progress("a", 12, 6)):
        journal.append(record)
    journal.close(keep=True)
    [done] = recover_all(tmp_path / "journal", purse.open, policy)  # type: ignore[arg-type]
    assert (done.settled, done.voided) == (len(charges), 2 - len(charges))
    assert purse.charges() == charges
    assert purse.one("SELECT count(*) FROM transfer WHERE basis = 'recovered' AND kind = 'void'") == done.voided
    assert purse.one("SELECT coalesce(sum(amount), 0) FROM transfer WHERE kind = 'cost'") == sum(charges.values()) // 2
    assert purse.one("SELECT count(*) FROM call WHERE outcome = 'worker_died'") == 2


def test_I15_a_damaged_journal_is_posted_as_far_as_it_is_sound_and_kept(tmp_path: Path) -> None:
    purse = Purse(tmp_path / "nexusflow.db")
    journal = Journal.create(tmp_path / "journal")
    ends = [journal.append(closed(f"r{n}", n + 1)) for n in range(10)]
    journal.close(keep=True)
    [path] = journal.folder.glob("*.log")
    data = bytearray(path.read_bytes())
    data[ends[4] - 100] ^= 1
    path.write_bytes(data)
    [done] = recover_all(tmp_path / "journal", purse.open)
    assert len(done.findings) == 1
    assert purse.charges() == {f"r{n}": n + 1 for n in range(10) if n != 4}
    assert recover_all(tmp_path / "journal", purse.open) == []
    assert [kept.name for kept in (tmp_path / "journal").iterdir()] == [f".damaged-{done.worker}"]
