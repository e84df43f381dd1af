"""The catalogue: what is offered, over which protocols, at which price, by whom."""

import time
from typing import Any

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException

from nexusflow.console.desk import Console, Who
from nexusflow.console.render import page
from nexusflow.endpoints.explain import per_million
from nexusflow.ir.plan import Model, Plan
from nexusflow.reports.overview import HOUR_MS, Glance, glances
from nexusflow.reports.usage import Span
from nexusflow.store import Database

FRESH_S = 20.0


class Models(Controller):
    """All models, and one."""

    path = "/models"

    @get("/")
    async def list_all(self, desk: Console, who: Who) -> Response[str]:
        """Every model with its figures of 24 hours."""
        now_ms = time.time_ns() // 1_000_000
        span = Span(now_ms - 24 * HOUR_MS, now_ms + HOUR_MS)

        def summed(database: Database) -> dict[str, Glance]:
            return {one.name: one for one in glances(database, span, "model")}

        return page(
            "models.html",
            who,
            models=desk.artifact.plan.models,
            figures=await desk.lately("models", FRESH_S, summed),
            unseen=Glance(),
        )

    @get("/{name:path}")
    async def show(self, name: str, desk: Console, who: Who) -> Response[str]:
        """One model."""
        plan = desk.artifact.plan
        found = next((one for one in plan.models if one.id == name.lstrip("/")), None)
        if found is None:
            raise NotFoundException("There is no such model.")
        return page("model.html", who, model=found, lanes=_lanes(plan, found), currency=desk.office.currency)


def _lanes(plan: Plan, model: Model) -> list[dict[str, Any]]:
    now_ms = time.time_ns() // 1_000_000
    return [
        {"lane": lane, "price": per_million(plan.prices[lane.price], now_ms) if lane.price is not None else None}
        for lane in model.lanes
    ]
