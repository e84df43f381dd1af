"""Results in a folder: whole or not at all, and gone when they expire (contract 2.8)."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from nexusflow.results.disk import DiskResults
from nexusflow.results.results import ResultsError, Stored
from nexusflow.results.signing import signed_url

TASK = "task_0192f0c4-7d3a-7cc1-8a55-0123456789ab"
OTHER = "task_ffffffff-7d3a-7cc1-8a55-0123456789ab"
NAME = f"{TASK}/0.png"
KEY = b"k" * 32


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(stored: Stored | None) -> bytes | None:
    return None if stored is None else b"".join([piece async for piece in stored.pieces])


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there"


def test_what_is_put_is_what_is_opened(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        parts = [os.urandom(size) for size in (1, 100_000, 0, 300_000, 7, 262_144)]
        assert await results.put(NAME, pieces(*parts), "image/png") == 662_152
        stored = await results.open(NAME)
        assert stored is not None
        assert stored[:2] == ("image/png", 662_152)
        assert await whole(stored) == b"".join(parts)
        assert await results.put(NAME, pieces(b"new"), "image/png") == 3
        assert await whole(await results.open(NAME)) == b"new"
        assert await results.open(f"{TASK}/1.png") is None

    asyncio.run(use())
    assert files(folder) == {NAME}
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600


def test_an_empty_result_is_a_result(folder: Path) -> None:
    async def use() -> bytes | None:
        results = DiskResults(folder, KEY)
        assert await results.put(NAME, pieces(), "image/png") == 0
        return await whole(await results.open(NAME))

    assert asyncio.run(use()) == b""


def test_U36_nothing_is_seen_before_all_of_it_is_there(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        seen: list[Stored | None] = []
        written: set[str] = set()

        async def slow() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 300_000
                seen.append(await results.open(NAME))
                written.update(files(folder))

        await results.put(NAME, slow(), "image/png")
        assert seen == [None, None, None]
        # On the same file system, or it could not appear at once.
        assert {name.partition("/")[0] for name in written} == {".partial"}
        assert await results.open(NAME) is not None

    asyncio.run(use())


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()])
def test_a_download_that_breaks_leaves_nothing(folder: Path, error: BaseException) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        raise error

    async def use() -> None:
        results = DiskResults(folder, KEY)
        with pytest.raises(type(error)):
            await results.put(NAME, breaking(), "image/png")
        assert await results.open(NAME) is None

    asyncio.run(use())
    assert files(folder) == set()


def test_a_result_that_exists_stays_when_its_replacement_breaks(folder: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("broken")

    async def use() -> bytes | None:
        results = DiskResults(folder, KEY)
        await results.put(NAME, pieces(b"old"), "image/png")
        with pytest.raises(RuntimeError):
            await results.put(NAME, breaking(), "image/png")
        return await whole(await results.open(NAME))

    assert asyncio.run(use()) == b"old"


@pytest.mark.parametrize("name", ["../x.png", f"{TASK}/../../x.png", f"/{NAME}", ".partial/x", ""])
def test_no_other_name_reaches_the_disk(folder: Path, name: str) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        with pytest.raises(ValueError, match="not a name"):
            await results.put(name, pieces(b"x"), "image/png")
        with pytest.raises(ValueError, match="not the name"):
            await results.open(name)
        with pytest.raises(ValueError, match="not the name"):
            await results.delete(name)
        with pytest.raises(ValueError, match="not the name"):
            results.url(name, 0, "http://x.example")

    asyncio.run(use())
    assert not folder.exists()


def test_delete_takes_one_result_and_the_folder_with_the_last(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        await results.put(NAME, pieces(b"0"), "image/png")
        await results.put(f"{TASK}/1.png", pieces(b"1"), "image/png")
        await results.delete(NAME)
        assert await results.open(NAME) is None
        assert await whole(await results.open(f"{TASK}/1.png")) == b"1"
        await results.delete(NAME)
        await results.delete(f"{TASK}/1.png")
        assert not (folder / TASK).exists()

    asyncio.run(use())


def test_expire_takes_what_is_older_and_what_was_left_half_written(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        assert await results.expire(2_000) == 0
        for name in (NAME, f"{TASK}/1.mp4", f"{OTHER}/0.png"):
            await results.put(name, pieces(b"x"), "video/mp4" if name.endswith("mp4") else "image/png")
        (folder / ".partial" / "left").write_bytes(b"half")
        for name in (NAME, f"{OTHER}/0.png", ".partial/left"):
            os.utime(folder / name, (1.0, 1.0))
        (folder / "of the operator").write_text("not ours")
        assert await results.expire(1_000) == 0
        assert await results.expire(1_001) == 2

    asyncio.run(use())
    assert files(folder) == {f"{TASK}/1.mp4", "of the operator"}
    assert not (folder / OTHER).exists()


def test_a_folder_that_cannot_be_written_is_told_to_the_operator(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    async def use() -> None:
        results = DiskResults(tmp_path / "file", KEY)
        with pytest.raises(ResultsError, match="folder of results"):
            await results.put(NAME, pieces(b"x"), "image/png")

    asyncio.run(use())


def test_a_result_that_expires_while_it_is_opened_is_an_error_and_no_empty_file(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        await results.put(NAME, pieces(b"x"), "image/png")
        stored = await results.open(NAME)
        await results.delete(NAME)
        with pytest.raises(ResultsError):
            await whole(stored)

    asyncio.run(use())


def test_a_reader_that_stops_early_holds_no_file(folder: Path) -> None:
    async def use() -> None:
        results = DiskResults(folder, KEY)
        await results.put(NAME, pieces(b"x" * 1_000_000), "image/png")
        stored = await results.open(NAME)
        assert stored is not None
        assert len(await anext(stored.pieces)) < 1_000_000
        assert any(file.path.endswith("0.png") for file in psutil.Process().open_files())
        await stored.pieces.aclose()
        assert not any(file.path.endswith("0.png") for file in psutil.Process().open_files())

    asyncio.run(use())


def test_the_link_is_signed_and_below_this_gateway(folder: Path) -> None:
    url = DiskResults(folder, KEY).url(NAME, 1_800_000_000_999, "https://gateway.example/")
    assert url == signed_url(KEY, "https://gateway.example", NAME, 1_800_000_000)
