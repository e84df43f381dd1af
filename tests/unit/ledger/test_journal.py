"""The journal: what is written comes back, whatever cuts it off; anything else that is wrong is reported (I-15)."""

import asyncio
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nexusflow.ledger import ownership
from nexusflow.ledger.frames import LONGEST, RecordTooLong, seal
from nexusflow.ledger.journal import Journal, JournalFull, JournalLimits
from nexusflow.ledger.reading import Reader, posted_through
from nexusflow.ledger.records import Closed, Opened, Progress, Record
from tests.support.money import closed, opened, progress

SMALL = JournalLimits(segment=4096, total=40_000)


def _read(folder: Path) -> tuple[list[Record], Reader]:
    reader = Reader(folder, posted_through(folder))
    return [record for _, record in reader.records()], reader


def _written(tmp_path: Path, records: list[Record], limits: JournalLimits | None = None) -> Path:
    """A journal with `records`, left behind by its worker."""
    journal = Journal.create(tmp_path, limits)
    for record in records:
        journal.append(record)
    journal.close(keep=True)
    return journal.folder


def _calls(count: int) -> list[Record]:
    return [record for n in range(count) for record in (opened(f"r{n}"), progress(f"r{n}", n), closed(f"r{n}", n))]


def test_records_come_back_in_order_over_many_segments(tmp_path: Path) -> None:
    records = _calls(40)
    folder = _written(tmp_path, records, SMALL)
    assert len(list(folder.glob("*.log"))) > 5
    found, reader = _read(folder)
    assert found == records
    assert not reader.findings
    assert not reader.torn


def test_a_tail_torn_at_any_byte_costs_only_the_record_it_cuts(tmp_path: Path) -> None:
    records = _calls(4)
    folder = _written(tmp_path, records)
    [path] = folder.glob("*.log")
    whole = path.read_bytes()
    ends = [position for position, _ in Reader(folder).frames()]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found, reader = _read(folder)
        intact = sum(end <= length for end in ends)
        assert found == records[:intact], length
        assert not reader.findings, length
        assert reader.torn == (length not in (ends[0] - len(_frame(records[0])), *ends)), length


def _frame(record: Record) -> bytes:
    from nexusflow.ledger.records import encode

    return seal(encode(record), 0)[0]


def test_I15_a_damaged_byte_is_found_and_the_records_behind_it_are_still_read(tmp_path: Path) -> None:
    records = _calls(6)
    folder = _written(tmp_path, records)
    [path] = folder.glob("*.log")
    whole = path.read_bytes()
    ends = [position for position, _ in Reader(folder).frames()]
    start = ends[7] - len(_frame(records[7]))
    for offset in range(start, ends[7]):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x41
        path.write_bytes(damaged)
        found, reader = _read(folder)
        # A wrong CRC also unproves its successor, which goes on from it; a search finds the one after at the latest.
        assert found[:7] == records[:7], offset
        assert found[-(len(records) - 9) :] == records[9:], offset
        assert len(reader.findings) == 1, offset
        assert not reader.torn, offset


@pytest.mark.parametrize("change", ["remove", "repeat", "swap"])
def test_I15_records_removed_repeated_or_swapped_break_the_chain(tmp_path: Path, change: str) -> None:
    folder = _written(tmp_path, _calls(3))
    [path] = folder.glob("*.log")
    whole = path.read_bytes()
    ends = [position for position, _ in Reader(folder).frames()]
    first, second, third = whole[: ends[2]], whole[ends[2] : ends[3]], whole[ends[3] : ends[4]]
    middle = {"remove": b"", "repeat": second + second, "swap": third + second}[change]
    path.write_bytes(first + middle + (b"" if change == "swap" else third) + whole[ends[4] :])
    assert _read(folder)[1].findings


@pytest.mark.parametrize("which", [0, 1, -2])
def test_I15_a_lost_segment_is_found(tmp_path: Path, which: int) -> None:
    folder = _written(tmp_path, _calls(40), SMALL)
    sorted(folder.glob("*.log"))[which].unlink()
    [finding] = _read(folder)[1].findings
    assert "missing" in finding.what


def test_I15_a_segment_that_ends_too_early_is_no_torn_tail(tmp_path: Path) -> None:
    folder = _written(tmp_path, _calls(40), SMALL)
    path = sorted(folder.glob("*.log"))[1]
    path.write_bytes(path.read_bytes()[:-1])
    _, reader = _read(folder)
    assert reader.findings
    assert not reader.torn


