"""The page of metrics, read by the official parsers of both formats."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from nexusflow.telemetry import merge, text
from nexusflow.telemetry.board import Board
from nexusflow.telemetry.catalogue import CATALOGUE, CHARGED, DURATION, PREFIX, REFUSED

NASTY = 'a"b\\c\nd{e="f"} é'


@pytest.fixture
def totals(tmp_path: Path) -> merge.Totals:
    board = Board(tmp_path, "a")
    board.of(REFUSED, NASTY, "401").add(3)
    board.of(CHARGED, "m").add(1_234_567_890)
    for value in (0.005, 0.02, 500.0):
        board.of(DURATION, "p", "m").observe(value)
    return merge.total(tmp_path)


def _samples(families: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"])
def test_official_parsers_read_what_was_counted(totals: merge.Totals, accept: str) -> None:
    kind, body = text.render(totals, accept)
    if accept:
        assert kind.startswith("application/openmetrics-text")
        found = _samples(openmetrics_parser.text_string_to_metric_families(body.decode()))
    else:
        assert kind.startswith("text/plain; version=0.0.4")
        found = _samples(text_string_to_metric_families(body.decode()))
    assert found["nexusflow_requests_refused_total", (("code", "401"), ("protocol", NASTY))] == 3
    assert found["nexusflow_customer_cost_total", (("model", "m"),)] == 1.23456789
    name, labels = "nexusflow_request_duration_seconds", (("model", "m"), ("protocol", "p"))

    def under(bound: str) -> float:
        return found[f"{name}_bucket", tuple(sorted((*labels, ("le", bound))))]

    assert (under("0.01"), under("0.02"), under("163.84"), under("+Inf")) == (1, 2, 2, 3)
    assert found[f"{name}_count", labels] == 3
    assert found[f"{name}_sum", labels] == pytest.approx(500.025)


def test_every_family_is_named_even_without_a_value() -> None:
    _, body = text.render({})
    lines = body.decode().splitlines()
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == [PREFIX + name for name in CATALOGUE]


def test_the_same_numbers_give_the_same_bytes(totals: merge.Totals) -> None:
    assert text.render(totals) == text.render(dict(reversed(totals.items())))


def test_only_openmetrics_shows_the_traces_that_buckets_point_to(tmp_path: Path) -> None:
    series = Board(tmp_path, "a").of(DURATION, "p", "m")
    series.observe(0.02)
    series.point(0.02, 0xABC, 1_795_478_780.5)
    totals = merge.total(tmp_path)
    assert b"trace_id" not in text.render(totals)[1]
    _, body = text.render(totals, "application/openmetrics-text")
    families = openmetrics_parser.text_string_to_metric_families(body.decode())
    found = {one.labels["le"]: one.exemplar for family in families for one in family.samples if one.exemplar}
    assert list(found) == ["0.02"]
    assert found["0.02"].labels == {"trace_id": f"{0xABC:032x}"}
    assert (found["0.02"].value, float(found["0.02"].timestamp)) == (0.02, 1_795_478_780.5)
