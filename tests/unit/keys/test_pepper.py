"""The pepper file beside the database (SEC-51)."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import nexusflow
from nexusflow.ir.plan import DatabaseAt
from nexusflow.keys import KeyCache, KeyTable, PepperProblem, load_pepper, pepper_of, pepper_path
from nexusflow.store import open_database
from tests.support.stores import Store

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(nexusflow.__file__).parents[1])}


def test_SEC51_the_first_start_draws_a_private_pepper_and_later_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "pepper"
    mask = os.umask(0)
    try:
        pepper = load_pepper(path)
    finally:
        os.umask(mask)
    assert len(pepper) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_pepper(path) == pepper == path.read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["pepper"]
    assert load_pepper(tmp_path / "other") != pepper


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 31, b"x" * 33])
def test_SEC51_a_pepper_of_another_length_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PepperProblem, match="does not hold exactly 32 bytes"):
        load_pepper(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_SEC51_a_pepper_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pepper"
    load_pepper(path)
    path.chmod(mode)
    with pytest.raises(PepperProblem, match="chmod 600"):
        load_pepper(path)


def test_a_folder_in_place_of_the_pepper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PepperProblem, match="cannot be used"):
        load_pepper(tmp_path)


def test_SEC51_processes_that_start_at_once_agree_on_one_pepper(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from nexusflow.keys import load_pepper\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print([load_pepper(Path(path)).hex() for path in sys.argv[1:]])\n"
    )
    paths = [str(tmp_path / f"pepper{number}") for number in range(30)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, *paths],
            env=ENVIRONMENT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert answers == {f"{[Path(path).read_bytes().hex() for path in paths]}\n"}


def test_another_pepper_than_the_database_was_made_with_is_refused(tmp_path: Path) -> None:
    """A lost pepper file would be drawn anew at the next start, and then every key would silently be unknown."""
    with open_database(tmp_path / "nexusflow.db") as database:
        KeyTable(database, b"a" * 32)
        KeyTable(database, b"a" * 32)
        for user in (KeyTable, KeyCache):
            with pytest.raises(PepperProblem, match="does not belong to the database"):
                user(database, b"b" * 32)


def test_SEC51_a_second_machine_draws_no_pepper_of_its_own(store: Store, tmp_path: Path) -> None:
    """It would lie there and have to be found and replaced; the message says which file is missing."""
    here, there = tmp_path / "here" / "pepper", tmp_path / "there" / "pepper"
    with store.open() as database:
        pepper = pepper_of(database, here)
        KeyTable(database, pepper)
        with pytest.raises(PepperProblem, match="there/pepper is missing"):
            pepper_of(database, there)
        assert not there.exists()
        there.parent.mkdir()
        there.touch(mode=0o600)
        there.write_bytes(here.read_bytes())
        assert pepper_of(database, there) == pepper
        KeyTable(database, pepper)


def test_the_pepper_lies_beside_the_file_or_where_the_machine_keeps_it(tmp_path: Path) -> None:
    named = {"NEXUSFLOW_PEPPER_FILE": "/run/secrets/pepper"}
    postgres = DatabaseAt(kind="postgres")
    assert pepper_path(DatabaseAt(path="data/store.db"), tmp_path, named) == tmp_path / "data" / "pepper"
    assert pepper_path(postgres, tmp_path, {}) == tmp_path / ".nexusflow" / "pepper"
    assert pepper_path(postgres, tmp_path, named) == Path("/run/secrets/pepper")
