"""How well lanes carry a request, and what that does to their order (`prefer: identity`)."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nexusflow.flow.failure import Failure
from nexusflow.flow.fit import TRANSLATED, Fits, fits
from nexusflow.flow.health import Fleet
from nexusflow.flow.preference import Preference
from nexusflow.flow.route import choose
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.chat import ChatCall, Media, Origin, Sampling, Text, Turn, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import OnLoss
from tests.support.lanes import lane, served

MODEL: ServedModel = served(*(lane(name, priority=at) for at, name in enumerate("abc")))
A, B, C = MODEL.lanes
CHAT: Origin = "openai/chat-completions"
MESSAGES: Origin = "anthropic/messages"
GEMINI: Origin = "google/generate-content"
CALL = ChatCall(
    origin=CHAT,
    model="m",
    turns=(Turn(role="user", parts=(Text(text="Hello"),), path="messages[0]"),),
    sampling=Sampling(seed=1),
    max_tokens=10,
)


def a(n: int) -> tuple[str, str]:
    return ("abc"[n], "up")


def measure(
    upstreams: dict[str, Origin | None], call: ChatCall = CALL, on_loss: OnLoss = "warn", hinted: str = ""
) -> Fits:
    read = []

    def once() -> ChatCall:
        read.append(call)
        assert len(read) == 1
        return call

    def untranslated(one: ServedLane, losses: Losses) -> None:
        if one.provider.id in hinted:
            losses.drop("temperature")

    return fits(MODEL.lanes, lambda one: upstreams[one.provider.id], untranslated, once, on_loss)


def test_unchanged_is_better_than_any_translation_and_that_by_what_it_loses() -> None:
    found = measure({"a": MESSAGES, "b": GEMINI, "c": None})
    assert found == {a(0): TRANSLATED + 1, a(1): TRANSLATED, a(2): 0}


def test_a_hint_that_is_left_out_counts_and_is_still_better_than_a_translation() -> None:
    assert measure({"a": None, "b": None, "c": GEMINI}, hinted="a") == {a(0): 1, a(1): 0, a(2): TRANSLATED}


def test_what_a_lane_would_have_to_fetch_is_a_loss_and_not_fetched() -> None:
    image = Media(kind="image", source=Url("https://example.com/a.png"))
    call = msgspec.structs.replace(CALL, turns=(Turn(role="user", parts=(image,), path="messages[0]"),))
    assert measure({"a": None, "b": GEMINI, "c": None}, call)[a(1)] == TRANSLATED + 1


def test_who_cannot_take_it_is_not_in_it() -> None:
    call = msgspec.structs.replace(CALL, sampling=Sampling(), n=2)
    assert set(measure({"a": MESSAGES, "b": MESSAGES, "c": None}, call)) == {a(2)}
    assert set(measure({"a": MESSAGES, "b": GEMINI, "c": None}, on_loss="reject", hinted="c")) == {a(1)}


def test_a_request_that_has_no_canonical_form_goes_only_as_it_is() -> None:
    def read() -> ChatCall:
        raise refuse(Kind.PARAM, "no", param="x")

    found = fits(MODEL.lanes, lambda one: None if one is B else MESSAGES, lambda one, losses: None, read, "warn")
    assert found == {a(1): 0}


def chosen(fleet: Fleet, found: Fits | None, wish: Preference | None = None) -> str:
    model = replace(MODEL, model=msgspec.structs.replace(MODEL.model, strategy="weighted"))
    return "".join(one.provider.id for one in choose(model, fleet, "key", 100, wish, found))


@pytest.mark.parametrize(
    ("found", "order"),
    [
        (None, "abc"),
        ({a(0): 2, a(1): 1, a(2): 0}, "cba"),
        ({a(0): 5, a(1): 5, a(2): 0}, "cab"),
        ({a(1): 9, a(2): 1}, "cb"),
        ({a(1): 9}, "b"),
        ({}, "abc"),
    ],
)
def test_fit_goes_before_priority_and_who_cannot_take_it_is_left_out_unless_nobody_can(
    found: Fits | None, order: str
) -> None:
    assert chosen(Fleet(), found) == order


def test_health_goes_before_fit_but_never_to_one_that_cannot_take_the_request() -> None:
    fleet = Fleet()
    for _ in range(C.provider.degraded_after):
        fleet.failed(C, Failure.SERVER_ERROR, None)
    assert chosen(fleet, {a(0): 2, a(1): 1, a(2): 0}) == "bac"
    assert chosen(fleet, {a(2): 0}) == "c"


def test_what_the_caller_wants_goes_before_fit() -> None:
    found = {a(0): 2, a(1): 1, a(2): 0}
    assert chosen(Fleet(), found, Preference(order=("a",))) == "acb"
    assert chosen(Fleet(), found, Preference(only=("a", "b"))) == "ba"
    assert chosen(Fleet(), {a(2): 0}, Preference(only=("a", "b"))) == "ab"


def test_nobody_left_is_still_told_as_before() -> None:
    empty: Any = replace(MODEL, lanes=())
    with pytest.raises(RequestRefused):
        choose(empty, Fleet(), "key", 100, None, {})
