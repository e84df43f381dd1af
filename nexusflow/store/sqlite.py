"""One SQLite file: WAL, synchronous=FULL, immediate transactions, typed errors.

apsw carries its own SQLite, so the version does not depend on the distribution; builds before 3.51.3 can lose data
in WAL mode when several processes write.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import apsw

from nexusflow.store.database import Database, Row, Value
from nexusflow.store.errors import DatabaseBusy, DatabaseUnreachable, StoreError, TransactionSpoilt
from nexusflow.store.migrations import migrate
from nexusflow.store.sqlite_errors import explain, explained

BUSY_TIMEOUT_MS = 10_000


class SqliteDatabase(Database):
    """One connection to a file that `open_database` has checked and migrated.

    A lock gives it to one thread at a time, for a whole transaction where there is one.
    """

    kind = "sqlite"
    for_update = ""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self.label = str(path)
        self._connection = connection
        self._lock = threading.RLock()
        self._spoilt = False

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """See Database. A placeholder without a value is a KeyError.

        SQLite numbers `$n` by first appearance, so binding by position would swap the values of `SELECT $2, $1`.
        """
        named = {str(number): value for number, value in enumerate(params, 1)}
        with self._lock, self._statement():
            return list(self._connection.execute(sql, named))

    @contextmanager
    def transaction(self, alone: str | None = None) -> Iterator[None]:
        """See Database. BEGIN IMMEDIATE … COMMIT: every transaction is alone here.

        IMMEDIATE takes the write lock first, where waiting is possible; a read that later wants to write would fail.
        """
        with self._lock, self._begun("BEGIN IMMEDIATE"):
            yield
            self.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Database."""
        with self._lock, self._begun("BEGIN"):
            yield

    def insert_new(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], key: str = "id"
    ) -> set[Value]:
        """See Database."""
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING {key}"  # noqa: S608
        with self._lock:
            with explained(self.path):
                within = nullcontext() if self._connection.in_transaction else self.transaction()
            with within, self._statement():
                return {row[0] for row in self._connection.executemany(sql, rows)}

    def data_version(self) -> int:
        """See Database. Own commits do not change it."""
        [(version,)] = self.execute("PRAGMA data_version")
        return int(version or 0)

    def now_ms(self) -> int:
        """See Database. All processes run on this machine, so its clock is the shared one."""
        return time.time_ns() // 1_000_000

    def reader(self) -> "SqliteDatabase":
        """See Database."""
        with explained(self.path):
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        return SqliteDatabase(self.path, connection)

    def another(self) -> "SqliteDatabase":
        """See Database."""
        with explained(self.path):
            return SqliteDatabase(self.path, _connect(self.path))

    def close(self) -> None:
        """See Database."""
        with self._lock, explained(self.path):
            self._connection.close()

    def tables(self) -> set[str]:
        """See Database."""
        return {str(name) for (name,) in self.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    def migrating(self) -> AbstractContextManager[None]:
        """See Database."""
        return self.transaction()

    def dialect(self, sql: str) -> str:
        """See Database. Migrations are written in SQLite's words."""
        return sql

    @contextmanager
    def _begun(self, begin: str) -> Iterator[None]:
        """What the block does not commit is rolled back."""
        self.execute(begin)
        try:
            yield
        finally:
            self._spoilt = False
            # SQLite rolls back by itself after some failures, such as a full disk.
            if self._connection.in_transaction:
                self.execute("ROLLBACK")

    @contextmanager
    def _statement(self) -> Iterator[None]:
        """SQLite would go on in a transaction after a failed statement, where PostgreSQL does not."""
        if self._spoilt:
            raise TransactionSpoilt(self.label)
        # Asked before: a full disk also ends the transaction, and what follows must not be committed alone.
        within = False
        try:
            with explained(self.path):
                within = self._connection.in_transaction
                yield
        except StoreError:
            self._spoilt = within
            raise


def open_database(path: Path) -> SqliteDatabase:
    """Open the store at `path`, creating folder (mode 0700) and file (mode 0600) at need, and bring it to this schema.

    An existing file is checked page by page first and never replaced (S-16): NotADatabase, DatabaseCorrupt,
    DatabaseReadOnly, DatabaseUnreachable, DatabaseBusy, DatabaseFull and SchemaTooNew say what is wrong. The check
    reads the whole file. Safe when several processes open a new file at once.
    """
    make_private_folder(path.parent)
    _touch(path)
    with explained(path):
        connection = _connect(path)
    database = SqliteDatabase(path, connection)
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


def _check_pages(database: SqliteDatabase) -> None:
    [(finding,)] = database.execute("PRAGMA quick_check(1)")
    if finding != "ok":
        raise explain(apsw.CorruptError(str(finding)), database.path)


def _enter_wal(database: SqliteDatabase) -> None:
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
