"""Fixes: applying them, and that each one offered really helps."""

from collections.abc import Iterable

import pytest

from codegen.check import check_source
from codegen.diagnostics import Diagnostic, Fix
from codegen.fixes import apply
from codegen.source import Source, Span

GATEWAY = """\
version: 1
providers:
  openai:
    protocol: openai/chat-completions
    base_url: https://api.openai.com/v1
models:
  gpt-5:
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    free: true
    lanes: [{provider: openai}]
"""


def fix(start: int, end: int, replacement: str) -> Fix:
    return Fix(Span(start, end), replacement, "t")


def found(text: str) -> list[Diagnostic]:
    return list(check_source(Source("gateway.yaml", text))[1])


def fixed(items: Iterable[Diagnostic], text: str) -> str:
    return apply(text, [item.fix for item in items if item.fix])


def test_edits_are_made_together_without_moving_each_other() -> None:
    assert apply("abcdef", [fix(4, 5, "EEE"), fix(0, 1, ""), fix(2, 2, "+")]) == "b+cdEEEf"


def test_overlapping_and_repeated_edits_are_made_once() -> None:
    assert apply("abcdef", [fix(1, 4, "x"), fix(2, 5, "y"), fix(1, 4, "x")]) == "axef"
    assert apply("ab", [fix(1, 1, "-"), fix(1, 1, "+"), fix(1, 1, "-")]) == "a-+b"
    assert apply("ab", []) == "ab"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    free: true", "    fre: true"),
        ("category: language", "category: langauge"),
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("    free: true", "    free: yes"),
        ("    free: true", "    free: true\n    price: {input: 0.25}"),
        ("    free: true", "    free: true\n    input: text"),
        ("    free: true", "    free: true\n    context_tokens: 128k"),
        ("    free: true", "    free: true\n    context_tokens: '32_000'"),
        ("    free: true", "    free: true\n    context_tokens: 8000.0"),
        ("    free: true", "    free: true\n    context_tokens: 012"),
        ("version: 1", "version: 1\ngateway: {request: {max_body_bytes: 32 MiB}}"),
        ("version: 1", 'version: 1\ngateway: {drain_seconds: "2.5"}'),
        ("version: 1", "version: 1\nstores: {database: {kind: sqllite}}"),
    ],
)
def test_a_fix_removes_its_finding(before: str, after: str) -> None:
    text = GATEWAY.replace(before, after, 1)
    items = found(text)
    assert [item.severity for item in items] == ["error"]
    if after == "version: 2":  # a file for another version is not turned into one for this by changing a digit
        assert items[0].fix is None
    else:
        assert found(fixed(items, text)) == []


@pytest.mark.parametrize(
    ("written", "replacement"),
    [
        ("128k", "128000"),
        ("1M", "1000000"),
        ("1.5k", "1500"),
        ("64 KiB", "65536"),
        ("1,000,000", "1000000"),
        ("1 minute", None),
        ("5m", None),
        ("lots", None),
        ("1.5", None),
        ("9007199254740993k", "9007199254740993000"),
    ],
)
def test_only_plain_numbers_are_offered(written: str, replacement: str | None) -> None:
    text = GATEWAY + f'    context_tokens: "{written}"\n'
    [item] = found(text)
    assert (item.fix.replacement if item.fix else None) == replacement


def test_no_fix_where_the_value_is_written_elsewhere() -> None:
    """A fix at an alias would replace the alias, not the value it stands for."""
    text = GATEWAY.replace("version: 1", "version: &n 128k").replace("free: true", "free: true\n    context_tokens: *n")
    assert [item.fix for item in found(text)] == [None, None]
    assert [len(item.secondary) for item in found(text)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("  providers: {}\n  models: {}\n", "  version: 1\n  providers: {}\n  models: {}\n"),
        ("{providers: {}, models: {}}\n", "{version: 1, providers: {}, models: {}}\n"),
    ],
)
def test_fields_are_added_in_the_column_or_braces_of_the_others(text: str, after: str) -> None:
    assert fixed([item for item in found(text) if item.code == "NF102"], text) == after
