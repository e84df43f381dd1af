"""The four formats, from one machine form."""

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.check import check_source
from codegen.diagnostics import Diagnostic, DiagnosticSet, Fix, Label
from codegen.reader import read
from codegen.render import FORMATS, render
from codegen.render.finding import mask
from codegen.rules import RULES, report
from codegen.source import Source, Span


def at(
    text: str, marked: str, message: str = "m", name: str = "gateway.yaml", **more: Any
) -> tuple[Source, Diagnostic]:
    start = text.index(marked)
    return Source(name, text), report("NF103", message, Span(start, start + len(marked)), **more)


def lines(source: Source, item: Diagnostic, **options: Any) -> list[str]:
    return render([item], source, **options).splitlines()


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def test_text_has_the_place_the_line_a_mark_and_the_way_on() -> None:
    text = "\n" * 16 + "  oai: {protocol: openia}\n"
    help_ = "did you mean `openai`? protocols: openai, anthropic, gemini"
    source, item = at(text, "openia", "`openia` is not a protocol", help=(help_,))
    assert render([item], source) == (
        "gateway.yaml:17:19: error[NF103] unknown-value: `openia` is not a protocol\n"
        "   |\n"
        "17 |   oai: {protocol: openia}\n"
        "   |                   ^^^^^^\n"
        "   = help: did you mean `openai`? protocols: openai, anthropic, gemini\n"
        "   = see: nexusflow explain NF103\n"
    )


@pytest.mark.parametrize("before", ["\t", "a\t: ", "日本: ", "é: ", "e\u0301: ", "\x1b[31m", "\u202e", "日\t\x07 "])
def test_marks_stay_below_tabs_wide_letters_and_escapes(before: str) -> None:
    source, item = at(f"{before}bad # x", "bad")
    _, _, line, mark, _ = lines(source, item)
    shown = unicodedata.normalize("NFC", line)  # an accent of its own takes no column
    assert columns(shown[: shown.index("bad")]) == mark.index("^^^")


def test_tabs_reach_to_the_next_stop() -> None:
    source, item = at("a\tbcd\te\n", "e")
    assert lines(source, item)[2] == "1 | a   bcd e"


def test_wide_letters_get_a_mark_as_wide_as_they_are() -> None:
    source, item = at("a: 日本\n", "日本")
    assert lines(source, item)[3] == "  |    ^^^^"


def test_nothing_in_a_source_message_or_name_can_drive_the_terminal() -> None:
    evil = "\x1b[2J\x07\x9b31m\u202e\u2028\r"
    item = report("NF103", evil, Span(3, 4), text=evil, help=(evil,), secondary=(Label(Span(0, 1), evil),))
    for format in FORMATS:
        shown = render([item], Source(f"{evil}.yaml", f"a: {evil}\n"), format)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown), format
    assert "\\x1b[2J" in render([item], Source("f", f"a: {evil}\n"))
    assert "\u202e" not in render([item], Source("f", f"a: {evil}\n"))


def test_two_places_are_shown_in_order_of_line_with_their_labels() -> None:
    text = "a: 1\nb: 2\nc: 3\na: 4\n"
    item = report("NF002", "m", Span(15, 16), text="again", secondary=(Label(Span(0, 1), "first"),))
    assert lines(Source("f", text), item)[1:-1] == [
        "  |",
        "1 | a: 1",
        "  | - first",
        ".",
        "4 | a: 4",
        "  | ^ again",
    ]
    near = report("NF002", "m", Span(5, 6), secondary=(Label(Span(8, 9), "same line"),))
    assert lines(Source("f", text), near)[2:-1] == ["2 | b: 2", "  | ^", "  |    - same line"]


def test_a_place_over_several_lines_is_marked_to_the_end_of_the_first() -> None:
    text = "a: [1,\n  2]\n"
    assert lines(Source("f", text), report("NF103", "m", Span(3, 11)))[2:4] == ["1 | a: [1,", "  |    ^^^"]


def test_an_empty_place_still_has_a_mark_and_an_empty_file_no_snippet() -> None:
    assert lines(Source("f", "a:\n"), report("NF103", "m", Span(2, 2)))[3] == "  |   ^"
    assert lines(Source("f", ""), report("NF103", "m", Span(0, 0)))[1:] == ["  = see: nexusflow explain NF103"]


@pytest.mark.parametrize("length", [10, 200, 900, 5_000, 3_000_000])
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_long_lines_are_cut_around_the_place(length: int, where: float) -> None:
    left = int(length * where)
    source, item = at("a" * left + "BAD" + "b" * (length - left), "BAD")
    _, _, line, mark, _ = lines(source, item, width=60)
    assert columns(line) <= 60
    assert line.count("…") == (0 if length == 10 else 2 if where == 0.5 else 1)
    assert line[mark.index("^") :].startswith("BAD")
    assert mark.endswith("^^^")
    assert f":1:{left + 1}: " in lines(source, item)[0]


def test_help_is_wrapped_below_itself() -> None:
    source, item = at("a", "a", help=("word " * 30,))
    notes = lines(source, item, width=50)[4:-1]
    assert len(notes) > 3
    assert all(len(line) <= 50 for line in notes)
    assert notes[0].startswith("  = help: word")
    assert all(line.startswith(" " * 10 + "word") for line in notes[1:])


