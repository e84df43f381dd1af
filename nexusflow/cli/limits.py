"""`nexusflow limits`: what holds for a key and how it stands, what was agreed beside the plans, and wishes for more."""

import asyncio
from typing import TYPE_CHECKING, Any

import rich_click as click

from nexusflow.cli.database import Place, built_plan, data_option, opened_database
from nexusflow.cli.tables import actor, format_option, moment, print_list, print_one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nexusflow.accounts.quotas import Agreed, LimitRequest
    from nexusflow.ir.plan import CountersAt
    from nexusflow.ir.quota import Quota
    from nexusflow.limits import Limit, LimitState

_whole = click.IntRange(0, 10**12)


def quota_options(command: "Callable[..., None]") -> "Callable[..., None]":
    """Gives `command` one option for each bound."""
    options = (
        click.option("--rpm", type=_whole, metavar="N", help="Requests per minute."),
        click.option("--tpm", type=_whole, metavar="N", help="Tokens per minute, input and output together."),
        click.option("--concurrency", type=_whole, metavar="N", help="Requests at once."),
        click.option("--streams", type=_whole, metavar="N", help="Streams at once."),
        click.option("--tasks", type=_whole, metavar="N", help="Tasks at once."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def limits() -> None:
    """Rate limits: how they stand for a key, what was agreed beside its plan, and the requests of callers for more.

    A running gateway follows all changes within a second.
    """


@limits.command()
@click.argument("key")
@click.option("--model", help="Also what holds for this model.")
@format_option
@data_option
def show(key: str, model: str | None, layout: str, place: Place) -> None:
    """Show the limits of KEY (id, name or prefix), where each comes from, what is left, and which of a kind binds.

    Counters in the memory of workers are their own: then ask the gateway, `GET /v1/limits` with the key.
    """
    from nexusflow.accounts.directory import Directory
    from nexusflow.flow.gate import limits_for
    from nexusflow.keys import KeyTable
    from nexusflow.limits.words import limit_words

    plan, root = built_plan()
    served = next((one for one in plan.models if model in (one.id, *one.aliases)), None)
    if model is not None and served is None:
        raise click.UsageError(f"The built gateway.yaml has no model {model}.")
    with opened_database(place) as (database, pepper):
        found = KeyTable(database, pepper).find(key)
        held = limits_for(found, served, Directory(database), plan.limits)
    rows = limit_words(held, _states(plan.server.counters, root, held))
    print_list(rows, layout, "Nothing limits this key.")


@limits.command("list")
@click.argument("subject", required=False)
@format_option
@data_option
def list_quotas(subject: str | None, layout: str, place: Place) -> None:
    """Show what was agreed beside the plans, with all or with SUBJECT."""
    from nexusflow.accounts.quotas import QuotaTable

    with opened_database(place) as (database, _):
        rows = [_agreed(one) for one in QuotaTable(database).list(subject)]
    print_list(rows, layout, "Nothing was agreed beside the plans.")


@limits.command("set")
@click.argument("subject")
@click.option("--model", default="", help="Only for this model.")
@quota_options
@format_option
@data_option
def set_quota(subject: str, model: str, layout: str, place: Place, **bounds: int | None) -> None:
    """Agree on bounds with SUBJECT: a key, user, team or organisation. Without any, what was agreed ends.

    A bound that is not given is as the plan says. Those of a team or organisation are shared by its keys.
    """
    from nexusflow.accounts.quotas import QuotaTable

    with opened_database(place) as (database, pepper):
        agreed = QuotaTable(database).set(
            _key_id(database, pepper, subject), _quota(bounds), actor=actor(), model=model
        )
    print_one(_agreed(agreed), layout, f"Agreed with {agreed.subject}.")


@limits.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are decided.")
@format_option
@data_option
def requests(everything: bool, layout: str, place: Place) -> None:
    """Show the requests of callers for more that nobody has decided."""
    from nexusflow.accounts.quotas import QuotaTable

    with opened_database(place) as (database, _):
        rows = [_asked(one) for one in QuotaTable(database).requests(None if everything else "open")]
    print_list(rows, layout, "Nobody asks for more.")


@limits.command()
@click.argument("request")
@click.option("--answer", help="What the caller is told.")
@quota_options
@format_option
@data_option
def approve(request: str, answer: str | None, layout: str, place: Place, **bounds: int | None) -> None:
    """Grant the REQUEST (id) as it was made, or with the bounds that are given here."""
    from nexusflow.accounts.quotas import QuotaTable

    with opened_database(place) as (database, _):
        found = QuotaTable(database).approve(request, actor=actor(), quota=_quota(bounds), answer=answer)
    print_one(_asked(found), layout, f"Approved {found.id}.")


@limits.command()
@click.argument("request")
@click.option("--answer", help="What the caller is told.")
@format_option
@data_option
def deny(request: str, answer: str | None, layout: str, place: Place) -> None:
    """Turn the REQUEST (id) down."""
    from nexusflow.accounts.quotas import QuotaTable

    with opened_database(place) as (database, _):
        found = QuotaTable(database).deny(request, actor=actor(), answer=answer)
    print_one(_asked(found), layout, f"Denied {found.id}.")


def _states(at: "CountersAt", root: "Path", held: "Sequence[Limit]") -> "list[LimitState] | None":
    """How the limits stand in a store that this process can reach; None for one that it cannot."""
    from nexusflow.limits import LimitsAway
    from nexusflow.limits.opening import open_engine

    if at.kind == "memory":
        return None

    async def peek() -> "list[LimitState] | None":
        engine = open_engine(at, root)
        try:
            return await engine.peek(held)
        except LimitsAway as error:
            click.echo(f"How they stand is not known: {error}", err=True)
            return None
        finally:
            await engine.close()

    return asyncio.run(peek())


def _key_id(database: Any, pepper: bytes, handle: str) -> str:
    """The id of the key with this name or prefix; what is no key is left as it is."""
    from nexusflow.keys import KeyTable, KeyUnknown

    try:
        key = KeyTable(database, pepper).find(handle)
    except KeyUnknown:
        return handle
    return key.replaced_by or key.id


def _quota(bounds: dict[str, int | None]) -> "Quota":
    from nexusflow.ir.quota import Quota

    return Quota(**bounds)


def _agreed(one: "Agreed") -> dict[str, Any]:
    bounds = {name: getattr(one.quota, name) for name in one.quota.__struct_fields__}
    return {"org": one.org, "subject": one.subject, "model": one.model or None, **bounds}


def _asked(one: "LimitRequest") -> dict[str, Any]:
    return {
        "id": one.id,
        "at": moment(one.created_ms),
        "state": one.state,
        "org": one.org,
        "key": one.key_id,
        "for": one.subject,
        "model": one.model or None,
        "rpm": one.rpm,
        "tpm": one.tpm,
        "concurrency": one.concurrency,
        "reason": one.reason,
        "answer": one.answer,
    }
