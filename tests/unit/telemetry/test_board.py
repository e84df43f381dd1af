"""The boards of workers, alone and put together (OBS-10 … OBS-12)."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from nexusflow.telemetry import board as boards
from nexusflow.telemetry import merge
from nexusflow.telemetry.board import Board
from nexusflow.telemetry.catalogue import (
    CATALOGUE,
    DRAINING,
    DURATION,
    EXAMPLE,
    IN_FLIGHT,
    LOOP_LAG,
    REFUSED,
    WORKERS_ENDED,
)

CHAT = ("openai/chat-completions", "m")


def test_every_metric_has_a_name_of_its_kind_and_only_labels_from_compiled_tables() -> None:
    allowed = {
        *("protocol", "model", "provider", "deployment", "outcome", "code", "result", "reason", "limit", "scope"),
        *("store", "op", "side", "phase", "type", "source", "kind", "version", "plan", "priority", "period"),
        "invariant",
        "state",
    }
    for name, metric in CATALOGUE.items():
        assert set(metric.labels) <= allowed
        assert name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(metric.buckets)


def test_counters_add_up_gauges_are_summed_or_the_largest(tmp_path: Path) -> None:
    with_two = [Board(tmp_path, name) for name in ("a", "b")]
    for at, one in enumerate(with_two, 1):
        one.of(REFUSED, "p", "401").add(at)
        one.of(IN_FLIGHT, "p").set(10 * at)
        one.of(LOOP_LAG).set(0.5 * at)
        one.of(DURATION, *CHAT).observe(0.02 * at)
    totals = merge.total(tmp_path)
    assert totals[REFUSED.name, ("p", "401")] == [3]
    assert totals[IN_FLIGHT.name, ("p",)] == [30]
    assert totals[LOOP_LAG.name, ()] == [1.0]
    cells = totals[DURATION.name, CHAT][: DURATION.counts]
    assert cells[:4] == [0, 1, 1, 0]  # bounds are inclusive: 0.01, 0.02, 0.04
    assert cells[-1] == pytest.approx(0.06)
    assert sum(cells[:-1]) == 2


def test_workers_that_ended_are_counted_once(tmp_path: Path) -> None:
    first = Board(tmp_path, "a")
    assert merge.total(tmp_path)[WORKERS_ENDED.name, ()] == [0]
    first.close()
    merge.fold(tmp_path)
    Board(tmp_path, "b").close()
    assert merge.total(tmp_path)[WORKERS_ENDED.name, ()] == [2]


def test_a_value_beyond_the_last_bucket_is_counted_behind_it(tmp_path: Path) -> None:
    board = Board(tmp_path, "a")
    board.of(DURATION, *CHAT).observe(1e9)
    assert merge.total(tmp_path)[DURATION.name, CHAT][DURATION.counts - 2 : DURATION.counts] == [1, 1e9]


def test_wrong_labels_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Board(tmp_path, "a").of(REFUSED, "p")


def _worker(folder: Path) -> None:
    board = Board(folder, "dead")
    board.of(REFUSED, "p", "401").add(5)
    board.of(DRAINING).set(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _killed(folder: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_worker, args=(folder,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_what_a_killed_worker_counted_stays_and_its_gauges_go(tmp_path: Path) -> None:
    _killed(tmp_path)
    living = Board(tmp_path, "living")
    living.of(REFUSED, "p", "401").add(2)
    for _ in range(2):
        totals = merge.total(tmp_path)
        assert totals[REFUSED.name, ("p", "401")] == [7]
        assert (DRAINING.name, ()) not in totals
        assert totals[WORKERS_ENDED.name, ()] == [1]
        merge.fold(tmp_path)  # and once more: what is folded is not counted again
        assert merge.names(tmp_path) == ["living"]


def test_a_fold_that_was_cut_off_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between keeping the sums and removing the files."""
    _killed(tmp_path)
    with monkeypatch.context() as cut:
        cut.setattr(Path, "unlink", lambda self, missing_ok: None)
        merge.fold(tmp_path)
    assert merge.names(tmp_path) == ["dead"]
    assert merge.total(tmp_path)[REFUSED.name, ("p", "401")] == [5]
    merge.fold(tmp_path)
    assert merge.names(tmp_path) == []
    assert merge.total(tmp_path)[REFUSED.name, ("p", "401")] == [5]


def test_OBS11_series_are_capped_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MOST_SERIES", 100)
    board = Board(tmp_path, "a")
    for at in range(300):
        board.of(REFUSED, f"p{at}", "401").add()
    totals = merge.total(tmp_path)
    assert len(totals) == 100 + 1  # how many workers ended is known without a board
    assert totals["series_dropped_total", ()] == [201]
    board.of(REFUSED, "p1", "401").add()
    assert merge.total(tmp_path)[REFUSED.name, ("p1", "401")] == [2]


def test_OBS11_histograms_do_not_run_over_the_end_of_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path, "a")
    for at in range(4_999):
        board.of(DURATION, "p", f"m{at}").observe(1)
    for metric, labels, cells in merge.read(tmp_path, "a"):
        assert not labels or (len(cells), sum(cells[: metric.counts - 1])) == (metric.cells, 1)


def test_a_line_of_the_index_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    board = Board(tmp_path, "a")
    board.of(REFUSED, "p", "401").add()
    with (tmp_path / ("a" + boards.INDEX)).open("ab") as index:
        index.write(b'[0,"requests_ref')
    assert merge.total(tmp_path)[REFUSED.name, ("p", "401")] == [1]


def test_a_bucket_points_to_its_latest_trace_whoever_saw_it_and_whoever_died(tmp_path: Path) -> None:
    trace = (1 << 128) - 3
    old, new = Board(tmp_path, "a"), Board(tmp_path, "b")
    for board, value, id_, now in ((old, 0.015, 1, 100.0), (new, 0.016, trace, 200.0), (old, 500.0, 7, 50.0)):
        board.of(DURATION, *CHAT).observe(value)
        board.of(DURATION, *CHAT).point(value, id_, now)
    new.close()  # which folds it

    def example(bucket: int) -> tuple[float, float, int]:
        at = DURATION.counts + EXAMPLE * bucket
        value, now, *parts = merge.total(tmp_path)[DURATION.name, CHAT][at : at + EXAMPLE]
        return value, now, boards.joined(parts)

    for _ in range(2):
        assert example(1) == (0.016, 200.0, trace)
        assert example(len(DURATION.buckets)) == (500.0, 50.0, 7)
        assert example(0)[1] == 0
        merge.fold(tmp_path)
