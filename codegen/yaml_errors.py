"""YAML syntax errors in plain words.

libyaml and the Python parser of PyYAML name the same mistake differently, so each row below knows both wordings and
the message does not depend on which of them is installed.
"""

import re

from msgspec import Struct
from yaml.error import Mark, MarkedYAMLError, YAMLError

from codegen.diagnostics import Diagnostic, Label
from codegen.reader_rules import YAML_SYNTAX
from codegen.rules import report
from codegen.source import Source, Span


class _Mistake(Struct, frozen=True):
    """`problem` is looked for in what the parser says; `opened` labels the place where the broken part began."""

    problem: str
    message: str
    help: str
    opened: str = ""
    at_opening: bool = False


_TAB = _Mistake(
    "tab character",
    "a tab stands where only spaces may indent",
    "replace the tab by spaces; many editors can show and convert them",
)
_COLON_IN_VALUE = _Mistake(
    "values are not allowed",
    "a second `: ` in one line starts a value where none can be",
    "put quotes around text that holds `: `",
)
_STRAY_FIELD = _Mistake(
    "values are not allowed",
    "a field starts here, but the line before it is not finished or is indented less",
    "check that the line before has `:` after its name, and that fields of one group start in the same column",
)
_MISTAKES = (
    _Mistake(
        "block scalar",
        "`|` and `>` at the start of a value announce text on the lines below, and nothing may follow them here",
        "put the text on lines of its own, or put quotes around text that starts with `|` or `>`",
        at_opening=True,
    ),
    _Mistake(
        "a tag|undefined tag",
        "a value that starts with `!` is a tag, and gateway.yaml has none",
        "put quotes around text that starts with `!`",
        at_opening=True,
    ),
    _Mistake(
        "directive",
        "a line that starts with `%` is a directive, and gateway.yaml has none",
        "remove the line, or put quotes around text that starts with `%`",
        at_opening=True,
    ),
    _Mistake(
        "unexpected end of stream",
        "this quote is never closed",
        'close it with the same quote; inside \'...\' a quote is written twice, inside "..." as \\"',
        at_opening=True,
    ),
    _Mistake(
        r"expected ',' or '\]'", "this list needs a `,` or its closing `]` here", "close it with `]`", "opened here"
    ),
    _Mistake(
        r"expected ',' or '\}'", "this group needs a `,` or its closing `}` here", "close it with `}`", "opened here"
    ),
    _Mistake(
        "cannot start any token",
        "a value cannot start with this character unless it is quoted",
        "put quotes around the whole value",
    ),
    _Mistake(
        "escape",
        'this is not an escape that "..." knows',
        "write a backslash as \\\\, or use '...', where it stands for itself",
        at_opening=True,
    ),
    _Mistake(
        "alphabetic or numeric character",
        "`*` and `&` at the start of a value refer to an anchor, and no name follows",
        "put quotes around text that starts with `*` or `&`",
        at_opening=True,
    ),
    _Mistake(
        r"could not find expected ':'",
        "this name has no `:` after it",
        "write `name: value`, with a space after the colon",
        at_opening=True,
    ),
    _Mistake(
        "keys are not allowed|unexpected ':'",
        "`?` and `:` have a meaning of their own, and cannot stand here",
        "put quotes around text that starts with `?` or `:`",
    ),
    _Mistake(
        "sequence entries are not allowed",
        "a list item cannot start here",
        "put `- ` on a line of its own below the name, or write the list as [a, b]",
    ),
    _Mistake(
        r"expected '-' indicator|collection.*expected <block end>",
        "this line does not continue the list above it",
        "start it with `- ` in the same column as the other items, or move it out of the list",
        "the list starts here",
    ),
    _Mistake(
        "expected key|expected <block end>",
        "this does not fit the indentation or the value before it",
        "fields of one group start in the same column; text after a closing quote or bracket is not allowed",
        "the group starts here",
    ),
    _Mistake(
        "expected (the )?node content",
        "a value is missing here",
        "write the value, or remove the bracket or comma that announces it",
    ),
    _Mistake(
        "expected '?<document start>",
        "this stands outside the document",
        "remove it, or indent it like the fields above",
    ),
)


def syntax_error(error: YAMLError, source: Source) -> Diagnostic:
    """The finding for an error of the YAML parser, at the place a person would look first."""
    if not isinstance(error, MarkedYAMLError):
        return report(YAML_SYNTAX, "the text cannot be read as YAML", Span(0, 0))
    at, began = _offset(error.problem_mark), _offset(error.context_mark)
    mistake = _classify(error, source, at)
    place = began if mistake.at_opening and error.context_mark else at
    opened = mistake.opened and began < at
    return report(
        YAML_SYNTAX,
        mistake.message,
        Span(place, min(place + 1, len(source.text))),
        help=(mistake.help,) if mistake.help else (),
        secondary=(Label(Span(began, began + 1), mistake.opened),) if opened else (),
    )


def _classify(error: MarkedYAMLError, source: Source, at: int) -> _Mistake:
    said = f"{error.context or ''}: {error.problem or ''}"
    position = source.position(at)
    line = source.line_text(position.line)
    if "\t" in line[: position.column] and re.search("tab character|cannot start any token", said):
        return _TAB
    if re.search("values are not allowed", said):
        return _COLON_IN_VALUE if re.search(r":\s", line[: position.column - 1]) else _STRAY_FIELD
    for mistake in _MISTAKES:
        if re.search(mistake.problem, said):
            return mistake
    return _Mistake("", f"this is not YAML: {error.problem or 'the text is malformed'}", "")


def _offset(mark: Mark | None) -> int:
    return mark.index if mark is not None else 0
