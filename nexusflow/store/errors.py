"""What can be wrong with a store, in a plain sentence and a remedy; never a code alone, never a password."""


class StoreError(Exception):
    """The store cannot do what was asked. `sentence` says what is wrong, `remedy` what an operator can do about it."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(f"{sentence} {remedy}")
        self.sentence = sentence
        self.remedy = remedy


class NotADatabase(StoreError):
    """The file holds something else, or its first page is destroyed (S-16)."""


class DatabaseCorrupt(StoreError):
    """The database found a damaged or missing page (S-16)."""


class DatabaseReadOnly(StoreError):
    """The file, its file system or the server refuses writes (S-15)."""


class DatabaseUnreachable(StoreError):
    """The folder, the file or the address cannot be used."""


class DatabaseAway(StoreError):
    """The server does not answer, or was lost on the way (S-13). Trying again may help.

    A statement or COMMIT that ends like this may have been done or not: repeat only what can be repeated.
    """


class RuleBroken(StoreError):
    """A row would break a rule of its table: uniqueness, a reference, a CHECK."""


class DatabaseBusy(StoreError):
    """Others held a lock, or all connections, for longer than the busy timeout (S-13). Trying again may help."""


class DatabaseFull(StoreError):
    """The disk is full (S-14)."""


class SchemaTooNew(StoreError):
    """A newer version of this program has already migrated the database."""


class TransactionSpoilt(StoreError):
    """A statement failed and the transaction went on: nothing of it can be committed."""

    def __init__(self, label: str) -> None:
        super().__init__(
            f"An earlier statement of this transaction with the database {label} failed.", "Nothing of it was kept."
        )
