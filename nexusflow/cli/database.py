"""Which database a command means, and opening it: for all verbs that look into the store."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click
from msgspec import Struct

from nexusflow.ir.plan import ABI, CredentialRef, DatabaseAt
from nexusflow.settings import ROOT, Settings

if TYPE_CHECKING:
    from nexusflow.ir.plan import Plan
    from nexusflow.store import Database

DATABASE_FILE = "nexusflow.db"


@dataclass(frozen=True, slots=True)
class Place:
    """A store that need not exist yet. Relative paths in `at` are meant from `root`; `pepper` is its pepper's file."""

    at: DatabaseAt
    root: Path
    pepper: Path


def data_option(command: Callable[..., None]) -> Callable[..., None]:
    """Gives `command` the options `--data` and `--database`, and their meaning as the argument `place`: a Place."""

    @click.option(
        "--data",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="NEXUSFLOW_DATA",
        show_envvar=True,
        help="Folder of an SQLite database.  [default: the database of the built artifact, else .nexusflow]",
    )
    @click.option(
        "--database",
        "variable",
        metavar="VARIABLE",
        help="Environment variable that holds the URL of a PostgreSQL database, instead of the built artifact's.",
    )
    @functools.wraps(command)
    def with_place(*arguments: Any, folder: Path | None, variable: str | None, **more: Any) -> None:
        command(*arguments, place=_place(folder, variable), **more)

    return with_place


@contextmanager
def opened_database(place: Place, create: bool = False) -> Iterator[tuple["Database", bytes]]:
    """The open store of `place` and its pepper. Without `create`, one that does not exist is a failure.

    A failure of the store, an account or a key, also inside the block, is told on stderr and ends the command with exit
    code 1; a value that nobody could accept is a usage error.
    """
    from nexusflow.accounts.model import AccountInvalid, AccountProblem
    from nexusflow.keys import KeyInvalid, KeyProblem, pepper_of
    from nexusflow.store import StoreError, open_store

    try:
        if not create and place.at.kind == "sqlite" and not (place.root / place.at.path).exists():
            raise KeyProblem(
                f"There is no database {place.root / place.at.path}. Name its folder with --data, or make a first key "
                "with `nexusflow keys create --name NAME`."
            )
        with open_store(place.at, place.root) as database:
            yield database, pepper_of(database, place.pepper)
    except (AccountInvalid, KeyInvalid) as error:
        raise click.UsageError(str(error)) from error
    except (StoreError, AccountProblem, KeyProblem) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from error


def _place(folder: Path | None, variable: str | None) -> Place:
    from nexusflow.keys.pepper import DATA_FOLDER, PEPPER_FILE, pepper_path

    if variable is not None:
        at = DatabaseAt(kind="postgres", url=CredentialRef("env", variable))
        beside = folder / PEPPER_FILE if folder is not None else pepper_path(at, Path("."))
        return Place(at, Path("."), beside)
    built = _built() if folder is None else None
    if built is not None:
        at, root = built
        return Place(at, root, pepper_path(at, root))
    folder = folder if folder is not None else Path(DATA_FOLDER)
    return Place(DatabaseAt(path=DATABASE_FILE), folder, folder / PEPPER_FILE)


def built_plan() -> "tuple[Plan, Path]":
    """The whole plan of the artifact that `serve` would serve here, and what its paths are relative to.

    A missing or foreign one ends the command.
    """
    from nexusflow.ir.plan import Plan

    built = _built()
    if built is None:
        raise click.ClickException("there is no built artifact here; run `nexusflow build`")
    file = Settings.read().build / "current" / "catalog.json"
    return msgspec.json.decode(file.read_bytes(), type=Plan), built[1]


class _Stamp(Struct):
    abi: int


class _Server(Struct):
    database: DatabaseAt


class _Catalog(Struct):
    server: _Server


def _built() -> tuple[DatabaseAt, Path] | None:
    """The database of the artifact that `serve` would serve here, and what its paths are relative to."""
    settings = Settings.read()
    file = settings.build / "current" / "catalog.json"
    try:
        data = file.read_bytes()
        found = msgspec.json.decode(data, type=_Stamp).abi
        if found != ABI:
            raise click.ClickException(f"{file} has ABI {found}, not {ABI}; run `nexusflow build`, or give --data")
        at = msgspec.json.decode(data, type=_Catalog).server.database
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(f"{file} cannot be read: {error}; run `nexusflow build`, or give --data") from error
    return at, settings.root if ROOT in os.environ else settings.build.parent
