"""`nexusflow keys`: the keys that your users call the gateway with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.key_options import bound_options, bounds_of, expiry, expiry_or_never, grace, was_given
from nexusflow.cli.tables import actor, format_option, moment, print_json, print_list, print_one

if TYPE_CHECKING:
    from nexusflow.keys import Key, KeyTable, KeyUse

_TABLE = ("id", "name", "key", "status", "org", "calls", "last_used", "created", "expires", "revoked")

quiet_option = click.option("--quiet", is_flag=True, help="Print the key and nothing else, for use in scripts.")


@click.group()
def keys() -> None:
    """Make, list, change, rotate and revoke the keys that your users call the gateway with.

    One key works for every model and every protocol that the gateway serves, unless its scopes say otherwise. A running
    gateway follows all changes within a second; it needs no restart.

    KEY is a key's id, its name, its masked form as `keys list` shows it, the beginning of its id (8 characters or
    more), or the whole secret.
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
@click.option("--org", default="default", show_default=True, help="The organisation (id or name) that pays.")
@bound_options
@quiet_option
@format_option
@data_option
def create(name: str, expires_ms: int | None, org: str, quiet: bool, layout: str, place: Place, **bounds: Any) -> None:
    """Make a new key and show it, once."""
    from nexusflow.keys import Scopes

    with _table(place, create=True) as table:
        given = bounds_of(Scopes(), bounds)
        key, secret = table.create(name, expires_ms, org=org, actor=actor(), **given)
    _show_secret(key, secret, quiet, layout, f"Made the key {key.id} ({key.name}), which {_end(key)}.")


@keys.command("list")
@click.option("--org", help="Only those of this organisation (id or name).")
@format_option
@data_option
def list_keys(org: str | None, layout: str, place: Place) -> None:
    """Show all keys, masked, with those that have ended.

    After a rotation the former secret has a line of its own until it ends.
    """
    from nexusflow.accounts import AccountTable

    with opened_database(place) as (database, pepper):
        table = _key_table(database, pepper)
        payer = None if org is None else AccountTable(database).find_organisation(org).id
        uses = table.uses()
        rows = [_described(key, uses.get(key.id)) for key in table.list(payer)]
    if layout == "table":
        rows = [{name: row[name] for name in _TABLE} for row in rows]
    print_list(rows, layout, "There are no keys yet. Make one with: nexusflow keys create --name NAME")


@keys.command()
@click.argument("key", metavar="KEY")
@click.option("--name", help="Another name.")
@click.option("--expires", "expires_ms", type=expiry_or_never, metavar="WHEN", help="When it ends, or `never`.")
@bound_options
@format_option
@data_option
def update(key: str, name: str | None, expires_ms: int | None, layout: str, place: Place, **bounds: Any) -> None:
    """Change what KEY may do. What is not given stays; `any` takes a scope's bound away."""
    from nexusflow.keys import Changes

    given: dict[str, Any] = {} if name is None else {"name": name}
    if was_given("expires_ms"):
        given["expires_ms"] = expires_ms
    with _table(place) as table:
        before = table.find(key)
        given |= bounds_of(before.scopes, bounds)
        if not given:
            raise click.UsageError("Nothing to change was given.")
        after = table.update(before.id, Changes(**given), actor=actor())
    print_one(
        _described(after), layout, f"Changed {after.id} ({after.name}). A running gateway follows within a second."
    )


@keys.command()
@click.argument("key", metavar="KEY")
@click.option(
    "--grace",
    "grace_ms",
    type=grace,
    default="24h",
    show_default=True,
    metavar="SPAN",
    help="How long the old secret works beside the new one: 0m, 30m, 24h, 7d.",
)
@quiet_option
@format_option
@data_option
def rotate(key: str, grace_ms: int, quiet: bool, layout: str, place: Place) -> None:
    """Give KEY a new secret and show it, once. Its id, scopes, budgets and records stay."""
    with _table(place) as table:
        renewed, secret = table.rotate(key, grace_ms, actor=actor())
    sentence = f"The key {renewed.id} ({renewed.name}) has a new secret. The old one ends after the grace period."
    _show_secret(renewed, secret, quiet, layout, sentence)


@keys.command()
@click.argument("key", metavar="KEY")
@format_option
@data_option
def revoke(key: str, layout: str, place: Place) -> None:
    """End KEY with all its secrets at once and for good."""
    with _table(place) as table:
        before = table.find(key)
        ended = table.revoke(before.id, actor=actor())
    sentence = f"Revoked {ended.id} ({ended.name}). A running gateway refuses it within a second."
    if before.revoked_ms is not None:
        sentence = f"{ended.id} ({ended.name}) was already revoked on {moment(before.revoked_ms)}."
    print_one(_described(ended), layout, sentence)


@contextmanager
def _table(place: Place, create: bool = False) -> Iterator["KeyTable"]:
    """The keys of `place`. What fails inside the block is told on stderr and ends the command with exit code 1."""
    with opened_database(place, create) as (database, pepper):
        yield _key_table(database, pepper)


def _key_table(database: Any, pepper: bytes) -> "KeyTable":
    from nexusflow.keys import KeyTable

    return KeyTable(database, pepper)


def _show_secret(key: "Key", secret: str, quiet: bool, layout: str, sentence: str) -> None:
    if quiet:
        click.echo(secret)
        return
    if layout == "json":
        print_json({**_described(key), "secret": secret})
        return
    click.echo(f"{sentence}\n\n    {secret}\n")
    click.echo("Copy it now: only a digest is stored, so it will not be shown again.\n")
    if key.scopes.admin != "none":
        click.echo("It is for the admin API only.")
        return
    click.echo("Use it wherever a client asks for an API key, for instance:\n")
    click.echo('    export OPENAI_API_KEY="<the key>"')
    click.echo('    export OPENAI_BASE_URL="http://127.0.0.1:8080/v1"\n')
    click.echo(f"End it with: nexusflow keys revoke {key.id}")


def _described(key: "Key", use: "KeyUse | None" = None) -> dict[str, Any]:
    from nexusflow.keys.model import wall_ms

    return {
        "id": key.id,
        "name": key.name,
        "key": key.masked,
        "status": key.status(wall_ms()),
        "org": key.org,
        "team": key.team,
        "owner": key.owner,
        "plan": key.plan,
        "rpm": key.rpm,
        "priority": key.priority,
        "models": key.scopes.models,
        "protocols": key.scopes.protocols,
        "endpoints": key.scopes.endpoints,
        "admin": key.scopes.admin,
        "ips": key.scopes.ips,
        "replaced_by": key.replaced_by,
        "calls": 0 if use is None else use.calls,
        "last_used": moment(None if use is None else use.last_used_ms),
        "created": moment(key.created_ms),
        "expires": moment(key.expires_ms),
        "revoked": moment(key.revoked_ms),
    }


def _end(key: "Key") -> str:
    return "never expires" if key.expires_ms is None else f"expires on {moment(key.expires_ms)}"
