"""Metrics as Prometheus reads them (text exposition format 0.0.4, and OpenMetrics 1.0 where it is asked for)."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from nexusflow.telemetry.board import joined
from nexusflow.telemetry.catalogue import CATALOGUE, EXAMPLE, PREFIX, Metric
from nexusflow.telemetry.merge import Totals

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render(totals: Totals, accept: str = "") -> tuple[str, bytes]:
    """Content type and body. Families without a value are named all the same: a query for them is no mistake."""
    openmetrics = "application/openmetrics-text" in accept
    by_name: dict[str, list[tuple[tuple[str, ...], list[float]]]] = {name: [] for name in CATALOGUE}
    for (name, labels), cells in sorted(totals.items()):
        by_name[name].append((labels, cells))
    lines = [line for name, series in by_name.items() for line in _family(CATALOGUE[name], series, openmetrics)]
    if openmetrics:
        lines.append("# EOF")
    return OPENMETRICS if openmetrics else PLAIN, "\n".join(lines).encode() + b"\n"


def _family(metric: Metric, series: Sequence[tuple[tuple[str, ...], list[float]]], openmetrics: bool) -> Iterator[str]:
    name = PREFIX + metric.name
    family = name.removesuffix("_total") if openmetrics else name
    kind = metric.kind if metric.kind in ("counter", "histogram") else "gauge"
    yield f"# HELP {family} {metric.help}"
    yield f"# TYPE {family} {kind}"
    for labels, cells in series:
        pairs = [f'{key}="{value.translate(_ESCAPES)}"' for key, value in zip(metric.labels, labels, strict=True)]
        if metric.kind == "histogram":
            examples = cells[metric.counts :] if openmetrics else []
            yield from _histogram(name, metric.buckets, pairs, cells[: metric.counts], examples)
        else:
            yield f"{name}{_braced(pairs)} {_number(cells[0] / metric.scale)}"


def _histogram(
    name: str, bounds: Sequence[float], pairs: list[str], cells: list[float], examples: list[float]
) -> Iterator[str]:
    counts = list(accumulate(cells[:-1]))
    for at, (bound, count) in enumerate(zip([*map(_number, bounds), "+Inf"], counts, strict=True)):
        within = _braced([*pairs, f'le="{bound}"'])
        example = _example(examples[at * EXAMPLE : (at + 1) * EXAMPLE])
        yield f"{name}_bucket{within} {_number(count)}{example}"
    yield f"{name}_sum{_braced(pairs)} {_number(cells[-1])}"
    yield f"{name}_count{_braced(pairs)} {_number(counts[-1])}"


def _example(cells: list[float]) -> str:
    """The trace that a bucket points to; only OpenMetrics has a place for it."""
    if not cells or not cells[1]:
        return ""
    return f' # {{trace_id="{joined(cells[2:]):032x}"}} {_number(cells[0])} {cells[1]:.3f}'


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
