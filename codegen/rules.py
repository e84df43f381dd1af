"""Rules: every code the compiler can report, with the page that explains it.

A lint rule is a function under `@rule`; its docstring is the page. A rule that several places of the reader or of the
schema check report is declared with the same kind of text. Either way the text has a first sentence and three
sections: Why, Bad and Good; the last two are YAML, indented, and run by a test.
"""

import re
from collections.abc import Callable, Iterator
from inspect import cleandoc
from textwrap import dedent
from typing import Any, TypeVar

from msgspec import Struct

from codegen.diagnostics import Diagnostic, Fix, Label, Severity
from codegen.source import Path, Span

Context = TypeVar("Context")
Lint = Callable[[Context], Iterator[Diagnostic]]

_CODE = re.compile(r"NF\d{3}")
_SECTION = re.compile(r"^## (Why|Bad|Good)[ ]*\n", re.MULTILINE)


class Rule(Struct, frozen=True, kw_only=True):
    """One kind of finding. `summary` and `why` are prose; `bad` and `good` are YAML that shows it and its cure."""

    code: str
    slug: str
    severity: Severity
    summary: str
    why: str
    bad: str
    good: str

    def page(self) -> str:
        """The rule explained, in Markdown."""
        return (
            f"# {self.code} {self.slug} ({self.severity})\n\n{self.summary}\n\n## Why\n\n{self.why}\n\n"
            f"## Bad\n\n```yaml\n{self.bad}```\n\n## Good\n\n```yaml\n{self.good}```\n"
        )


RULES: dict[str, Rule] = {}
LINTS: dict[str, Lint[Any]] = {}


def declare(code: str, slug: str, severity: Severity, doc: str) -> str:
    """Register a rule and give back its code.

    Raises ValueError when the code is malformed or taken, or when the text lacks a section.
    """
    if not _CODE.fullmatch(code) or code in RULES or slug in {rule.slug for rule in RULES.values()}:
        raise ValueError(f"{code} {slug} is malformed or taken")
    summary, *rest = _SECTION.split(cleandoc(doc))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    if not summary.strip() or sections.keys() != {"Why", "Bad", "Good"}:
        raise ValueError(f"{code} needs a summary and the sections Why, Bad and Good")
    RULES[code] = Rule(
        code=code,
        slug=slug,
        severity=severity,
        summary=summary.strip(),
        why=sections["Why"].strip(),
        bad=_yaml(sections["Bad"]),
        good=_yaml(sections["Good"]),
    )
    return code


def rule(code: str, slug: str, severity: Severity = Severity.ERROR) -> Callable[[Lint[Context]], Lint[Context]]:
    """Register the decorated function as the lint of this code; its docstring is the rule's page."""

    def register(lint: Lint[Context]) -> Lint[Context]:
        declare(code, slug, severity, lint.__doc__ or "")
        LINTS[code] = lint
        return lint

    return register


def report(
    code: str,
    message: str,
    span: Span,
    *,
    text: str = "",
    help: tuple[str, ...] = (),
    secondary: tuple[Label, ...] = (),
    fix: Fix | None = None,
    path: Path = (),
) -> Diagnostic:
    """A finding of a registered rule, which decides its severity. Raises KeyError for an unknown code."""
    return Diagnostic(
        code=code,
        severity=RULES[code].severity,
        message=message,
        primary=Label(span, text),
        secondary=secondary,
        help=help,
        fix=fix,
        path=path,
    )


def _yaml(section: str) -> str:
    return dedent(section.strip("\n")).rstrip() + "\n"
