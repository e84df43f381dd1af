"""Finding: the machine form of a diagnostic. Every format is printed from it, so that all of them agree.

It holds the lines it points at, so a printer needs no source. What looks like a key or token of a provider is masked
here, once: people paste secrets where a reference belongs, and messages end up in logs.
"""

import re

from msgspec import Struct

from codegen.diagnostics import Diagnostic, Label
from codegen.rules import RULES
from codegen.source import Source

_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|pplx|hf|r8|nf|ghp|gho|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_-]{12,}"
    r"|\b(?:AIza|AKIA|ASIA|LTAI)[A-Za-z0-9_-]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}"
    r"|\b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}\b"
)
_KEPT = 3
_LONGEST_LINE = 1000
_MARGIN = 200  # a secret that the cut would split is seen whole while it is masked


class Place(Struct, frozen=True, omit_defaults=True):
    """A piece of a file: lines and columns from 1, character offsets from 0, ends not included.

    `source_line` is the text of the first line from column `source_column` on: a line of many thousand characters is
    cut around the place. `text` are the words beside the mark.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int
    source_line: str
    source_column: int = 1
    text: str = ""


class Edit(Struct, frozen=True):
    """The edit that removes a finding: replace what is at `place` by `replacement`."""

    title: str
    place: Place
    replacement: str


class Finding(Struct, frozen=True, omit_defaults=True):
    """One diagnostic with everything that any format shows of it. `path` leads to the value in the document."""

    code: str
    slug: str
    severity: str
    message: str
    place: Place
    related: tuple[Place, ...] = ()
    help: tuple[str, ...] = ()
    fix: Edit | None = None
    path: tuple[str | int, ...] = ()


def describe(item: Diagnostic, source: Source) -> Finding:
    """The machine form of a diagnostic about this source. Raises KeyError when no rule has its code."""
    fix = item.fix
    return Finding(
        code=item.code,
        slug=RULES[item.code].slug,
        severity=item.severity.value,
        message=mask(item.message),
        place=_place(item.primary, source),
        related=tuple(_place(label, source) for label in item.secondary),
        help=tuple(mask(text) for text in item.help),
        fix=Edit(mask(fix.title), _place(Label(fix.span), source), mask(fix.replacement)) if fix else None,
        path=item.path,
    )


def mask(text: str) -> str:
    """The text with all but the first characters of anything like a secret made unreadable; its length stays."""
    return _SECRET.sub(lambda found: found[0][:_KEPT] + "*" * (len(found[0]) - _KEPT), text)


def _place(label: Label, source: Source) -> Place:
    span = label.span
    first, last = source.position(span.start), source.position(span.end)
    line, cut = _around(source.line_text(first.line), first.column - 1)
    return Place(
        file=source.name,
        line=first.line,
        column=first.column,
        end_line=last.line,
        end_column=last.column,
        start=span.start,
        end=span.end,
        source_line=line,
        source_column=cut + 1,
        text=mask(label.text),
    )


def _around(line: str, offset: int) -> tuple[str, int]:
    """The masked text around an offset, and how much of the line was cut before it."""
    if len(line) <= _LONGEST_LINE:
        return mask(line), 0
    start = max(0, offset - _LONGEST_LINE // 2)
    wide = max(0, start - _MARGIN)
    masked = mask(line[wide : start + _LONGEST_LINE + _MARGIN])
    return masked[start - wide :][:_LONGEST_LINE], start
