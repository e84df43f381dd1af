"""`nexusflow keys`: make, list and revoke the keys that your users call the gateway with."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from nexusflow.keys import Key, KeyTable

DATABASE_FILE = "nexusflow.db"
PEPPER_FILE = "pepper"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def expiry(value: str) -> int:
    """A span from now (`12h`, `30d`, `4w`) or a day (`2027-01-01`: its start in UTC), as milliseconds since 1970.

    Anything else is a usage error.
    """
    span = re.fullmatch(r"(\d{1,4})([hdw])", value, re.ASCII)
    if span:
        moment = datetime.now(UTC) + timedelta(**{_UNITS[span[2]]: int(span[1])})
    else:
        try:
            moment = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise click.BadParameter(
                f"{value!r} is neither a span like 12h, 30d or 4w nor a day like 2027-01-01."
            ) from error
    return int(moment.timestamp() * 1000)


def _data_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--data",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="NEXUSFLOW_DATA",
        default=Path(".nexusflow"),
        show_default=True,
        show_envvar=True,
        help="Folder in which the gateway keeps its database.",
    )(command)


@click.group()
def keys() -> None:
    """Make, list and revoke the keys that your users call the gateway with.

    One key works for every model and every protocol that the gateway serves. A running gateway follows all changes
    within a second; it needs no restart.
    """


@keys.command()
@click.option("--name", required=True, help="What the key is for, such as a project or a person. Up to 100 characters.")
@click.option(
    "--expires",
    "expires_ms",
    type=expiry,
    metavar="WHEN",
    help="When it ends: 12h, 30d, 4w, or 2027-01-01. Default: never.",
)
@click.option("--quiet", is_flag=True, help="Print the key and nothing else, for use in scripts.")
@_data_option
def create(name: str, expires_ms: int | None, quiet: bool, folder: Path) -> None:
    """Make a new key and show it, once."""
    from nexusflow.keys import KeyInvalid

    with _table(folder, create=True) as table:
        try:
            key, secret = table.create(name, expires_ms)
        except KeyInvalid as error:
            raise click.UsageError(str(error)) from error
    if quiet:
        click.echo(secret)
        return
    click.echo(f"Made the key {key.id} ({key.name}), which {_end(key)}.\n\n    {secret}\n")
    click.echo("Copy it now: only a digest is stored, so it will not be shown again.\n")
    click.echo("Use it wherever a client asks for an API key, for instance:\n")
    click.echo('    export OPENAI_API_KEY="<the key>"')
    click.echo('    export OPENAI_BASE_URL="http://127.0.0.1:8080/v1"\n')
    click.echo(f"End it with: nexusflow keys revoke {key.id}")


@keys.command("list")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or JSON for programs.",
)
@_data_option
def list_keys(layout: str, folder: Path) -> None:
    """Show all keys, masked, with those that have ended."""
    with _table(folder) as table:
        found = table.list()
    if layout == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode([_described(key) for key in found])).decode())
    elif found:
        _print_columns([_described(key) for key in found])
    else:
        click.echo("There are no keys yet. Make one with: nexusflow keys create --name NAME")


@keys.command()
@click.argument("key", metavar="KEY")
@_data_option
def revoke(key: str, folder: Path) -> None:
    """End a key at once and for good.

    KEY is its id, its name, its masked form as `keys list` shows it, the beginning of its id (8 characters or more),
    or the whole secret.
    """
    with _table(folder) as table:
        before = table.find(key)
        ended = table.revoke(before.id)
    if before.revoked_ms is not None:
        click.echo(f"{ended.id} ({ended.name}) was already revoked on {_shown(before.revoked_ms)}.")
    else:
        click.echo(f"Revoked {ended.id} ({ended.name}). A running gateway refuses it within a second.")


@contextmanager
def _table(folder: Path, create: bool = False) -> Iterator["KeyTable"]:
    """The keys in `folder`. What fails inside the block is told on stderr and ends the command with exit code 1."""
    from nexusflow.keys import KeyProblem, KeyTable, load_pepper
    from nexusflow.store import StoreError, open_database

    path = folder / DATABASE_FILE
    try:
        if not create and not path.exists():
            raise KeyProblem(
                f"There is no database {path}. Name its folder with --data, or make a first key with "
                "`nexusflow keys create --name NAME`."
            )
        with open_database(path) as database:
            yield KeyTable(database, load_pepper(folder / PEPPER_FILE))
    except (StoreError, KeyProblem) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from error


def _described(key: "Key") -> dict[str, Any]:
    from nexusflow.keys.model import wall_ms

    return {
        "id": key.id,
        "name": key.name,
        "key": key.masked,
        "status": key.status(wall_ms()),
        "created": _shown(key.created_ms),
        "expires": _shown(key.expires_ms),
        "revoked": _shown(key.revoked_ms),
    }


def _print_columns(rows: list[dict[str, Any]]) -> None:
    """Left-aligned columns, never cut: an id that is cut cannot be copied."""
    lines = [[title.upper() for title in rows[0]]] + [[value or "-" for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _shown(moment_ms: int | None) -> str | None:
    if moment_ms is None:
        return None
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _end(key: "Key") -> str:
    return "never expires" if key.expires_ms is None else f"expires on {_shown(key.expires_ms)}"
