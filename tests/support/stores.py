"""The same test on either database."""

import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import nexusflow
from nexusflow.ir.plan import CredentialRef, DatabaseAt
from nexusflow.store import Database, open_store

ADDRESS_FILE = "database-url"


@dataclass(frozen=True, slots=True)
class Store:
    """A database that is made when first opened. `at` is how a plan names it, `root` the folder it is meant from."""

    at: DatabaseAt
    root: Path

    @classmethod
    def sqlite(cls, root: Path) -> "Store":
        """A file below `root`."""
        return cls(DatabaseAt(), root)

    @classmethod
    def postgres(cls, root: Path, url: str) -> "Store":
        """The database at `url`, which is kept in a file of `root`."""
        (root / ADDRESS_FILE).write_text(url)
        return cls(DatabaseAt(kind="postgres", url=CredentialRef("file", ADDRESS_FILE)), root)

    def open(self) -> Database:
        """One more handle."""
        return open_store(self.at, self.root)

    def spawn(self, script: str, *arguments: object) -> "Popen[str]":
        """Another process that runs `script`, in which `store` is this store."""
        opening = (
            "import sys; from pathlib import Path\n"
            "from nexusflow.ir.plan import CredentialRef, DatabaseAt\n"
            "from tests.support.stores import Store\n"
            f"store = Store({self.at!r}, Path({str(self.root)!r}))\n"
        )
        command = [sys.executable, "-c", opening + script, *map(str, arguments)]
        folder = Path(nexusflow.__file__).parents[1]
        return Popen(command, cwd=folder, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)
