"""A PostgreSQL database that several machines share (version 14 or later; with PgBouncer only in session mode).

Statements run in autocommit on connections of a small pool; a transaction keeps one for its thread.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from nexusflow.ir.secret import Secret
from nexusflow.store.database import Database, Row, Value
from nexusflow.store.errors import DatabaseUnreachable, StoreError, TransactionSpoilt
from nexusflow.store.migrations import migrate
from nexusflow.store.pool import Connection, Pool
from nexusflow.store.postgres_errors import explain, explain_refusal
from nexusflow.store.postgres_words import Adaption, to_postgres

OLDEST = 14

# A URL may say otherwise. Keepalive and user time-out find out within ten seconds that a server vanished.
_CONNECTION: dict[str, str | int | None] = {
    "connect_timeout": 2,
    "application_name": "nexusflow",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
}
_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "default_transaction_isolation": "read\\ committed",
    "timezone": "UTC",
}
_UNHURRIED = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
# Answers must not be sent before the server has the commit on disk; a stricter setting than `on` is left alone.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


class PostgresDatabase(Database):
    """A database that `open_postgres` has migrated."""

    kind = "postgres"
    for_update = " FOR UPDATE"

    def __init__(self, address: "_Address", pool: Pool) -> None:
        self.label = address.label
        self._address = address
        self._pool = pool
        self._closed = False
        self._thread = threading.local()
        self._types: dict[str, dict[str, str]] = {}
        pool.join()

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """See Database. Several statements at once are possible without `params`."""
        held = self._held
        if held is not None:
            return self._run(held, sql, params)
        with self._lend() as connection:
            return self._run(connection, sql, params)

    @contextmanager
    def transaction(self, alone: str | None = None) -> Iterator[None]:
        """See Database. READ COMMITTED: each statement sees what was committed before it began."""
        with self._pinned("BEGIN") as connection:
            if alone is not None:
                self._wait_for_turn(alone)
            yield
            if connection.info.transaction_status == TransactionStatus.INERROR:
                raise TransactionSpoilt(self.label)
            self.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Database."""
        with self._pinned("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            yield

    def insert_new(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], key: str = "id"
    ) -> set[Value]:
        """See Database."""
        if not rows:
            return set()
        types = self._column_types(table)
        arrays = ", ".join(f"${number}::{types[name]}[]" for number, name in enumerate(columns, 1))
        sql = (
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608
            f" ON CONFLICT DO NOTHING RETURNING {key}"
        )
        params = [list(column) for column in zip(*rows, strict=True)]
        return {row[0] for row in self.execute(sql, cast("list[Value]", params))}

    def data_version(self) -> int:
        """See Database. Own commits, and those to other databases of the server, change it too."""
        # The text of a snapshot says exactly which transactions are visible, so it changes with every commit.
        [(version,)] = self.execute("SELECT hashtextextended(pg_current_snapshot()::text, 0)")
        return cast("int", version)

    def now_ms(self) -> int:
        """See Database. The server's clock."""
        [(now,)] = self.execute("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return cast("int", now)

    def reader(self) -> "PostgresDatabase":
        """See Database. Beside the connections of the pool; opened when first used."""
        address = self._address
        return PostgresDatabase(address, Pool(self.label, address.connect_reader, 1))

    def another(self) -> "PostgresDatabase":
        """See Database. The pool is the same."""
        return PostgresDatabase(self._address, self._pool)

    def close(self) -> None:
        """See Database."""
        if not self._closed:
            self._closed = True
            self._pool.leave()

    def tables(self) -> set[str]:
        """See Database. Those of the schema that new tables go to, without those of extensions."""
        rows = self.execute(
            "SELECT relname FROM pg_class c"
            " WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid"
            " AND deptype = 'e')"
        )
        return {str(name) for (name,) in rows}

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """See Database."""
        with self.transaction():
            self.execute(_UNHURRIED)
            self._wait_for_turn("schema")
            yield

    def dialect(self, sql: str) -> str:
        """See Database."""
        return to_postgres(sql)

    @property
    def _held(self) -> Connection | None:
        held: Connection | None = getattr(self._thread, "connection", None)
        return held

    def _wait_for_turn(self, name: str) -> None:
        self.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (f"nexusflow:{name}",))

    @contextmanager
    def _pinned(self, begin: str) -> Iterator[Connection]:
        """A connection for all that this thread does in the block; what the block does not commit is rolled back."""
        if self._held is not None:
            raise StoreError(f"A transaction with the database {self.label} is already open.", "This is a bug.")
        with self._lend() as connection:
            self._thread.connection = connection
            try:
                self._run(connection, begin)
                yield connection
            finally:
                self._thread.connection = None
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    # When this fails, the server forgets the transaction with the connection.
                    with suppress(StoreError):
                        self._run(connection, "ROLLBACK")

    @contextmanager
    def _lend(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(f"The database {self.label} was closed.", "Open it again.")
        with self._pool.lend() as connection:
            yield connection

    def _run(self, connection: Connection, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        try:
            with connection.cursor() as cursor:
                # Bytes, because a composed text is no literal; RawCursor leaves `%` and `$n` to the server.
                cursor.execute(sql.encode(), params or None)
                return cast("list[Row]", cursor.fetchall()) if cursor.description else []
        except psycopg.Error as error:
            raise explain(error, self.label, lost=connection.closed) from error

    def _column_types(self, table: str) -> dict[str, str]:
        """The type of each column of `table`: an array of nothing but nulls would not tell."""
        found = self._types.get(table)
        if found is None:
            rows = self.execute(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
                " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
                (table,),
            )
            found = self._types[table] = {str(name): str(type_) for name, type_ in rows}
        return found


class _Address:
    """Where the server is and how to log in there. Shows its label only."""

    def __init__(self, url: Secret) -> None:
        try:
            params = conninfo_to_dict(url.reveal())
        except psycopg.ProgrammingError:
            # The message would quote the URL, password and all.
            raise DatabaseUnreachable(
                "The address of the PostgreSQL database cannot be read.",
                "It looks like postgresql://user:password@host:5432/nexusflow; encode special characters as %XX.",
            ) from None
        self.label = (
            f"postgres://{params.get('host', 'localhost')}:{params.get('port', 5432)}/{params.get('dbname', '')}"
        )
        self._params = {**_CONNECTION, **params}
        self._adaption = Adaption()

    def connect(self) -> Connection:
        """A new connection. Raises DatabaseAway, StoreError for a server that is too old."""
        return self._connect(_SESSION)

    def connect_reader(self) -> Connection:
        """A new connection that refuses to write."""
        return self._connect({**_SESSION, "default_transaction_read_only": "on"})

    def _connect(self, session: dict[str, str]) -> Connection:
        given = str(self._params.get("options") or "")
        options = " ".join([*(f"-c {name}={value}" for name, value in session.items()), given])
        conninfo = make_conninfo("", **{**self._params, "options": options})
        try:
            connection = psycopg.connect(
                conninfo, autocommit=True, cursor_factory=psycopg.RawCursor, context=self._adaption
            )
            connection.execute(_DURABLE)
        except psycopg.Error as error:
            raise explain_refusal(error, self.label, str(self._params.get("password") or "")) from None
        found = connection.info.server_version
        if found < OLDEST * 10_000:
            connection.close()
            raise StoreError(
                f"The database {self.label} runs PostgreSQL {found // 10_000}, which is too old.",
                f"Use PostgreSQL {OLDEST} or later.",
            )
        return connection


def open_postgres(url: Secret, pool_max: int) -> PostgresDatabase:
    """Connect to the server at `url` and bring its database to this schema.

    Raises DatabaseUnreachable for a malformed URL, DatabaseAway, NotADatabase, SchemaTooNew and StoreError. Safe when
    several processes, on several machines, open a new database at once.
    """
    address = _Address(url)
    database = PostgresDatabase(address, Pool(address.label, address.connect, pool_max))
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database
