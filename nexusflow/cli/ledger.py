"""`nexusflow ledger`: prove that the money adds up, restore counters, give up the journal of a machine that is gone."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import actor, format_option, print_json
from nexusflow.ir.money import as_text

if TYPE_CHECKING:
    from nexusflow.ledger.verify import Proof
    from nexusflow.store import Database

ALIVE_MS = 120_000
"""A worker that was seen so short a time ago is taken for alive."""


@click.group()
def ledger() -> None:
    """Prove that every call was billed once, and repair what is only counted."""


@ledger.command()
@click.option(
    "--journals",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the journals of this machine's workers.  [default: the one beside the database's pepper]",
)
@format_option
@data_option
def verify(journals: Path | None, layout: str, place: Place) -> None:
    """Compute the ledger again from journals and transfers, and print the proof.

    Changes nothing and may run at any time. Ends with exit code 1 when an invariant is broken.
    """
    from nexusflow.ledger import verify as proving

    with opened_database(place) as (database, _):
        proof = proving.verify(database, journals or _journals(place))
    if layout == "json":
        print_json(_described(proof))
    else:
        _print(proof)
    if not proof.holds:
        raise SystemExit(1)


@ledger.command()
@format_option
@data_option
def rebuild(layout: str, place: Place) -> None:
    """Set the counters of wallets, budgets and leases to what the transfers say.

    Transfers are never touched. Calls that come meanwhile wait; a running gateway may go on.
    """
    from nexusflow.accounts.audit import change
    from nexusflow.ledger import rebuild as restoring

    with opened_database(place) as (database, _):
        wrong = restoring.rebuild(database)
        if wrong:
            with change(database, actor()) as under_way:
                under_way.note("ledger.rebuild", "ledger", corrected=[str(one) for one in wrong])
    if layout == "json":
        print_json({"corrected": wrong})
        return
    for one in wrong:
        click.echo(f"Corrected {one}.")
    click.echo(f"{len(wrong)} counters were wrong." if wrong else "Every counter was right.")


@ledger.command()
@click.argument("worker")
@click.option("--force", is_flag=True, help="Also when the worker was seen a moment ago.")
@data_option
def lost(worker: str, force: bool, place: Place) -> None:
    """Give up the journal of WORKER, whose disk is gone, and return the money that it had leased.

    What it had not posted is not billed to anybody. A worker that only died needs this not: the next one on its machine
    reads its journal. `nexusflow ledger verify` names the workers that hold money.
    """
    from nexusflow.accounts.audit import change
    from nexusflow.ledger import book

    with opened_database(place) as (database, _):
        _check_gone(database, worker, force)
        returned = book.give_up(database, worker)
        with change(database, actor()) as under_way:
            under_way.note("ledger.lost", worker, leases=returned)
    click.echo(f"Gave up {worker}; returned {returned} leases.")


def _check_gone(database: "Database", worker: str, force: bool) -> None:
    rows = database.execute("SELECT seen_ms, host, journal FROM ledger_worker WHERE id = $1", (worker,))
    if not rows:
        raise click.UsageError(f"There is no worker {worker}.")
    [(seen_ms, host, journal)] = rows
    if not force and database.now_ms() - int(seen_ms or 0) < ALIVE_MS:
        raise click.UsageError(
            f"{worker} was seen a moment ago. if its journal {journal!s} on {host!s} is really gone, add --force."
        )


def _journals(place: Place) -> Path | None:
    from nexusflow.runtime import JOURNAL_FOLDER

    folder = place.pepper.parent / JOURNAL_FOLDER
    return folder if folder.is_dir() else None


def _described(proof: "Proof") -> dict[str, object]:
    return {
        "holds": proof.holds,
        "sums": proof.sums,
        "journals": proof.journals,
        "unmatched": proof.unmatched,
        "open": proof.open,
        "holders": proof.holders,
        "invariants": [
            {
                "id": one.id,
                "title": one.title,
                "holds": one.holds,
                "seen": one.seen,
                "offenders": one.offenders,
                "named": one.named,
                "notes": one.notes,
            }
            for one in proof.checks
        ],
    }


def _print(proof: "Proof") -> None:
    sums = proof.sums
    click.echo(f"{sums.transfers} transfers")
    for name in ("credited", "charged", "refunded", "overrun", "cost", "absorbed", "held"):
        click.echo(f"  {name:<9} {as_text(getattr(sums, name)):>24}")
    click.echo(f"{proof.journals} journals here: {proof.unmatched} ends to be posted, {proof.open} calls open")
    for holder in proof.holders:
        click.echo(f"  {as_text(holder.held)} held by {holder.worker} ({holder.state}) on {holder.host}")
    for one in proof.checks:
        click.echo(f"{one.id}  {'ok' if one.holds else 'BROKEN':<6}  {one.title} ({one.seen})")
        for text in one.named:
            click.echo(f"              {text}")
        if one.offenders > len(one.named):
            click.echo(f"              and {one.offenders - len(one.named)} more")
        for note in one.notes:
            click.echo(f"              note: {note}")
    click.echo("The ledger adds up." if proof.holds else "The ledger does NOT add up.")
