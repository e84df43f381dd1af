"""All dashboards of one gateway."""

from collections.abc import Iterator

from codegen.monitoring.boards.model import model
from codegen.monitoring.boards.money import money
from codegen.monitoring.boards.operations import operations
from codegen.monitoring.boards.overview import overview
from codegen.monitoring.boards.provider import provider
from codegen.monitoring.boards.slo import slo
from codegen.monitoring.facts import Facts
from codegen.monitoring.panels import Board

__all__ = ["boards"]


def boards(facts: Facts) -> Iterator[Board]:
    """Those of the whole gateway, then one for each model and each provider that has models."""
    yield from (overview(facts), slo(facts), money(facts), operations(facts))
    for name in facts.lanes:
        yield model(facts, name)
    for name, lanes in facts.providers.items():
        if lanes:
            yield provider(facts, name)
