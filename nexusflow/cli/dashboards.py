"""`nexusflow dashboards`: what Grafana, Prometheus and Alertmanager need to watch this gateway."""

import json
import sys
from pathlib import Path

import rich_click as click

from nexusflow.cli import report

MANIFEST = "manifest.json"
"""Which files of the folder are ours, so that those of a model that is gone go too, and nobody else's do."""


@click.command()
@report.file_argument
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("monitoring"), show_default=True,
    help="Folder to write to.",
)  # fmt: skip
@click.option(
    "--runbooks", default="runbooks", show_default=True,
    help="Address of the folder `runbooks` for links from alerts and panels, where you serve it.",
)  # fmt: skip
def dashboards(file: Path, out: Path, runbooks: str) -> None:
    """Write dashboards, recording and alert rules, and a runbook for each alert of FILE (default: gateway.yaml).

    The same file gives the same bytes. In --out: `grafana/` to provision or import, `rules/` for Prometheus,
    `prometheus.yml` and `alertmanager.yml` to start from, and `runbooks/`.
    """
    from codegen import compile_file
    from codegen.monitoring import emit_monitoring

    compiled = compile_file(file)
    if compiled.document is None:
        report.show(compiled)
        click.echo(f"{file}: {report.summary(compiled)}; nothing was written", err=True)
        sys.exit(report.FINDINGS)
    files = emit_monitoring(compiled.document, runbooks.rstrip("/"))
    _write(out, files)
    boards, alerts = (sum(name.startswith(kind) for name in files) for kind in ("grafana/", "runbooks/"))
    click.echo(f"{out}: {boards} dashboards, {alerts - 1} alerts")  # one page is about the dashboards
    report.mention_warnings(compiled)


def _write(out: Path, files: dict[str, bytes]) -> None:
    manifest = out / MANIFEST
    written: list[str] = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else []
    for name in written:
        if name not in files:
            (out / name).unlink(missing_ok=True)
    for name, data in files.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    manifest.write_text(json.dumps(list(files), indent=1) + "\n", encoding="utf-8")
