"""YAML to Tree: values, places, refusals, and no crash on any text (SEC-46)."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen import reader
from codegen.diagnostics import Diagnostic
from codegen.fixes import apply
from codegen.reader import MAX_DEPTH, Tree, decode, read
from codegen.scalars import resolve, write
from codegen.source import Path, Source

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"])
KEYS = st.text(LETTERS, max_size=8)
WORDS = st.text(LETTERS | st.sampled_from("\0\t\r\n\x1b\"'\\"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML, so that the outcome does not depend on how it was built."""
    monkeypatch.setattr(reader, "LOADER", request.param)


def tree_of(text: str) -> Tree:
    tree, findings = read(Source("gateway.yaml", text))
    assert tree is not None, findings
    assert findings == []
    return tree


def finding_of(text: str) -> Diagnostic:
    tree, findings = read(Source("gateway.yaml", text))
    assert tree is None
    assert len(findings) == 1, findings
    return findings[0]


def place(text: str, item: Diagnostic) -> tuple[int, int]:
    position = Source("f", text).position(item.primary.span.start)
    return position.line, position.column


def paths(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(found for step, item in steps for found in paths(item, (*path, step)))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            (word, word)
            for word in ("on", "no", "yes", "off", "1:30", "012", "1_000", "2024-01-01", "0x", "1e", "=", "<")
        ],
        *[(word, None) for word in ("", "~", "null", "Null")],
        *[("true", True), ("False", False), ("7", 7), ("-7", -7), ("+7", 7), ("0", 0), ("0x1F", 31), ("0o17", 15)],
        *[("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-.inf", -math.inf), ("10" * 30, int("10" * 30))],
        *[("'7'", "7"), ('"true"', "true"), ('"\\u00e9"', "é"), ("'null'", "null")],
    ],
)
@pytest.mark.usefixtures("parser")
def test_words_mean_what_yaml_1_2_says_and_quoted_words_are_text(text: str, value: object) -> None:
    found = tree_of(f"a: {text}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


@given(SCALARS)
def test_a_written_word_reads_back(value: str | int | float | bool | None) -> None:
    written = write(value)
    assert (json.loads(written) if written.startswith('"') else resolve(written)) == value


@pytest.mark.parametrize("word", ["true", "null", "~", "7", "1e3", ".inf", "on", "a: b", "# x", "", "é"])
def test_a_text_that_looks_like_something_else_is_written_in_quotes(word: str) -> None:
    assert tree_of(f"a: {write(word)}\n").value == {"a": word}


@given(VALUES)
@settings(max_examples=200)
def test_every_value_is_read_back_and_its_place_holds_it(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)  # JSON is YAML in one line, so a place can be read again by itself
    tree = tree_of(text)
    assert tree.value == value
    for path, item in paths(value):
        assert json.loads(tree.source.slice(tree.spans[path])) == item
        if path and isinstance(path[-1], str):
            assert json.loads(tree.source.slice(tree.keys[path])) == path[-1]


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_places_hold_in_block_style_too(value: Any) -> None:
    text = yaml.safe_dump(value, default_flow_style=False, allow_unicode=True, width=40)
    tree, _ = read(Source("f", text))
    if tree is None:  # keys that YAML 1.1 quotes differently from 1.2, such as a bare `=`
        return
    for path, item in paths(tree.value):
        if not isinstance(item, dict | list) and path not in tree.origins:
            again = tree_of(tree.source.slice(tree.spans[path]) or "~")
            assert again.value == item


@pytest.mark.usefixtures("parser")
def test_places_of_values_keys_and_aliases() -> None:
    text = "a: &x {k: v, l: [1,\n 2]}\nb:\n  - c: |\n      hé\n\n  - *x\nd:\ne: &y 'q' # note\nf: *y\n"
    tree = tree_of(text)
    shown = {path: tree.source.slice(span) for path, span in tree.spans.items()}
    assert shown == {
        (): text.rstrip(),
        ("a",): "{k: v, l: [1,\n 2]}",
        ("a", "k"): "v",
        ("a", "l"): "[1,\n 2]",
        ("a", "l", 0): "1",
        ("a", "l", 1): "2",
        ("b",): "- c: |\n      hé\n\n  - *x",
        ("b", 0): "c: |\n      hé",
        ("b", 0, "c"): "|\n      hé",
        ("b", 1): "*x",
        ("d",): "",
        ("e",): "'q'",
        ("f",): "*y",
    }
    assert tree.source.slice(tree.at(("b", 1, "l", 1))) == "*x"
    assert tree.origin(("b", 1, "l", 1)) == ("a", "l", 1)
    assert tree.origin(("b", 0)) is None
    assert tree.source.slice(tree.key(("b", 0, "c"))) == "c"
    assert tree.source.slice(tree.key(("b", 1, "k"))) == "*x"
    assert tree.value["b"][1] == {"k": "v", "l": [1, 2]}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ["\ufeffa: 1\nb: 2\n", "a: 1\r\nb: 2\r\n"])
