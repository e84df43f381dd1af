"""Source: the text of one file, and how offsets become the lines and columns that people count."""

import re
from bisect import bisect_right
from functools import cached_property

from msgspec import Struct
from msgspec.structs import force_setattr

Path = tuple[str | int, ...]
"""Where a value stands in a document: field names and list indexes, from the root down."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")


class Span(Struct, frozen=True, order=True, gc=False):
    """A piece of a text: character offsets, `end` not included."""

    start: int
    end: int


class Position(Struct, frozen=True, order=True, gc=False):
    """Line and column as editors show them, both from 1; a column is one character (code point)."""

    line: int
    column: int


class Source(Struct, frozen=True, dict=True):
    """One file: the name shown in messages, and its decoded text.

    Lines end at LF, CR LF or CR. A byte order mark is no part of the text: parsers disagree on whether it counts as a
    character, and offsets must not.
    """

    name: str
    text: str

    def __post_init__(self) -> None:
        force_setattr(self, "text", self.text.removeprefix("\ufeff"))

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_BREAK.finditer(self.text))]

    def position(self, offset: int) -> Position:
        """Line and column of a character offset; an offset outside the text counts as its nearest end."""
        inside = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, inside)
        return Position(line, inside - self._starts[line - 1] + 1)

    def line_text(self, line: int) -> str:
        """Text of a line, counted from 1, without its line break.

        Raises IndexError when the text has no such line.
        """
        if not 1 <= line <= len(self._starts):
            raise IndexError(f"{self.name} has no line {line}")
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return self.text[self._starts[line - 1] : end].rstrip("\r\n")

    def slice(self, span: Span) -> str:
        """The piece of text a span covers."""
        return self.text[span.start : span.end]
