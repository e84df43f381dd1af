"""Grafana's classic JSON (OBS-40): schemaVersion 39, long-lived panels only, fixed uids, one datasource variable."""

import hashlib
import json
import re
from typing import Any, Literal

from msgspec import Struct

from codegen.monitoring.queries import Queries
from nexusflow.telemetry.catalogue import Metric

COLUMNS = 24
TOUR = "_dashboards.md"
"""The page that tells of all panels. No alert has such a name."""
_SCHEMA = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LISTED = {"mode": "multi", "sort": "desc"}


class Panel(Struct, frozen=True, kw_only=True):
    """One picture. `queries` are pairs of an expression and the legend of its series; `alert` watches the same.

    `limit` is drawn as a line, or colours a single value that passes it.
    """

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: Literal["timeseries", "stat", "heatmap", "table"] = "timeseries"
    width: int = 8
    height: int = 8
    alert: str | None = None
    limit: float | None = None
    stacked: bool = False


def graph(title: str, description: str, unit: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """A panel of lines over time; `more` are other fields of `Panel`."""
    return Panel(title=title, description=description, unit=unit, queries=queries, **more)


def number(title: str, description: str, unit: str, query: str, **more: Any) -> Panel:
    """A small panel with one number, that of now."""
    look: dict[str, Any] = {"kind": "stat", "width": 6, "height": 4, **more}
    return graph(title, description, unit, (query, ""), **look)


def percentiles(
    queries: Queries, metric: Metric, title: str, what: str, limit: float | None = None, **labels: str
) -> Panel:
    """How long half, 95 % and 99 % of the calls take at most; `labels` select series of the histogram."""
    shares = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    lines = [(queries.quantile(share, metric, **labels), legend) for share, legend in shares]
    return graph(title, f"{what} Half, 95 % and 99 % of the calls take less.", "s", *lines, limit=limit)


class Board(Struct, frozen=True, kw_only=True):
    """One dashboard: the `name` of its file, and rows of panels by their headings."""

    name: str
    title: str
    description: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    def panels(self) -> tuple[Panel, ...]:
        """All of them, in their order."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def anchor(board: Board, panel: Panel) -> str:
    """Where the page about dashboards tells of a panel, as Markdown makes anchors of headings."""
    return re.sub(r"[^a-z0-9 -]", "", f"{board.title} {panel.title}".lower()).replace(" ", "-")


def link(board: Board, panel: Panel, runbooks: str, names: dict[str, str]) -> str:
    """The page of the alert that watches what the panel shows, or the panel's own place. `names` are by condition."""
    if panel.alert in names:
        return f"{runbooks}/{names[panel.alert]}.md"
    return f"{runbooks}/{TOUR}#{anchor(board, panel)}"


def render(board: Board, gateway: str, runbooks: str, names: dict[str, str]) -> bytes:
    """The dashboard as a file that Grafana imports or provisions."""
    panels: list[dict[str, Any]] = []
    top = 0
    for heading, of_row in board.rows:
        panels.append({**_place(len(panels), 0, top, COLUMNS, 1), "type": "row", "title": heading, "collapsed": False,
                       "panels": []})  # fmt: skip
        left, top, tallest = 0, top + 1, 0
        for panel in of_row:
            if left + panel.width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            place = _place(len(panels), left, top, panel.width, panel.height)
            panels.append({**place, **_panel(panel), "links": [_link(board, panel, runbooks, names)]})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return json.dumps(_whole(board, gateway, panels), indent=1, ensure_ascii=False).encode() + b"\n"


def _whole(board: Board, gateway: str, panels: list[dict[str, Any]]) -> dict[str, Any]:
    datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    uid = hashlib.sha256(f"{gateway}/{board.name}".encode()).hexdigest()[:16]
    return {
        "uid": f"nexusflow-{uid}",
        "title": f"{gateway}: {board.title}",
        "description": board.description,
        "tags": ["nexusflow", gateway],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [datasource]},
        "annotations": {"list": []},
        "links": [
            {"title": gateway, "type": "dashboards", "tags": ["nexusflow", gateway], "asDropdown": True,
             "includeVars": True, "keepTime": True}
        ],
        "panels": panels,
    }  # fmt: skip


def _place(before: int, x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"id": before + 1, "gridPos": {"x": x, "y": y, "w": w, "h": h}}


def _link(board: Board, panel: Panel, runbooks: str, names: dict[str, str]) -> dict[str, Any]:
    return {"title": "Runbook", "url": link(board, panel, runbooks, names), "targetBlank": True}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(panel, at, *query) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(panel: Panel, at: int, expr: str, legend: str) -> dict[str, Any]:
    now = panel.kind in ("stat", "table")
    shape = {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series")
    return {
        "refId": chr(ord("A") + at),
        "datasource": _SOURCE,
        "expr": expr,
        "legendFormat": legend,
        "instant": now,
        "range": not now,
        "format": shape,
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    field: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        field["min"] = 0
        field["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 20 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
            "showPoints": "never",
        }
    return field


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": _LISTED}
    if panel.kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"scheme": "Oranges", "mode": "scheme"}}
    if panel.kind == "stat":
        reduce = {"calcs": ["lastNotNull"], "values": False}
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
    return {"showHeader": True}