def test_byte_order_mark_and_windows_line_ends_do_no_harm(text: str) -> None:
    tree = tree_of(text)
    assert tree.value == {"a": 1, "b": 2}
    assert tree.source.slice(tree.key(("b",))) == "b"
    assert tree.source.position(tree.key(("b",)).start).line == 2


@pytest.mark.usefixtures("parser")
def test_duplicate_keys_show_both_places_at_every_depth() -> None:
    text = "a: {x: 1, x: 2}\na: 3\n"
    _, findings = read(Source("f", text))
    assert [(item.code, place(text, item)) for item in findings] == [("NF002", (1, 11)), ("NF002", (2, 1))]
    assert [item.secondary[0].span.start for item in findings] == [4, 0]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "code", "at", "words"),
    [
        ("a:\n\t- b\n", "NF001", (2, 1), "tab"),
        ("a: b: c\n", "NF001", (1, 5), "second `: `"),
        ("a: 'x\nb: 2\n", "NF001", (1, 4), "never closed"),
        ("a: [1, 2\nb: 3\n", "NF001", (2, 2), "closing `]`"),
        ("a: {x: 1\nb: 3\n", "NF001", (2, 2), "closing `}`"),
        ("a:\n  b: 1\n c: 2\n", "NF001", (3, 2), "indentation"),
        ("a: 1\n  b: 2\n", "NF001", (2, 4), "line before"),
        ("x: 1\nab\n", "NF001", (2, 1), "no `:` after"),
        ("a: @x\n", "NF001", (1, 4), "unless it is quoted"),
        ("a: *.example\n", "NF001", (1, 4), "anchor"),
        ('a: "\\q"\n', "NF001", (1, 4), "escape"),
        ("a: - b\n", "NF001", (1, 4), "list item"),
        ("- a\nb: 1\n", "NF001", (2, 1), "list above"),
        ("a: }\n", "NF001", (1, 4), "missing"),
        ("{a: 1} b\n", "NF001", (1, 8), "outside"),
        ("a: *nope\n", "NF001", (1, 4), "no anchor `nope`"),
        ("a: \x1b[31m\n", "NF001", (1, 4), "U+001B"),
        ("a: x\u2028y\n", "NF001", (1, 5), "U+2028"),
        ("<<: {a: 1}\n", "NF003", (1, 1), "merge"),
        ("a: !!str b\n", "NF003", (1, 4), "`!!str`"),
        ("a: !x {b: 1}\n", "NF003", (1, 4), "`!x`"),
        ("1: a\n", "NF003", (1, 1), "must be text"),
        ("{[a]: 1}\n", "NF003", (1, 2), "must be text"),
        ("{~: 1}\n", "NF003", (1, 2), "must be text"),
        ("a: |x\n", "NF001", (1, 4), "lines below"),
        ("%\na: 1\n", "NF001", (1, 1), "directive"),
        ("a: !<x\n", "NF001", (1, 4), "tag"),
        ("a: &x k\n? *x\n: 1\n", "NF003", (2, 3), "alias cannot"),
        ("a: 1\n---\nb: 2\n", "NF003", (2, 1), "one document"),
        ("%YAML 1.1\n---\na: 1\n", "NF003", (1, 1), "1.2"),
        ("a: &x [*x]\n", "NF003", (1, 8), "contains itself"),
        ("a: &x 1\nb: &x 2\n", "NF003", (2, 7), "twice"),
        ("a: " + "9" * 500 + "\n", "NF004", (1, 4), "500 characters"),
        ("a: " + "[" * 100_000, "NF004", (1, 3 + MAX_DEPTH), "40 levels"),
        ("{a: " * 50_000, "NF004", (1, 1 + 4 * MAX_DEPTH), "40 levels"),
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_named_where_it_stands(text: str, code: str, at: tuple[int, int], words: str) -> None:
    item = finding_of(text)
    assert (item.code, place(text, item)) == (code, at)
    assert words in item.message


def test_aliases_are_counted_before_they_grow() -> None:
    """SEC-46: nine lines that stand for ten billion values are refused where they pass the bound."""
    lines = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}' if n else 'x'] * 10)}]" for n in range(10)]
    assert "50,000" in finding_of("\n".join(lines)).message