def test_colour_changes_nothing_but_colour() -> None:
    source, item = at("a: bad\n", "bad", help=("h",), secondary=(Label(Span(0, 1), "s"),))
    coloured = render([item], source, colour=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render([item], source)


def test_only_so_many_findings_are_shown_and_errors_go_first() -> None:
    items = DiagnosticSet(report("NF190" if n < 30 else "NF103", f"m{n}", Span(n, n + 1)) for n in range(33))
    source = Source("f", "x" * 40)
    shown = render(items, source)
    assert shown.count("= see:") == 20
    assert shown.count("error[") == 3
    assert shown.endswith("\n\n13 more findings are not shown\n")
    assert render(items, source, limit=32).endswith("\n1 more finding is not shown\n")
    assert len(render(items, source, "json").splitlines()) == 33
    assert render([], source) == ""


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-" + "Ab3" * 12,
        "AKIA" + "ABCDEFGH12345678",
        "AIza" + "Sy" * 16,
        "ghp_" + "a1" * 18,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef" * 2,
    ],
)
def test_secrets_are_masked_in_every_format_and_keep_their_width(secret: str) -> None:
    assert mask(f"x {secret} y") == f"x {secret[:3]}{'*' * (len(secret) - 3)} y"
    source, item = at(
        f"credential: {secret}\n", secret, f"not {secret}", help=(secret,), fix=Fix(Span(0, 1), secret, secret)
    )
    for format in FORMATS:
        assert secret not in render([item], source, format)
    assert lines(source, item)[3] == "  |             " + "^" * len(secret)


@pytest.mark.parametrize(
    "name", ["qwen3.5-plus-2026-02-15", "openai/chat-completions", "max_output_tokens", "sk-short"]
)
def test_names_are_not_taken_for_secrets(name: str) -> None:
    assert mask(name) == name


def test_json_has_one_object_per_line_and_all_that_text_shows() -> None:
    source, item = at(
        "a:\n  b: x\n",
        "x",
        "m",
        help=("h",),
        secondary=(Label(Span(0, 1), "s"),),
        fix=Fix(Span(8, 9), "y", "t"),
        path=("a", "b"),
    )
    [line] = render([item], source, "json").splitlines()
    assert json.loads(line) == {
        "code": "NF103",
        "slug": "unknown-value",
        "severity": "error",
        "message": "m",
        "place": {
            "file": "gateway.yaml",
            "line": 2,
            "column": 6,
            "end_line": 2,
            "end_column": 7,
            "start": 8,
            "end": 9,
            "source_line": "  b: x",
        },
        "related": [
            {
                "file": "gateway.yaml",
                "line": 1,
                "column": 1,
                "end_line": 1,
                "end_column": 2,
                "start": 0,
                "end": 1,
                "source_line": "a:",
                "text": "s",
            }
        ],
        "help": ["h"],
        "fix": {
            "title": "t",
            "replacement": "y",
            "place": {
                "file": "gateway.yaml",
                "line": 2,
                "column": 6,
                "end_line": 2,
                "end_column": 7,
                "start": 8,
                "end": 9,
                "source_line": "  b: x",
            },
        },
        "path": ["a", "b"],
    }


def test_github_commands_escape_what_would_end_them() -> None:
    source, item = at("a: b\n", "b", "50%: a, b", name="a,b:c%.yaml", help=("line",))
    assert render([item], source, "github") == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=4,endColumn=5,title=NF103 unknown-value"
        "::50%25: a, b%0Aline\n"
    )


def test_github_gets_columns_only_for_a_place_on_one_line() -> None:
    shown = render([report("NF190", "m", Span(0, 7))], Source("f", "a:\n  b: 1\n"), "github")
    assert shown == "::warning file=f,line=1,endLine=2,title=NF190 not-yet-read::m\n"


def test_sarif_names_its_rules_and_places() -> None:
    source, item = at(
        "a:\n  b: é\n",
        "é",
        "m",
        name="my dir/g.yaml",
        secondary=(Label(Span(0, 1), "s"),),
        fix=Fix(Span(8, 9), "y", "t"),
    )
    log = json.loads(render([item], source, "sarif"))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(RULES)
    [result] = run["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "NF103"
    assert rules[result["ruleIndex"]]["defaultConfiguration"] == {"level": "error"}
    region = {"startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 7}
    physical = {"artifactLocation": {"uri": "my%20dir/g.yaml"}, "region": region}
    assert result["locations"] == [{"physicalLocation": physical}]
    assert result["relatedLocations"][0]["message"] == {"text": "s"}
    [change] = result["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "y"}}]


def test_sarif_fingerprints_survive_moved_lines_and_tell_findings_apart() -> None:
    def fingerprints(text: str) -> list[str]:
        items = [report("NF103", "m", Span(text.index(name), text.index(name) + 1), path=(name,)) for name in "xyz"]
        items.append(report("NF103", "other", Span(text.index("z"), text.index("z") + 1), path=("z",)))
        results = json.loads(render(items, Source("f", text), "sarif"))["runs"][0]["results"]
        return [result["partialFingerprints"]["codeAndPath/v1"] for result in results]

    before = fingerprints("x\ny\nz\n")
    assert before == fingerprints("\n\n\nx\n\ny\n\nz\n")
    assert len(set(before)) == 4


@given(
    st.text(alphabet=st.sampled_from("ab:-{}[],&*!|>'\"\t\n\r 01é日\u0301\ufeff\u200b\x1b"), max_size=60),
    st.integers(1, 200),
)
def test_any_finding_can_be_printed_in_every_format(text: str, width: int) -> None:
    source = Source("f", text)
    _, items = read(source)
    checked = check_source(source)[1]
    for format in FORMATS:
        render(items, source, format, width=width, colour=True)
        for line in render(checked, source, format, width=width).splitlines():
            assert line == "" or line.isprintable() or any(unicodedata.combining(letter) for letter in line)
