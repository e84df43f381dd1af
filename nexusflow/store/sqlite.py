"""One SQLite file: WAL, synchronous=FULL, immediate transactions, typed errors.

apsw carries its own SQLite, so the version does not depend on the distribution; builds before 3.51.3 can lose data
in WAL mode when several processes write.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import apsw

from nexusflow.store.errors import DatabaseBusy, DatabaseUnreachable, explain, explained
from nexusflow.store.migrations import migrate

BUSY_TIMEOUT_MS = 10_000

Value = int | float | str | bytes | None
Row = tuple[Value, ...]


class Database:
    """One connection to a file that `open_database` has checked and migrated.

    Threads may share it: a lock gives it to one of them at a time, for a whole transaction where there is one.
    """

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run `sql` and return all its rows. `$1` is the first of `params`, in whatever order the text names them.

        SQLite numbers `$n` by first appearance, so binding by position would swap the values of `SELECT $2, $1`.
        Raises StoreError, and KeyError for a placeholder without a value.
        """
        named = {str(number): value for number, value in enumerate(params, 1)}
        with self._lock, explained(self.path):
            return list(self._connection.execute(sql, named))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE … COMMIT; any exception rolls back and goes on. Not to be nested. Raises StoreError.

        IMMEDIATE takes the write lock first, where waiting is possible; a read that later wants to write would fail.
        """
        with self._lock:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself after some failures, such as a full disk.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside the block see one and the same state of the file, whatever others commit. Raises StoreError."""
        with self._lock:
            self.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")

    def data_version(self) -> int:
        """A number that differs from the last one read here when another connection committed. Costs microseconds.

        Own commits do not change it. Raises StoreError.
        """
        [(version,)] = self.execute("PRAGMA data_version")
        return int(version or 0)

    def reader(self) -> "Database":
        """A second connection to the same file that refuses to write. Raises StoreError."""
        with explained(self.path):
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        return Database(self.path, connection)

    def close(self) -> None:
        """Give the file back. Any later call raises StoreError."""
        with self._lock, explained(self.path):
            self._connection.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_database(path: Path) -> Database:
    """Open the store at `path`, creating folder (mode 0700) and file (mode 0600) at need, and bring it to this schema.

    An existing file is checked page by page first and never replaced (S-16): NotADatabase, DatabaseCorrupt,
    DatabaseReadOnly, DatabaseUnreachable, DatabaseBusy, DatabaseFull and SchemaTooNew say what is wrong. The check
    reads the whole file. Safe when several processes open a new file at once.
    """
    make_private_folder(path.parent)
    _touch(path)
    with explained(path):
        connection = _connect(path)
    database = Database(path, connection)
    try:
        _check_pages(database)
        _enter_wal(database)
        migrate(database)
    except BaseException:
        connection.close()
        raise
    return database


def make_private_folder(folder: Path) -> None:
    """Create `folder` with mode 0700 unless it exists. Raises DatabaseUnreachable."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DatabaseUnreachable(
            f"The data folder {folder} cannot be created: {error.strerror}.",
            "Choose a folder that this user may create, or create it and give it to this user.",
        ) from error


def _touch(path: Path) -> None:
    """Create the file with mode 0600 (SQLite gives its -wal and -shm the same), or prove that it can be written."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
    except OSError as error:
        exists = path.is_file() and os.access(path, os.R_OK)
        raise explain(apsw.ReadOnlyError() if exists else apsw.CantOpenError(), path) from error
    if size == 1:
        # SQLite takes a file of one byte for an empty one and would write over it.
        raise explain(apsw.NotADBError(), path)


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    for setting in ("synchronous = FULL", "foreign_keys = ON", "mmap_size = 0"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _check_pages(database: Database) -> None:
    [(finding,)] = database.execute("PRAGMA quick_check(1)")
    if finding != "ok":
        raise explain(apsw.CorruptError(str(finding)), database.path)


def _enter_wal(database: Database) -> None:
    """Switch to WAL. Two processes that switch at once can get "busy" without SQLite having waited, hence the loop."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            [(mode,)] = database.execute("PRAGMA journal_mode = WAL")
        except DatabaseBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise DatabaseUnreachable(
                f"The database {database.path} cannot use write-ahead logging (mode {mode!r}).",
                "Put the data folder on a local disk; network file systems are not supported.",
            )
        return