@pytest.mark.parametrize(("uses", "fits"), [(4999, True), (5000, False)])
def test_alias_bound_is_exact(uses: int, fits: bool) -> None:
    text = f"a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\nb: [{', '.join(['*a'] * uses)}, {', '.join('x' * 1)}]\nc: *a\n"
    tree, findings = read(Source("f", text))
    assert (tree is not None) is fits
    assert [item.code for item in findings] == ([] if fits else ["NF004"])


def test_aliases_cannot_hide_depth() -> None:
    deep = "&a " + "[" * 30 + "]" * 30
    assert tree_of(f"a: {deep}\nb: {'[' * 9}*a{']' * 9}\n").value["b"]
    assert "levels" in finding_of(f"a: {deep}\nb: {'[' * 10}*a{']' * 10}\n").message


def test_number_of_values_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_NODES", 5)
    assert tree_of("[1, 2, 3, 4]").value == [1, 2, 3, 4]
    assert finding_of("[1, 2, 3, 4, 5]").code == "NF004"
    monkeypatch.setattr(reader, "MAX_BYTES", 5)
    assert finding_of("a: éé").code == "NF004"
    assert isinstance(decode(b"a: 12", "f"), Source)
    assert isinstance(decode(b"a: 123", "f"), Diagnostic)


def test_bytes_that_are_not_utf8_are_shown_in_place() -> None:
    item = decode("é\nx: ".encode() + b"\xe9\n", "f")
    assert isinstance(item, Diagnostic)
    assert (item.code, item.primary.span.start) == ("NF005", 5)
    utf16 = decode("a: 1".encode("utf-16"), "f")
    assert isinstance(utf16, Diagnostic)
    assert "UTF-16" in utf16.message
    source = decode(b"\xef\xbb\xbfa: 1", "f")
    assert isinstance(source, Source)
    assert source.text == "a: 1"


def test_a_key_that_is_not_text_can_be_quoted_by_its_fix() -> None:
    text = "models: {4: x}\n"
    item = finding_of(text)
    assert item.fix is not None
    assert tree_of(apply(text, [item.fix])).value == {"models": {"4": "x"}}


@given(st.text(alphabet=st.sampled_from("ab:-{}[],&*!|>'\"%@`#?\t\n\r 01.<~\x00\ufeff\u2028\ud800é日\\"), max_size=40))
@settings(max_examples=500)
def test_any_text_gives_a_tree_or_findings(text: str) -> None:
    tree, findings = read(Source("f", text))
    assert (tree is None) == bool(findings)
    for item in findings:
        assert 0 <= item.primary.span.start <= item.primary.span.end <= len(text)
        assert not item.message.startswith("this is not YAML")
