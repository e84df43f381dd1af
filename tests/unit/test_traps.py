"""Every trap of tests/traps.md is named by a test that proves it: `def test_T05_...` or the id in the docstring."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
LISTED = re.compile(r"^- T(\d+) \S", re.MULTILINE)
NAMED = re.compile(r"(?<![A-Za-z0-9])T(\d{2,3})(?![0-9])")


def named_in(text: str) -> set[int]:
    """The traps that the test functions of a file name, in their names or docstrings."""
    return {number for node in _tests(ast.parse(text)) for number in _named_by(node)}


def _tests(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _named_by(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    words = node.name.replace("_", " ") + " " + (ast.get_docstring(node) or "")
    return {int(number) for number in NAMED.findall(words)}


def test_the_list_is_complete_and_in_order() -> None:
    assert [int(number) for number in LISTED.findall((TESTS / "traps.md").read_text())] == list(range(1, 116))


def test_every_trap_is_named_by_a_test() -> None:
    listed = {int(number) for number in LISTED.findall((TESTS / "traps.md").read_text())}
    proven: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        proven |= named_in(path.read_text())
    missing = sorted(listed - proven)
    assert not missing, "no test names " + ", ".join(f"T{number:02d}" for number in missing)


def test_a_name_elsewhere_than_in_a_test_proves_nothing() -> None:
    text = 'X = "T01"\n# T02\ndef helper_T03(): pass\ndef test_T04_and_T05(): pass\ndef test_x():\n    """T06."""\n'
    assert named_in(text) == {4, 5, 6}