def test_posted_files_go_and_the_rest_is_enough(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal.create(tmp_path, SMALL)
        long_call = opened("long")
        journal.append(long_call)
        journal.append(progress("long", 7))
        for n in range(300):
            journal.append(opened(f"r{n}"))
            position = journal.append(closed(f"r{n}", n))
            journal.posted(position)
            await journal.durable(position)
        assert journal.size < SMALL.total
        unposted = journal.append(closed("last", 1))
        await journal.durable(unposted)
        assert len(list(journal.folder.glob("*.log"))) < 12
        journal.close(keep=True)
        found, reader = _read(journal.folder)
        assert not reader.findings
        assert {record.id for record in found if isinstance(record, Closed)} == {"last"}
        # The long call was written again before the file that held it went.
        assert long_call in found
        assert progress("long", 7) in found
        assert _first(found, Opened) < _first(found, Progress)

    asyncio.run(run())


def _first(records: list[Record], kind: type[Record]) -> int:
    return next(n for n, record in enumerate(records) if isinstance(record, kind) and record.id == "long")


def test_a_full_journal_refuses_calls_but_not_their_ends(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, JournalLimits(segment=1000, total=5000))
    ids = []
    with pytest.raises(JournalFull):
        for n in range(1000):
            journal.append(opened(f"r{n}"))
            ids.append(f"r{n}")
    position = 0
    for id in ids:
        position = journal.append(closed(id, 1))
    journal.posted(position)
    journal.append(opened("again"))
    journal.close(keep=True)


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-14: a file without room is not begun, and the journal goes on behind the last whole record."""
    journal = Journal.create(tmp_path, JournalLimits(segment=600))
    journal.append(opened("before"))
    written: list[Record] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _no_space)
        with pytest.raises(JournalFull):
            for n in range(100):
                journal.append(progress("before", n))
                written.append(progress("before", n))
        with pytest.raises(JournalFull):
            journal.append(opened("refused" * 100))
    assert len(list(journal.folder.glob("*.log"))) == 1
    journal.append(closed("before", 5))
    journal.close(keep=True)
    found, reader = _read(journal.folder)
    assert written
    assert found == [opened("before"), *written, closed("before", 5)]
    assert not reader.findings
    assert not reader.torn


def _no_space(fd: int, offset: int, length: int) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_what_is_appended_survives_the_process_at_once(tmp_path: Path) -> None:
    """A killed worker leaves every record, and room behind them that is no damage."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nexusflow.ledger.journal import Journal, JournalLimits\n"
        "from tests.support.money import closed, opened\n"
        "journal = Journal.create(Path(sys.argv[1]), JournalLimits(segment=2000, total=10**6))\n"
        "for n in range(20): journal.append(opened(f'r{n}')); journal.append(closed(f'r{n}', n))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[3])
    assert ended.returncode == -signal.SIGKILL
    [folder] = ownership.journals(tmp_path)
    assert all(path.stat().st_size == 2000 for path in folder.glob("*.log"))
    found, reader = _read(folder)
    assert found == [record for n in range(20) for record in (opened(f"r{n}"), closed(f"r{n}", n))]
    assert not reader.findings
    assert not reader.torn


def test_I15_zeros_in_place_of_records_are_found(tmp_path: Path) -> None:
    """The end of a file that was lost looks like room that was never used; the next file says otherwise."""
    folder = _written(tmp_path, _calls(40), SMALL)
    path = sorted(folder.glob("*.log"))[1]
    path.write_bytes(path.read_bytes()[:-300] + bytes(300))
    _, reader = _read(folder)
    assert reader.findings


def test_a_record_that_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(RecordTooLong):
        seal(b"x" * (LONGEST + 1), 0)


def test_durable_comes_after_the_disk_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Group commit: everybody who waits is covered by a sync that began after his record was written."""
    sizes: list[int] = []
    sync = os.fdatasync
    folders: list[Path] = []

    def spy(fd: int) -> None:
        size = max([position for position, _ in Reader(folders[0]).frames()], default=0)
        sync(fd)
        sizes.append(size)

    monkeypatch.setattr(os, "fdatasync", spy)

    async def run() -> int:
        journal = Journal.create(tmp_path)
        folders.append(journal.folder)

        async def one(n: int) -> None:
            position = journal.append(closed(f"r{n}", n))
            await journal.durable(position)
            assert sizes[-1] >= position

        await asyncio.gather(*(one(n) for n in range(200)))
        journal.close(keep=True)
        return len(sizes)

    assert asyncio.run(run()) < 200


def test_a_waiter_that_leaves_takes_nobody_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal.create(tmp_path)
        first = asyncio.ensure_future(journal.durable(journal.append(closed("a", 1))))
        second = asyncio.ensure_future(journal.durable(journal.append(closed("b", 1))))
        await asyncio.sleep(0)
        first.cancel()
        await second
        await journal.durable(journal.append(closed("c", 1)))
        journal.close(keep=True)

    asyncio.run(run())


def test_a_disk_that_fails_to_sync_is_told_to_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nexusflow.ledger.syncing import SyncFailed

    async def run() -> None:
        journal = Journal.create(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", _broken)
            waits = [journal.durable(journal.append(closed(f"r{n}", 1))) for n in range(3)]
            results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(result) for result in results] == [SyncFailed] * 3
        # A later sync that succeeds proves nothing about the pages that failed.
        with pytest.raises(SyncFailed):
            await journal.durable(journal.append(closed("later", 1)))
        journal.close(keep=True)

    asyncio.run(run())


def _broken(fd: int) -> None:
    raise OSError(errno.EIO, "broken")


def test_a_living_owner_keeps_its_journal_and_a_clean_end_removes_it(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    assert ownership.claim(journal.folder) is None
    position = journal.append(closed("a", 1))
    journal.posted(position)
    journal.close(keep=False)
    assert ownership.journals(tmp_path) == []


def test_a_journal_that_goes_while_it_is_claimed_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.create(tmp_path)
    journal.append(closed("a", 1))
    journal.close(keep=True)
    lock = fcntl.flock

    def late(fd: int, operation: int) -> None:
        shutil.rmtree(journal.folder)
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert ownership.claim(journal.folder) is None


def test_a_journal_with_something_unposted_stays_and_one_process_gets_it(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(closed("a", 1))
    journal.close(keep=False)
    claim = ownership.claim(journal.folder)
    assert claim is not None
    assert ownership.claim(journal.folder) is None
    claim.remove()
    assert ownership.claim(journal.folder) is None
