"""The pages to open when an alert fires, and one that tells what each panel shows. Markdown."""

from collections.abc import Sequence

from codegen.monitoring.alerts import Watch
from codegen.monitoring.facts import Facts, plain
from codegen.monitoring.panels import Board, anchor

_SEVERITIES = {"page": "Somebody must look now.", "ticket": "Somebody must look in the next days."}


def page(facts: Facts, watch: Watch) -> str:
    """The runbook of one alert."""
    condition = watch.condition
    threshold = f"{plain(watch.threshold)} {condition.unit}" if condition.unit else "none: it holds or it does not"
    who = ", ".join(sorted({_named(notice.url.env, notice.url.file) for notice in watch.notify}))
    lasting = "at once" if condition.lasting == "0m" else f"when that has held for {condition.lasting}"
    steps = "\n".join(f"{at}. {step}" for at, step in enumerate(condition.steps, start=1))
    rules = "\n".join(f"```promql\n{case.expr}\n```" for case in watch.cases)
    return (
        f"# {watch.name}\n\n{_SEVERITIES[condition.severity]} {condition.why}\n\n"
        f"| | |\n|---|---|\n| gateway | `{facts.name}` |\n| condition | `{watch.when}`: {condition.sign} |\n"
        f"| threshold | {threshold} |\n| fires | {lasting} |\n"
        f"| told to | {who or 'nobody: it shows in Prometheus and Grafana only'} |\n"
        f"| dashboard | {condition.board} |\n\n## What to do\n\n{steps}\n\n## What is watched\n\n{rules}\n"
    )


def tour(boards: Sequence[Board]) -> str:
    """What each panel of each dashboard shows."""
    lines = ["# Dashboards\n"]
    for board in boards:
        lines.append(f"## {board.title}\n\n{board.description}\n")
        for panel in board.panels():
            queries = "\n".join(expr for expr, _ in panel.queries)
            lines.append(
                f'### {board.title} {panel.title}\n\n<a id="{anchor(board, panel)}"></a>{panel.description}\n\n'
                f"```promql\n{queries}\n```\n"
            )
    return "\n".join(lines)


def _named(env: str | None, file: str | None) -> str:
    return f"the URL in `${env}`" if env is not None else f"the URL in `{file}`"
