"""The metrics of one worker, in a file that others read while it writes (OBS-10 … OBS-12).

Beside `NAME.values`, an array of doubles through a mapping, `NAME.index` says in one JSON line for each series what
they mean. A store into the mapping is no system call and survives the process, so that what a killed worker counted is
still there.
"""

import fcntl
import mmap
import os
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from nexusflow.telemetry.catalogue import DROPPED, EXAMPLE, Metric

VALUES, INDEX = ".values", ".index"
MOST_SERIES = 5_000
"""Of one worker; values of further series are dropped and counted (OBS-11)."""
_CELLS = 1 << 18
_PART = 48
"""Bits of a trace id that one double holds exactly."""


class Line(Struct, frozen=True, array_like=True):
    """One line of an index: a series, and the place of its first number."""

    at: int
    metric: str
    labels: tuple[str, ...]


_encode = msgspec.json.Encoder().encode


class Series:
    """One series of one worker. Which of the methods make sense depends on its metric."""

    __slots__ = ("_at", "_bounds", "_values")

    def __init__(self, values: "memoryview[float]", at: int, bounds: tuple[float, ...]) -> None:
        self._values = values
        self._at = at
        self._bounds = bounds

    def add(self, amount: float = 1) -> None:
        """Count."""
        self._values[self._at] += amount

    def set(self, value: float) -> None:
        """What a gauge stands at, or a counter that somebody else keeps."""
        self._values[self._at] = value

    def observe(self, value: float) -> None:
        """One value of a histogram."""
        values, at, bounds = self._values, self._at, self._bounds
        values[at + bisect_left(bounds, value)] += 1
        values[at + len(bounds) + 1] += value

    def point(self, value: float, trace: int, now: float) -> None:
        """Remember `value`, which was observed, as an example of its bucket; `now` is in seconds since 1970.

        Whoever reads meanwhile may see half of it, as with all that has more than one number here.
        """
        bounds = self._bounds
        at = self._at + len(bounds) + 2 + EXAMPLE * bisect_left(bounds, value)
        for place, part in enumerate((value, now, *split(trace))):
            self._values[at + place] = part


def split(trace: int) -> tuple[float, float, float]:
    """A trace id as numbers that doubles, and JSON, keep exactly."""
    return (float(trace >> 2 * _PART), float(trace >> _PART & (1 << _PART) - 1), float(trace & (1 << _PART) - 1))


def joined(parts: Sequence[float]) -> int:
    """The trace id that was `split`."""
    high, middle, low = map(int, parts)
    return high << 2 * _PART | middle << _PART | low


class Board:
    """All series of one worker, which holds a lock on its index. To be used by one thread."""

    def __init__(self, folder: Path, name: str) -> None:
        """Begin the files of worker `name` in `folder`, which exists. Raises OSError."""
        self._index = os.open(folder / (name + INDEX), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._index, fcntl.LOCK_EX)  # held for as long as this process lives, however it ends
        values = os.open(folder / (name + VALUES), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(values, _CELLS * 8)
            self._map = mmap.mmap(values, _CELLS * 8)
        finally:
            os.close(values)
        self._values = memoryview(self._map).cast("d")
        self._known: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._next = 0
        self._dropped = self._begin(DROPPED, ())

    def of(self, metric: Metric, *labels: str) -> Series:
        """The series of `metric` with these labels; one that takes everything that has no room where it is one too
        many. Keep it where it is used often.
        """
        found = self._known.get((metric.name, labels))
        if found is None:
            found = self._begin(metric, labels)
        return found

    def close(self) -> None:
        """Nothing is counted any more; the files stay."""
        os.close(self._index)
        self._values.release()
        self._map.close()

    def _begin(self, metric: Metric, labels: tuple[str, ...]) -> Series:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}")
        at = self._next
        if len(self._known) >= MOST_SERIES or at + metric.cells > _CELLS:
            self._dropped.add()
            # Its numbers go behind those that anybody reads.
            return Series(memoryview(bytearray(8 * metric.cells)).cast("d"), 0, metric.buckets)
        self._next = at + metric.cells
        series = self._known[metric.name, labels] = Series(self._values, at, metric.buckets)
        os.write(self._index, _encode(Line(at, metric.name, labels)) + b"\n")
        return series
