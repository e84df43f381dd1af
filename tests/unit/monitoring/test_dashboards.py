"""Dashboards as Grafana reads them, and that they show what there is (OBS-40, OBS-41)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen import compile_file, compile_source
from codegen.monitoring import emit_monitoring
from codegen.monitoring.queries import GATEWAY, Queries
from codegen.source import Source
from nexusflow.telemetry.catalogue import CATALOGUE, DURATION, PREFIX, REQUESTS, Metric

ROOT = Path(__file__).resolve().parents[3]
WATCHED = ROOT / "tests/golden/watched/gateway.yaml"
KINDS = {"timeseries", "stat", "heatmap", "table", "row"}


def emitted(text: str | None = None) -> dict[str, bytes]:
    compiled = compile_file(WATCHED) if text is None else compile_source(Source("gateway.yaml", text))
    assert compiled.document is not None, compiled.diagnostics
    return emit_monitoring(compiled.document)


FILES = emitted()
BOARDS: dict[str, dict[str, Any]] = {
    name: json.loads(data) for name, data in FILES.items() if name.startswith("grafana/")
}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that show something."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    shown = [query["expr"] for board in BOARDS.values() for panel in panels(board) for query in panel["targets"]]
    ruled = [FILES[name].decode() for name in ("rules/alerts.yml", "rules/objectives.yml")]
    return shown + ruled


def test_every_board_is_classic_json_with_one_datasource_variable() -> None:
    uids = [board["uid"] for board in BOARDS.values()]
    assert len(set(uids)) == len(uids)
    for board in BOARDS.values():
        assert board["schemaVersion"] == 39
        assert "id" not in board
        assert len(board["uid"]) <= 40
        [variable] = board["templating"]["list"]
        assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
        assert {panel["type"] for panel in board["panels"]} <= KINDS


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_its_place_unit_description_and_runbook(name: str) -> None:
    board = BOARDS[name]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: Counter[tuple[int, int]] = Counter()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        taken.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
    assert set(taken.values()) == {1}
    for panel in panels(board):
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        [link] = panel["links"]
        file, _, anchor = link["url"].partition("#")
        assert file in FILES
        assert not anchor or f'<a id="{anchor}">' in FILES[file].decode()


def test_every_metric_and_label_is_in_the_catalogue_and_every_metric_is_shown() -> None:
    seen = set()
    for text in expressions():
        for name, labels in re.findall(r"\b(nexusflow_\w+)\{([^}]*)\}", text):
            metric = (
                CATALOGUE.get(name.removeprefix(PREFIX))
                or CATALOGUE[re.sub(r"_(bucket|count|sum)$", "", name.removeprefix(PREFIX))]
            )
            seen.add(metric.name)
            assert set(re.findall(r"(\w+)=", labels)) <= {*metric.labels, GATEWAY, "le"}
        assert set(re.findall(r"\b(nexusflow_\w+)", text)) == {
            name for name, _ in re.findall(r"\b(nexusflow_\w+)(\{)", text)
        }, "a selector without labels would read other gateways too"
    assert seen == CATALOGUE.keys()


@pytest.mark.parametrize(
    ("metric", "suffix", "labels"),
    [(REQUESTS, "", {"key": "k"}), (REQUESTS, "_bucket", {}), (DURATION, "", {}), (DURATION, "_count", {"le": "1"})],
)
def test_a_query_cannot_name_what_is_not_there(metric: Metric, suffix: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="has no labels"):
        Queries("g").of(metric, suffix, **labels)


def test_a_changed_model_changes_its_panels_and_no_others() -> None:
    text = WATCHED.read_text(encoding="utf-8")
    changed = emitted(text.replace("model: large-2026", "model: large-2027"))
    differing = {name for name in FILES if FILES[name] != changed[name]}
    assert differing == {
        "grafana/model-vendor-large-0fdc09.json",
        "grafana/provider-one.json",
        "rules/alerts.yml",
        "runbooks/_dashboards.md",
        "runbooks/model_without_lanes.md",
    }
    assert b"one/large-2027" in changed["grafana/model-vendor-large-0fdc09.json"]


def test_the_order_of_the_file_does_not_matter() -> None:
    value = yaml.safe_load(WATCHED.read_text(encoding="utf-8"))
    value["providers"] = dict(reversed(value["providers"].items()))
    assert emitted(yaml.safe_dump(value, sort_keys=False)) == FILES


def test_names_that_look_alike_have_files_of_their_own() -> None:
    text = WATCHED.read_text(encoding="utf-8")
    model = text[text.index("  vendor/Large:") : text.index("slos:")]
    twins = model.replace("vendor/Large", "vendor-large") + model.replace("vendor/Large", "vendor/large")
    names = [name for name in emitted(text.replace("slos:", twins + "slos:")) if "/model-" in name]
    assert len(names) == 3
    assert "grafana/model-vendor-large.json" in names


def test_the_files_of_the_house_are_emitted_too() -> None:
    """The gateway.yaml of the repository, with images, videos and a hundred lanes."""
    compiled = compile_file(ROOT / "gateway.yaml")
    assert compiled.document is not None
    assert len([name for name in emit_monitoring(compiled.document) if name.startswith("grafana/")]) > 50
