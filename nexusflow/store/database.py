"""What a store can do, whichever database is behind it. One SQL text serves both, with `$1`, `$2`, … as placeholders.

Texts keep to what both understand: no scalar `max(a, b)`, no boolean as a number, `sum(x)` where x is not null. A
parameter whose type nothing around it gives, such as `$1 IS NULL`, needs a CAST.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import ClassVar, Literal, Self

Value = int | float | str | bytes | None
Row = tuple[Value, ...]


class Database(ABC):
    """An open, migrated store. Threads may share it. `label` names it in messages, without user and password.

    `for_update` is appended to a SELECT in a transaction whose rows must stay as they are until its end.
    """

    kind: ClassVar[Literal["sqlite", "postgres"]]
    for_update: ClassVar[str]
    label: str

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run `sql` and return all its rows. `$1` is the first of `params`, in whatever order the text names them.

        Raises StoreError.
        """

    @abstractmethod
    def transaction(self, alone: str | None = None) -> AbstractContextManager[None]:
        """All or nothing: any exception rolls back and goes on. Not to be nested. Raises StoreError.

        A statement that fails spoils the transaction: TransactionSpoilt for all that follows, also its end.
        Statements see what others commit meanwhile, unless rows are locked (`for_update`); transactions with the same
        name in `alone` run one after another, in all processes. On SQLite all transactions do.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Reads inside the block see one and the same state, whatever others commit. Raises StoreError."""

    @abstractmethod
    def insert_new(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], key: str = "id"
    ) -> set[Value]:
        """Insert those `rows` that break no uniqueness, also among themselves, and return their values of column `key`.

        Thousands at once are quick. All or none when it fails; part of the transaction where there is one. Raises
        StoreError.
        """

    @abstractmethod
    def data_version(self) -> int:
        """A number that differs from the last one read here when another connection committed.

        Costs microseconds on SQLite, one round trip on PostgreSQL. Raises StoreError.
        """

    @abstractmethod
    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC, by the clock that all processes of this store share. Raises StoreError."""

    @abstractmethod
    def reader(self) -> "Database":
        """The same store over a connection of its own, which refuses to write. Raises StoreError."""

    @abstractmethod
    def another(self) -> "Database":
        """The same store over connections of its own, for work that must not wait for this one's. Raises StoreError."""

    @abstractmethod
    def close(self) -> None:
        """Give all connections back. Any later call raises StoreError."""

    @abstractmethod
    def tables(self) -> set[str]:
        """The names of all tables, also those of other programs. Raises StoreError."""

    @abstractmethod
    def migrating(self) -> AbstractContextManager[None]:
        """A transaction that no other process migrates beside, and that may take its time. Raises StoreError."""

    @abstractmethod
    def dialect(self, sql: str) -> str:
        """The text of a migration in the words of this database."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
