"""Offsets to lines and columns."""

import pytest

from codegen.source import Position, Source, Span


def test_position_counts_lines_and_characters_from_one() -> None:
    source = Source("f", "ab\ncé\n")
    assert [source.position(at) for at in range(7)] == [
        Position(1, 1),
        Position(1, 2),
        Position(1, 3),
        Position(2, 1),
        Position(2, 2),
        Position(2, 3),
        Position(3, 1),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_counts_once(end: str) -> None:
    source = Source("f", f"one{end}two{end}")
    assert [source.line_text(line) for line in (1, 2, 3)] == ["one", "two", ""]
    assert source.position(source.text.index("two")) == Position(2, 1)


def test_offsets_outside_the_text_are_its_ends() -> None:
    source = Source("f", "ab\nc")
    assert source.position(-5) == Position(1, 1)
    assert source.position(99) == Position(2, 2)


def test_a_line_that_is_not_there_is_an_error() -> None:
    for line in (0, 3):
        with pytest.raises(IndexError, match="f has no line"):
            Source("f", "a\nb").line_text(line)


def test_a_byte_order_mark_is_no_character() -> None:
    assert Source("f", "\ufeffab").position(1) == Position(1, 2)
    assert Source("f", "\ufeffab").slice(Span(0, 1)) == "a"
