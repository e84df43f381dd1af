"""Screen: how characters look on a terminal, and what may not reach it."""

import unicodedata
from typing import NamedTuple

TAB = 4
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Cell(NamedTuple):
    """What is printed for one character of the source, and how many columns it takes."""

    text: str
    width: int


def cells(line: str) -> list[Cell]:
    """One cell per character: tabs filled up, wide characters counted twice, combining ones not at all.

    Control characters, and those that hide or reorder text, become visible escapes.
    """
    row: list[Cell] = []
    column = 0
    for character in line:
        cell = _tab(column) if character == "\t" else _cell(character)
        row.append(cell)
        column += cell.width
    return row


def clean(text: str) -> str:
    """The text with escapes for what a terminal would obey, tabs and line breaks included."""
    return "".join(_cell(character).text for character in text)


def is_unseen(character: str) -> bool:
    """Whether a character controls the terminal, reorders text, or cannot be seen at all."""
    return unicodedata.category(character) in _UNSEEN


def width(row: list[Cell]) -> int:
    """Columns that these cells take."""
    return sum(cell.width for cell in row)


def _tab(column: int) -> Cell:
    filled = TAB - column % TAB
    return Cell(" " * filled, filled)


def _cell(character: str) -> Cell:
    if character.isascii() and character.isprintable():
        return Cell(character, 1)
    if is_unseen(character):
        code = ord(character)
        escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        return Cell(escape, len(escape))
    if unicodedata.category(character) in ("Mn", "Me"):
        return Cell(character, 0)
    return Cell(character, 2 if unicodedata.east_asian_width(character) in "WF" else 1)
