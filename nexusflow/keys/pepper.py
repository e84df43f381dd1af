"""The pepper: a secret beside the database, without which its digests cannot be tested against guesses (SEC-51)."""

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from nexusflow.ir.plan import DatabaseAt
from nexusflow.keys.model import PepperProblem
from nexusflow.keys.secret import digester
from nexusflow.store import Database
from nexusflow.store.sqlite import make_private_folder

PEPPER_BYTES = 32
PEPPER_VARIABLE = "NEXUSFLOW_PEPPER_FILE"
PEPPER_FILE = "pepper"
DATA_FOLDER = ".nexusflow"
_PROOF_TEXT = b"nexusflow pepper 1"


def pepper_path(at: DatabaseAt, root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the pepper of the store `at` lies: beside the file of SQLite.

    For PostgreSQL in the file that NEXUSFLOW_PEPPER_FILE names, of which every machine has the same copy; without it
    in `root`/.nexusflow.
    """
    if at.kind == "sqlite":
        return (root / at.path).parent / PEPPER_FILE
    named = environ.get(PEPPER_VARIABLE)
    return Path(named) if named else root / DATA_FOLDER / PEPPER_FILE


def pepper_of(database: Database, path: Path) -> bytes:
    """The pepper at `path` for the keys of `database`, drawn when neither has any yet.

    A second machine never draws one of its own: PepperProblem when the file is missing but the database was already
    made with one, and as for `load_pepper` and `bind_pepper`; StoreError.
    """
    if not path.exists() and database.execute("SELECT 1 FROM key_pepper"):
        raise PepperProblem(
            f"The pepper file {path} is missing, and the keys of the database {database.label} were made with one. "
            f"Restore it, or copy it from another machine that uses this database (mode 0600, or {PEPPER_VARIABLE})."
        )
    pepper = load_pepper(path)
    bind_pepper(database, pepper)
    return pepper


def load_pepper(path: Path) -> bytes:
    """The 32 bytes in the file at `path`; on the first start they are drawn and stored there, with mode 0600.

    Processes that start at once agree on one pepper. Raises PepperProblem when the file has another length, is
    readable by group or others, or cannot be read or created; StoreError when its folder cannot be created.
    """
    make_private_folder(path.parent)
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise PepperProblem(f"The pepper file {path} cannot be used: {error.strerror}.") from error


def bind_pepper(database: Database, pepper: bytes) -> Callable[[bytes], bytes]:
    """The digest function for the keys of `database`, which remembers the first pepper used with it.

    Raises PepperProblem for any other pepper, because with it every key would silently be unknown; and StoreError.
    """
    digest = digester(pepper)
    proof = digest(_PROOF_TEXT)
    rows = database.execute("SELECT proof FROM key_pepper")
    if not rows:
        with database.transaction():
            database.execute("INSERT INTO key_pepper (id, proof) VALUES (1, $1) ON CONFLICT DO NOTHING", (proof,))
            rows = database.execute("SELECT proof FROM key_pepper")
    if rows != [(proof,)]:
        raise PepperProblem(
            f"The pepper file does not belong to the database {database.label}: no key would be accepted. "
            "Restore the pepper file that this database was made with."
        )
    return digest


def _create(path: Path) -> None:
    """Write a whole file under a name of its own and link it into place: nobody can ever see half a pepper."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(PEPPER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Linking fails when the name is taken: the other process has won and its pepper is the one to use.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power loss; losing it would orphan every key made afterwards."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = file.read(PEPPER_BYTES + 1)
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        raise PepperProblem(
            f"The pepper file {path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}). "
            f"Run: chmod 600 {path}"
        )
    if len(content) != PEPPER_BYTES:
        raise PepperProblem(
            f"The pepper file {path} does not hold exactly {PEPPER_BYTES} bytes. Restore it from a backup; "
            "if no key was made yet, delete it and start again."
        )
    return content
