"""The boards of all workers as one: counters summed up over the living and the dead, gauges over the living alone."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from nexusflow.telemetry.board import INDEX, VALUES, Line
from nexusflow.telemetry.catalogue import CATALOGUE, EXAMPLE, WORKERS_ENDED, Metric

Totals = dict[tuple[str, tuple[str, ...]], list[float]]
"""Numbers by metric and labels: one, or the counts of each bucket, of what is beyond, and the sum of all values; then
the examples of the buckets.
"""


class Folded(Struct, frozen=True):
    """What workers counted that are gone. Their `names` tell whose files, if still there, say nothing new."""

    names: frozenset[str] = frozenset()
    series: tuple[tuple[str, tuple[str, ...], list[float]], ...] = ()


_FOLDED = "folded.json"
_decode_line = msgspec.json.Decoder(Line).decode
_decode_folded = msgspec.json.Decoder(Folded).decode


def total(folder: Path) -> Totals:
    """What all workers whose boards are in `folder` counted, and how many of these workers have ended."""
    folded = _folded(folder)
    totals = {(name, labels): cells for name, labels, cells in folded.series}
    ended = len(folded.names)
    for name in names(folder):
        if name in folded.names:
            continue
        living = is_alive(folder, name)
        ended += not living
        for metric, labels, cells in read(folder, name):
            if living or metric.kind in ("counter", "histogram"):
                _take(totals, metric, labels, cells)
    totals[WORKERS_ENDED.name, ()] = [ended]
    return totals


def fold(folder: Path) -> None:
    """Keep what dead workers counted, without their files. Only one process may do so at a time. Raises OSError."""
    folded = _folded(folder)
    dead = [name for name in names(folder) if not is_alive(folder, name)]
    if not dead:
        return
    totals = {(name, labels): cells for name, labels, cells in folded.series}
    for name in dead:
        for metric, labels, cells in read(folder, name) if name not in folded.names else ():
            if metric.kind in ("counter", "histogram"):
                _take(totals, metric, labels, cells)
    temporary = folder / (_FOLDED + ".new")
    series = tuple([(*key, cells) for key, cells in totals.items()])
    temporary.write_bytes(msgspec.json.encode(Folded(folded.names | set(dead), series)))
    temporary.replace(folder / _FOLDED)
    for name in dead:
        (folder / (name + INDEX)).unlink(missing_ok=True)
        (folder / (name + VALUES)).unlink(missing_ok=True)


def is_alive(folder: Path, name: str) -> bool:
    """Whether the worker `name` still holds its board."""
    try:
        file = os.open(folder / (name + INDEX), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def names(folder: Path) -> list[str]:
    """The workers whose boards are in `folder`."""
    return sorted(path.name.removesuffix(INDEX) for path in folder.glob(f"*{INDEX}"))


def read(folder: Path, name: str) -> Iterator[tuple[Metric, tuple[str, ...], list[float]]]:
    """The series of one worker; nothing when it is gone meanwhile."""
    try:
        lines = (folder / (name + INDEX)).read_bytes()
        with (folder / (name + VALUES)).open("rb") as file:
            data = memoryview(file.read(os.fstat(file.fileno()).st_size)).cast("d")
    except FileNotFoundError:
        return
    for text in lines.split(b"\n")[:-1]:  # what follows the last line end is being written
        line = _decode_line(text)
        metric = CATALOGUE[line.metric]
        yield metric, line.labels, list(data[line.at : line.at + metric.cells])


def _folded(folder: Path) -> Folded:
    try:
        return _decode_folded((folder / _FOLDED).read_bytes())
    except FileNotFoundError:
        return Folded()


def _take(totals: Totals, metric: Metric, labels: tuple[str, ...], cells: list[float]) -> None:
    known = totals.get((metric.name, labels))
    if known is None:
        totals[metric.name, labels] = cells
    elif metric.kind == "max":
        known[0] = max(known[0], cells[0])
    else:
        for at, value in enumerate(cells[: metric.counts]):
            known[at] += value
        for at in range(metric.counts, metric.cells, EXAMPLE):
            if cells[at + 1] > known[at + 1]:  # the later one
                known[at : at + EXAMPLE] = cells[at : at + EXAMPLE]
