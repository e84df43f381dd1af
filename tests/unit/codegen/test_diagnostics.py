"""Diagnostics, the set of them, and the registry of rules."""

from collections.abc import Iterator

import pytest

from codegen import reader_rules, rules
from codegen.diagnostics import Diagnostic, DiagnosticSet, Label, Severity
from codegen.rules import LINTS, RULES, declare, report, rule
from codegen.source import Span

DOC = """
One sentence.

## Why
Because.

## Bad
    a: 1
    b:
      c: 2

## Good
    a: 2
"""


def finding(at: int, severity: Severity = Severity.ERROR, code: str = "NF001") -> Diagnostic:
    return Diagnostic(code=code, severity=severity, message=f"at {at}", primary=Label(Span(at, at + 1)))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", dict(RULES))
    monkeypatch.setattr(rules, "LINTS", dict(LINTS))


def test_findings_are_sorted_by_place_then_code_and_counted_once() -> None:
    items = [finding(5), finding(2, code="NF003"), finding(2), finding(5)]
    found = DiagnosticSet(items)
    assert [(item.primary.span.start, item.code) for item in found] == [(2, "NF001"), (2, "NF003"), (5, "NF001")]
    assert len(found) == 3


def test_only_errors_stop() -> None:
    found = DiagnosticSet([finding(1, Severity.WARNING), finding(2, Severity.NOTE)])
    assert not found.has_errors
    found.add(finding(3))
    assert found.has_errors
    assert [found.count(severity) for severity in Severity] == [1, 1, 1]


def test_first_keeps_errors_before_warnings_and_the_order_of_place() -> None:
    found = DiagnosticSet([*(finding(at, Severity.WARNING) for at in range(9)), finding(20), finding(30)])
    assert [item.primary.span.start for item in found.first(3)] == [0, 20, 30]
    assert [item.primary.span.start for item in found.first(1)] == [20]


def test_a_finding_takes_its_severity_from_its_rule() -> None:
    assert report(reader_rules.TOO_LARGE, "m", Span(0, 1)).severity is Severity.ERROR
    assert report("NF190", "m", Span(0, 1)).severity is Severity.WARNING
    with pytest.raises(KeyError):
        report("NF999", "m", Span(0, 1))


@pytest.mark.usefixtures("registry")
def test_a_lint_is_registered_with_the_page_in_its_docstring() -> None:
    def lint(context: int) -> Iterator[Diagnostic]:
        yield report("NF998", f"{context} apples", Span(0, 0))

    lint.__doc__ = DOC
    rule("NF998", "test-rule", Severity.NOTE)(lint)
    [found] = rules.LINTS["NF998"](3)
    assert (found.message, found.severity) == ("3 apples", Severity.NOTE)


@pytest.mark.usefixtures("registry")
def test_sections_become_the_page() -> None:
    assert declare("NF998", "test-rule", Severity.NOTE, DOC) == "NF998"
    made = rules.RULES["NF998"]
    assert (made.summary, made.why, made.bad, made.good) == (
        "One sentence.",
        "Because.",
        "a: 1\nb:\n  c: 2\n",
        "a: 2\n",
    )
    assert made.page().startswith(
        "# NF998 test-rule (note)\n\nOne sentence.\n\n## Why\n\nBecause.\n\n## Bad\n\n```yaml\n"
    )


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("code", "slug", "doc"),
    [
        ("NF001", "fresh", DOC),
        ("NF998", "yaml-syntax", DOC),
        ("NF99", "fresh", DOC),
        ("NF998", "fresh", "Only a summary."),
        ("NF998", "fresh", DOC.replace("## Good", "## Nice")),
    ],
)
def test_a_rule_that_is_malformed_or_taken_is_refused(code: str, slug: str, doc: str) -> None:
    with pytest.raises(ValueError, match=r"taken|needs"):
        declare(code, slug, Severity.ERROR, doc)
