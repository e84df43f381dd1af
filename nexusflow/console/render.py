"""Pages from templates. Everything is escaped; numbers, times and amounts are written here, once for all pages."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jinja2
import msgspec
from litestar import Response

from nexusflow.ir.money import as_text
from nexusflow.operators import Operator

NOTHING = "–"
AMBER_TTFT_MS, AMBER_TPOT_MS = 2_000, 50
"""Beyond these a figure is marked (contract 2.16)."""
GOOD_PERCENT, FAIR_PERCENT = 99, 95


def _environment() -> jinja2.Environment:
    folder = files("nexusflow.console").joinpath("templates")
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir()}
    made = jinja2.Environment(
        loader=jinja2.DictLoader(texts), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(
        count=count, amount=amount, ms=milliseconds, percent=percent, moment=moment, json=data, words=words
    )
    made.tests["slow_start"] = lambda value: value is not None and value > AMBER_TTFT_MS
    made.tests["slow_token"] = lambda value: value is not None and value > AMBER_TPOT_MS
    made.globals.update(grade=grade)
    return made


def page(template: str, operator: Operator | None, *, status: int = 200, **values: Any) -> Response[str]:
    """A page, or a part of one."""
    text = _made().get_template(template).render(operator=operator, **values)
    return Response(text, status_code=status, media_type="text/html; charset=utf-8")


def count(value: int | None) -> str:
    """`1,234,567`."""
    return NOTHING if value is None else f"{value:,}"


def amount(nano: int | None) -> str:
    """An amount in the gateway's currency, exact."""
    return NOTHING if nano is None else as_text(nano)


def milliseconds(value: float | None) -> str:
    """`85 ms`, `2.4 s`."""
    if value is None:
        return NOTHING
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"


def percent(value: float | None) -> str:
    """`99.95 %`, rounded down: nobody is told 100 % where something failed."""
    if value is None:
        return NOTHING
    return f"{int(value * 100) / 100:g} %"


def moment(at_ms: int | None) -> str:
    """A time in UTC, to the second."""
    return NOTHING if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def words(value: object) -> str:
    """A value that may be missing."""
    return NOTHING if value is None or value == "" else str(value)


def data(value: Any) -> str:
    """JSON for a chart, safe inside a page."""
    return jinja2.utils.htmlsafe_json_dumps(msgspec.to_builtins(value))


def grade(success: float | None) -> str:
    """How good a success rate is."""
    if success is None:
        return "none"
    return "good" if success >= GOOD_PERCENT else "fair" if success >= FAIR_PERCENT else "bad"


_known: list[jinja2.Environment] = []


def _made() -> jinja2.Environment:
    if not _known:
        _known.append(_environment())
    return _known[0]
