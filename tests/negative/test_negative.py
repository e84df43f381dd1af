"""One folder per rule: a gateway.yaml that breaks exactly that rule, and the text the user then sees.

With NEXUSFLOW_UPDATE=1 in the environment the expected texts are written instead of compared. A folder without
gateway.yaml is the case of a file that is not there.
"""

import os
import re
from pathlib import Path

import pytest

from codegen import compile_source
from codegen.check import load
from codegen.diagnostics import DiagnosticSet
from codegen.explain import codes
from codegen.reader import read
from codegen.render import render
from codegen.rules import RULES
from codegen.source import Source

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.iterdir() if re.fullmatch(r"NF\d{3}-[a-z0-9-]+", path.name))
UPDATE = os.environ.get("NEXUSFLOW_UPDATE") == "1"


def check(path: Path) -> tuple[Source, DiagnosticSet]:
    source, unreadable = load(path, "gateway.yaml")
    if unreadable is not None:
        return source, DiagnosticSet([unreadable])
    return source, compile_source(source).diagnostics


def test_each_rule_has_a_case_and_each_case_a_rule() -> None:
    assert [path.name for path in CASES] == [f"{code}-{RULES[code].slug}" for code in codes()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_this_rule_is_reported_in_exactly_these_words(case: Path) -> None:
    source, found = check(case / "gateway.yaml")
    shown = render(found, source, width=120)
    expected = case / "expected.txt"
    code = case.name[:5]
    # What a rule is about may itself be a field that this version does not read yet; that is then said beside it.
    assert {item.code for item in found} - ({"NF190"} - {code}) == {code}, shown
    if UPDATE:
        expected.write_bytes(shown.encode())
    assert shown.encode() == expected.read_bytes()


@pytest.mark.parametrize("code", codes())
def test_the_page_of_a_rule_shows_what_it_says(code: str) -> None:
    """Bad YAML breaks the rule and only that, good YAML breaks none; a fragment can only be read, not checked."""
    for text, expected in ((RULES[code].bad, {code}), (RULES[code].good, set())):
        source = Source("gateway.yaml", text)
        if text.startswith("version: 1\n"):
            assert {item.code for item in compile_source(source).diagnostics} == expected
        elif code < "NF005":
            assert {item.code for item in read(source)[1]} == expected
