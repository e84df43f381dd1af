"""What the gateway did in the last 24 hours, and how its providers do now (contract 2.16)."""

import time
from typing import Any

from litestar import Controller, Response, get

from nexusflow.console.desk import Console, Desk, Who
from nexusflow.console.render import page
from nexusflow.reports.overview import HOUR_MS, Glance, glances, whole
from nexusflow.reports.usage import Span
from nexusflow.store import Database

HOURS = 24
FRESH_S = 20.0
STATES = ("healthy", "degraded", "down or cooling")


class Overview(Controller):
    """The first page. Its figures come anew every 30 seconds."""

    path = "/"

    @get("/")
    async def show(self, desk: Console, who: Who) -> Response[str]:
        """The whole page."""
        return page("overview.html", who, **await _figures(desk))

    @get("/figures")
    async def figures(self, desk: Console, who: Who) -> Response[str]:
        """What changes."""
        return page("figures.html", who, **await _figures(desk))


async def _figures(desk: Desk) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    first = now_ms // HOUR_MS - HOURS + 1
    span = Span(first * HOUR_MS, now_ms + HOUR_MS)

    def summed(database: Database) -> tuple[list[Glance], list[Glance], list[Glance], list[tuple[str, str]]]:
        names = database.execute("SELECT id, name FROM api_key")
        return (
            glances(database, span, "hour"),
            glances(database, span, "model")[:10],
            glances(database, span, "key_id")[:10],
            [(str(id_), str(name)) for id_, name in names],
        )

    hours, models, keys, names = await desk.lately("overview", FRESH_S, summed)
    by_hour = {int(one.name): one for one in hours}
    series = [by_hour.get(first + at, Glance()) for at in range(HOURS)]
    return {
        "currency": desk.office.currency,
        "total": whole(hours),
        "chart": {
            "at": [(first + at) * HOUR_MS // 1000 for at in range(HOURS)],
            "requests": [one.requests for one in series],
            "errors": [one.errors for one in series],
            "ttft": [one.ttft for one in series],
        },
        "models": models,
        "keys": keys,
        "key_names": dict(names),
        "lanes": lanes(desk),
        "swaps": desk.runtime.swaps,
        "load": desk.runtime.load.level,
    }


def lanes(desk: Desk) -> list[dict[str, str]]:
    """How providers do, as this worker sees it; those that no call chose among are not known yet."""
    return [
        {"provider": one.provider, "model": one.model, "state": STATES[rank]}
        for one, rank in desk.runtime.fleet.ranks()
    ]
