"""Printers of diagnostics: for people, for programs, for GitHub, and as SARIF."""

from collections.abc import Iterable
from typing import Literal, get_args

from codegen.diagnostics import Diagnostic, DiagnosticSet
from codegen.render import github, json, sarif, text
from codegen.render.finding import describe
from codegen.source import Source

Format = Literal["text", "json", "github", "sarif"]
FORMATS: tuple[Format, ...] = get_args(Format)
LIMIT = 20


def render(
    diagnostics: Iterable[Diagnostic],
    source: Source,
    format: Format = "text",
    *,
    colour: bool = False,
    width: int = 120,
    limit: int = LIMIT,
) -> str:
    """The findings about a source in one of FORMATS, sorted by place; every line ends with a line feed.

    `colour`, `width` (columns of the terminal) and `limit` (findings shown before the rest is only counted) hold for
    text. The other formats carry all findings.
    """
    items = diagnostics if isinstance(diagnostics, DiagnosticSet) else DiagnosticSet(diagnostics)
    if format == "text":
        shown = [describe(item, source) for item in items.first(limit)]
        return text.render(shown, hidden=len(items) - len(shown), colour=colour, width=width)
    findings = [describe(item, source) for item in items]
    if format == "json":
        return json.render(findings)
    return github.render(findings) if format == "github" else sarif.render(findings)
