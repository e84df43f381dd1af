"""Which lane of one priority comes first, strategy by strategy (contract 2.11, R-05)."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from nexusflow.flow.health import FORGOTTEN_S, Fleet
from nexusflow.flow.strategy import Asker, arranged
from nexusflow.ir.plan import Price, Rates
from tests.support.lanes import served_lane

A, B, C = (served_lane(name) for name in "abc")
ASKER = Asker("key", 4_000, 0)
CALLS = 2_000


def first(strategy: Any, lanes: Any, waits: dict[str, float], asker: Asker = ASKER) -> Counter[str]:
    dice = random.Random(7).random
    heads = Counter[str]()
    for _ in range(CALLS):
        found = arranged(strategy, lanes, asker, lambda lane: waits.get(lane.provider.id, 0.0), dice)
        assert sorted(lane.provider.id for lane in found) == sorted(lane.provider.id for lane in lanes)
        heads[found[0].provider.id] += 1
    return heads


def test_weighted_lanes_get_their_share() -> None:
    heavy = replace(B, weight=3)
    heads = first("weighted", (A, heavy), {})
    assert 0.7 * CALLS < heads["b"] < 0.8 * CALLS


def test_of_two_by_chance_the_quicker_one_goes_first() -> None:
    """With three lanes the slowest is never first, and the quickest not always: not all go the same way."""
    heads = first("priority", (A, B, C), {"a": 0.1, "b": 0.2, "c": 0.3})
    assert heads["c"] == 0
    assert 0.55 * CALLS < heads["a"] < 0.78 * CALLS
    assert heads["a"] + heads["b"] == CALLS


def test_latency_takes_the_quickest_and_cost_the_cheapest() -> None:
    assert first("latency", (A, B, C), {"a": 0.3, "b": 0.1, "c": 0.2}) == {"b": CALLS}
    dear = replace(A, price=Price(tokens=Rates(input=5_000, output=5_000)))
    cheap = replace(C, price=Price(tokens=Rates(input=1_000, output=2_000)))
    assert first("cost", (dear, cheap), {"c": 9.0}) == {"c": CALLS}
    # A price that is low for input and high for output wins for long requests only.
    tilted = replace(B, price=Price(tokens=Rates(input=100, output=20_000)))
    assert first("cost", (cheap, tilted), {}, Asker("key", 400, 0)) == {"c": CALLS}
    cheaper = replace(B, price=Price(tokens=Rates(input=100, output=2_500)))
    assert first("cost", (cheap, cheaper), {}, Asker("key", 400_000, 0)) == {"b": CALLS}


def test_a_key_sticks_to_its_lane_and_keys_are_spread() -> None:
    heads = Counter[str]()
    for n in range(300):
        [(one, count)] = (
            first("sticky", (A, B, C), {}, Asker(f"key-{n}", 0, 0)).items()
            if n < 3
            else [(arranged("sticky", (A, B, C), Asker(f"key-{n}", 0, 0), lambda lane: 0.0)[0].provider.id, CALLS)]
        )
        assert count == CALLS
        heads[one] += 1
    assert all(60 < count < 140 for count in heads.values())
    # A lane that goes takes only its own calls along.
    for n in range(100):
        asker = Asker(f"key-{n}", 0, 0)
        before = [lane.provider.id for lane in arranged("sticky", (A, B, C), asker, lambda lane: 0.0)]
        after = [lane.provider.id for lane in arranged("sticky", (A, B), asker, lambda lane: 0.0)]
        assert after == [one for one in before if one != "c"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def served(fleet: Fleet, clock: Clock, lane: Any, seconds: float) -> None:
    began = fleet.began(lane)
    clock.now += seconds
    fleet.ended(lane, began, clock.now)


def test_the_fleet_remembers_how_long_lanes_take_and_how_many_calls_they_have(clock: Clock) -> None:
    fleet = Fleet(clock)
    for _ in range(20):
        served(fleet, clock, A, 1.0)
        served(fleet, clock, B, 0.2)
    assert fleet.order((A, B), "latency", ASKER)[0] is B
    # Five calls that wait at the quicker one make the other one worth trying.
    for _ in range(6):
        fleet.began(B)
    assert fleet.order((A, B), "latency", ASKER)[0] is A


def test_a_lane_that_was_slow_once_is_tried_again_some_time(clock: Clock) -> None:
    fleet = Fleet(clock)
    served(fleet, clock, A, 2.0)
    for _ in range(int(4 * FORGOTTEN_S)):
        clock.now += 1.0
        served(fleet, clock, B, 0.3)
    assert fleet.order((A, B), "latency", ASKER)[0] is A


def test_an_attempt_without_an_answer_says_nothing_of_the_time(clock: Clock) -> None:
    fleet = Fleet(clock)
    began = fleet.began(A)
    clock.now += 9.0
    fleet.ended(A, began, began - 1.0)
    served(fleet, clock, B, 0.1)
    assert fleet.order((A, B), "latency", ASKER)[0] is A
