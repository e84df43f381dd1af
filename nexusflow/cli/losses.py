"""`nexusflow losses MODEL`: what a model's providers cannot take from clients of other protocols."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report

if TYPE_CHECKING:
    from nexusflow.flow.probes import Finding
    from nexusflow.ir.plan import Lane, Model


@click.command()
@click.argument("model", required=False)
@report.file_option
@click.option("--from", "client", help="Only for clients of this protocol, such as anthropic/messages.")
@click.option("--all", "everything", is_flag=True, help="Also list what is carried over as it is.")
@click.option("--format", "output", type=click.Choice(("text", "json")), default="text", show_default=True)
def losses(model: str | None, file: Path, client: str | None, everything: bool, output: str) -> None:
    """Print, lane by lane, which features of a request MODEL's providers get changed, dropped or refused.

    A client that speaks a lane's own protocol loses nothing: its bytes pass through. `dropped` and `changed` show up in
    the `x-nexusflow-warnings` header of each answer; `on_loss` in the gateway.yaml or the request header
    `x-nexusflow-strict: true` turns them into refusals. Without MODEL, print the table of docs/losses.md: every pair of
    protocols, with the usual capabilities of the provider's.
    """
    from codegen import compile_file

    if model is None:
        click.echo(_usual(), nl=False)
        return

    compiled = compile_file(file)
    if compiled.plan is None:
        report.show(compiled, "text")
        sys.exit(report.FINDINGS)
    found = next((one for one in compiled.plan.models if model in (one.id, *one.aliases)), None)
    if found is None:
        click.echo(f"error: {file} has no model {model}", err=True)
        sys.exit(report.USAGE)
    rows = [row for lane in found.lanes for row in _rows(found, lane, client)]
    shown = [row for row in rows if everything or row[3].outcome != "carried"]
    if output == "json":
        click.echo(json.dumps([_as_dict(row) for row in shown], indent=1))
    else:
        _print(found, shown, rows)


Row = tuple[str, str, str, "Finding"]
"""Client protocol, lane, upstream protocol, finding."""


def _rows(model: "Model", lane: "Lane", wanted: str | None) -> "list[Row]":
    from nexusflow.flow.probes import findings
    from nexusflow.flow.served import spoken
    from nexusflow.ir.capabilities import Destination
    from nexusflow.protocols.common.envelope import family_of
    from nexusflow.protocols.dialects import DIALECTS

    if lane.protocol is None:
        return []
    to = Destination(model=lane.model, family=family_of(lane.model), capabilities=lane.capabilities)
    protocols = spoken(lane)
    return [
        (client, f"{lane.provider}/{lane.model}", protocols[0], finding)
        for client in DIALECTS
        if client in model.requests and client not in protocols and wanted in (None, client)
        for finding in findings(client, protocols[0], to)
    ]


def _as_dict(row: "Row") -> dict[str, str]:
    client, lane, upstream, finding = row
    return {
        "client": client,
        "lane": lane,
        "upstream": upstream,
        "feature": finding.feature,
        "outcome": finding.outcome,
        "detail": finding.detail,
    }


def _print(model: "Model", shown: "list[Row]", rows: "list[Row]") -> None:
    heading = None
    for client, lane, upstream, finding in shown:
        if (client, lane) != heading:
            heading = (client, lane)
            click.echo(f"\n{client} -> {lane} ({upstream})")
        click.echo(f"  {finding.outcome:<8} {finding.feature:<34} {finding.detail}".rstrip())
    carried = sum(row[3].outcome == "carried" for row in rows)
    if not rows:
        click.echo(f"{model.id}: every client protocol it offers is spoken by its providers; nothing is lost")
    else:
        click.echo(f"\n{model.id}: {carried} of {len(rows)} carried over as they are; `--all` lists them too")


def _usual() -> str:
    """All pairs as Markdown, one table for each upstream protocol."""
    from codegen.capabilities import usual
    from nexusflow.flow.probes import findings
    from nexusflow.ir.capabilities import Destination
    from nexusflow.protocols.dialects import DIALECTS

    lines = [_HEAD]
    for upstream in DIALECTS:
        to = Destination(model="model", family="model", capabilities=usual(upstream))
        clients = [client for client in DIALECTS if client != upstream]
        columns = [{found.feature: found for found in findings(client, upstream, to)} for client in clients]
        lines += [f"\n## To a provider of `{upstream}`\n", "| feature | outcome |", "|---|---|"]
        for feature in columns[0]:
            cells = [_cell(column[feature]) for column in columns]
            alike = len({_NAMED.sub("", cell) for cell in cells}) == 1
            shown = (
                cells[0]
                if alike
                else "; ".join(f"from {one}: {cell}" for one, cell in zip(clients, cells, strict=True))
            )
            lines.append(f"| {feature} | {shown} |")
    return "\n".join(lines) + "\n"


def _cell(finding: "Finding") -> str:
    if finding.outcome == "carried":
        return finding.detail or "yes"
    detail = finding.detail.replace("|", "\\|")
    return f"**{finding.outcome}**: {detail}"


_NAMED = re.compile(r"`[^`]*`|=\S+")
"""The fields that a cell names, each in its client's own words."""

_HEAD = """# What a translation carries over

Generated by `nexusflow losses`; do not edit. Each cell is what the translator made of a small call with that feature,
for a provider with the usual capabilities of its protocol. A model's own `capabilities` change it:
`nexusflow losses MODEL`. Fields are named as Chat does; a refusal or a warning names the caller's own."""
