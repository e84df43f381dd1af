"""A few connections to PostgreSQL that threads borrow in turn; lost ones are replaced when next needed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from nexusflow.store.errors import DatabaseBusy, StoreError

WAIT_SECONDS = 10.0

Connection = psycopg.Connection[tuple[object, ...]]


class Pool:
    """At most `most` connections that `connect` makes, on demand. The last of its `users` to leave closes it."""

    def __init__(self, label: str, connect: Callable[[], Connection], most: int) -> None:
        self._label = label
        self._connect = connect
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._users = 0

    def join(self) -> None:
        """Count one more user."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Count one user less."""
        with self._lock:
            self._users -= 1
            idle, self._idle = (self._idle, []) if self._users == 0 else ([], self._idle)
        for connection in idle:
            connection.close()

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A live connection outside any transaction. Raises DatabaseBusy, DatabaseAway and what `connect` raises."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise DatabaseBusy(
                f"All connections to the database {self._label} stayed in use.",
                "Raise `stores.database.pool_max`, or find what holds them.",
            )
        try:
            connection = self._live() or self._connect()
            try:
                yield connection
            finally:
                self._take_back(connection)
        finally:
            self._places.release()

    def _live(self) -> Connection | None:
        """The idle connection used last, if the server has not closed it meanwhile."""
        while True:
            with self._lock:
                if self._users == 0:
                    raise StoreError(f"The database {self._label} was closed.", "Open it again.")
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if _is_live(connection):
                return connection
            connection.close()

    def _take_back(self, connection: Connection) -> None:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            with self._lock:
                if self._users > 0:
                    self._idle.append(connection)
                    return
        connection.close()


def _is_live(connection: Connection) -> bool:
    """Whether the server has said nothing since: reading an idle connection finds its farewell and then its end.

    Costs two system calls and no round trip, and spares the first statement after a restart of the server a failure
    of which nobody could tell whether it had been carried out.
    """
    with suppress(psycopg.OperationalError):
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
        return not connection.closed
    return False
