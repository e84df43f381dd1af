"""Text: findings for people, each with the lines it is about and a mark below the place."""

import textwrap
from collections.abc import Iterator

from codegen.render.finding import Finding, Place
from codegen.render.screen import Cell, cells, clean, width

_COLOURS = {"error": "31", "warning": "33", "note": "36", "frame": "34"}
_NARROWEST = 40
_CUT = Cell("…", 1)


def render(findings: list[Finding], *, hidden: int = 0, colour: bool = False, width: int = 120) -> str:
    """All findings with an empty line between them, then the number of those that are not shown."""
    paint = _Paint(colour)
    blocks = ["".join(f"{line}\n" for line in _block(item, paint, max(width, _NARROWEST))) for item in findings]
    if hidden:
        blocks.append(f"{hidden} more {'finding is' if hidden == 1 else 'findings are'} not shown\n")
    return "\n".join(blocks)


class _Paint:
    """Colours by meaning, or none."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, kind: str, text: str) -> str:
        return f"\x1b[1;{_COLOURS[kind]}m{text}\x1b[0m" if self._on and text else text


def _block(item: Finding, paint: _Paint, columns: int) -> Iterator[str]:
    place = item.place
    where = f"{clean(place.file)}:{place.line}:{place.column}"
    kind = paint(item.severity, f"{item.severity}[{item.code}]")
    yield f"{where}: {kind} {item.slug}: {clean(item.message)}"
    places = sorted((item.place, *item.related), key=lambda place: (place.line, place is not item.place))
    gutter = len(str(max(place.line for place in places)))
    if any(place.source_line for place in places):  # an empty file, or one that cannot be opened, has nothing to show
        yield from _snippet(item, places, gutter, columns, paint)
    edge = " " * gutter + " "
    for text in item.help:
        yield from _note("help", text, edge, columns, paint)
    yield from _note("see", f"nexusflow explain {item.code}", edge, columns, paint)


def _snippet(item: Finding, places: list[Place], gutter: int, columns: int, paint: _Paint) -> Iterator[str]:
    edge = " " * gutter + " "
    yield paint("frame", edge + "|")
    previous: Place | None = None
    window: list[Cell] = []
    shift = 0
    for place in places:
        if previous is None or place.line != previous.line:
            if previous is not None and place.line > previous.line + 1:
                yield paint("frame", "." * gutter)
            focus = place.column - place.source_column
            window, cut = _window(cells(place.source_line), focus, columns - gutter - 3)
            shift = cut + place.source_column - 1
            line = "".join(cell.text for cell in window)
            yield (paint("frame", f"{place.line:>{gutter}} |") + f" {line}").rstrip()
        mark = _mark(place, window, shift, "^" if place is item.place else "-")
        tone = item.severity if place is item.place else "frame"
        yield paint("frame", f"{edge}|") + " " + mark[0] + paint(tone, mark[1])
        previous = place


def _window(row: list[Cell], focus: int, room: int) -> tuple[list[Cell], int]:
    """The part of a line that fits around a character, and how many cells were cut before it."""
    if width(row) <= room:
        return row, 0
    start = focus = min(focus, len(row))
    while start > 0 and width(row[start - 1 : focus]) <= room // 3:
        start -= 1
    head = [_CUT] if start else []
    end, used = start, width(head) + _CUT.width
    while end < len(row) and used + row[end].width <= room:
        used += row[end].width
        end += 1
    tail = [_CUT] if end < len(row) else []
    return head + row[start:end] + tail, start - len(head)


def _mark(place: Place, window: list[Cell], shift: int, sign: str) -> tuple[str, str]:
    """Blanks up to a place, then the signs below it; a place of several lines is marked to the end of the first."""
    end_of_line = place.source_column - 1 + len(place.source_line)
    last = place.end_column - 1 if place.end_line == place.line else end_of_line
    first = min(max(place.column - 1 - shift, 0), len(window))
    until = min(max(last - shift, first), len(window))
    signs = sign * max(width(window[first:until]), 1)
    return " " * width(window[:first]), f"{signs} {clean(place.text)}".rstrip()


def _note(label: str, text: str, edge: str, columns: int, paint: _Paint) -> Iterator[str]:
    lead = f"= {label}: "
    room = max(columns - len(edge) - len(lead), _NARROWEST // 2)
    lines = textwrap.wrap(clean(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    yield edge + paint("frame", lead) + lines[0]
    for line in lines[1:]:
        yield edge + " " * len(lead) + line
