"""`prefer: identity`: of the healthy lanes the one that carries a request unchanged, or loses least of it, comes first.

Four lanes speak the four protocols, the client's own with the worst priority; the simulated provider takes them all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.faults.raw import Answer, Connection, request
from tests.support.bridge_gateway import PROTOCOLS, model
from tests.support.drive import spec

HELLO = [{"role": "user", "content": "Hello"}]
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/{}:generateContent",
}
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
HEARD = [{"role": "user", "content": [AUDIO]}]


def lanes(*providers: str, **names: str) -> list[dict[str, Any]]:
    return [{"provider": name, "model": names.get(name, "chat"), "priority": at} for at, name in enumerate(providers)]


def spec_at(address: str) -> str:
    bases = {"chat": f"{address}/v1", "responses": f"{address}/v1", "messages": address, "gemini": address}
    providers = {
        name: {"protocol": protocol, "base_url": bases[name], "simulated": True} for name, protocol in PROTOCOLS.items()
    }
    names = tuple(PROTOCOLS)
    best = {"prefer": "identity", "input": ["text", "image", "file", "audio"]}
    last = {name: lanes(*(one for one in names if one != name), name) for name in names}
    models = {
        **{f"last-{name}": model("", "", **best, lanes=last[name]) for name in names},
        "plain": model("", "", lanes=lanes("messages", "gemini", "chat")),
        "choosy": model("", "", on_loss="reject", lanes=lanes("messages", "gemini", "chat")),
        "hearing": model("", "", input=best["input"], lanes=lanes("messages", "gemini")),
        "foreign": model("", "", **best, lanes=lanes("messages", "gemini")),
        "strict": model("", "", **best, on_loss="reject", lanes=lanes("messages", "gemini")),
        "deaf": model("", "", **best, lanes=lanes("messages")),
        "deafest": model("", "", **best, lanes=[*lanes("messages"), {"provider": "messages", "model": "thinker"}]),
        "broken": model("", "", **best, lanes=lanes("messages", "gemini", "chat", chat="fault-500")),
    }  # fmt: skip
    return spec(models, providers)


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway

    def ask(self, name: str, by: str = "chat", **more: Any) -> Answer:
        bodies: dict[str, dict[str, Any]] = {
            "chat": {"model": name, "messages": HELLO},
            "responses": {"model": name, "input": "Hello"},
            "messages": {"model": name, "messages": HELLO, "max_tokens": 50},
            "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        }
        body = json.dumps({**bodies[by], **more}).encode()
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, body, path=PATHS[by].format(name)))
            return connection.answer()

    def order(self, name: str, *, times: int = 6, **more: Any) -> set[str]:
        """Who answers."""
        answers = [self.ask(name, **more) for _ in range(times)]
        assert {answer.status for answer in answers} == {200}, answers[0].body
        return {answer.header("x-nexusflow-provider") or "" for answer in answers}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_simulator() as address, running_gateway(spec_at(address), tmp_path_factory.mktemp("fit")) as gateway:
        yield Stage(gateway)


@pytest.mark.parametrize("by", PATHS)
def test_the_lane_of_the_clients_own_protocol_comes_first_whatever_its_priority(stage: Stage, by: str) -> None:
    assert stage.order(f"last-{by}", by=by) == {by}


def test_without_it_priority_decides_and_translates(stage: Stage) -> None:
    assert stage.order("plain") == {"messages"}


def test_where_all_translate_who_loses_less_comes_first(stage: Stage) -> None:
    """Messages has no seed; where nothing is lost by either, priority decides."""
    assert stage.order("foreign") == {"messages"}
    assert stage.order("foreign", seed=1) == {"gemini"}
    assert stage.ask("foreign", seed=1).header("x-nexusflow-warnings") is None


def test_a_lane_that_cannot_take_the_request_is_left_out(stage: Stage) -> None:
    """Messages takes no sound; under `on_loss: reject` it takes no seed either."""
    assert stage.order("foreign", messages=HEARD) == {"gemini"}
    assert stage.order("strict", seed=1) == {"gemini"}


def test_a_lane_that_turns_out_not_to_carry_the_request_is_passed_over(stage: Stage) -> None:
    """Without `prefer: identity` this is found out when its turn comes; it was not sent anything, so no budget goes."""
    for _ in range(12):
        assert stage.order("choosy", times=1, seed=1) == {"gemini"}
        assert stage.order("hearing", times=1, messages=HEARD) == {"gemini"}


def test_the_callers_wish_for_strictness_passes_lossy_lanes_over(stage: Stage) -> None:
    body = json.dumps({"model": "plain", "messages": HELLO, "seed": 1}).encode()
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, body, headers=("x-nexusflow-strict: true",)))
        answer = connection.answer()
    assert (answer.status, answer.header("x-nexusflow-provider")) == (200, "gemini")
    assert answer.header("x-nexusflow-warnings") is None


@pytest.mark.parametrize("name", ["deaf", "deafest"])
def test_where_no_lane_can_take_it_the_caller_hears_why(stage: Stage, name: str) -> None:
    answer = stage.ask(name, messages=HEARD)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"].startswith("messages[0].content[0]")


def test_the_next_best_lane_answers_where_the_best_one_fails(stage: Stage) -> None:
    answer = stage.ask("broken", seed=1)
    assert (answer.header("x-nexusflow-provider"), answer.header("x-nexusflow-attempts")) == ("gemini", "2")


def test_what_is_explained_is_what_happens(stage: Stage) -> None:
    told = explained(stage, messages=HELLO, seed=1)
    assert [lane["provider"] for lane in told["lanes"]] == ["gemini", "messages"]
    told = explained(stage, messages=HEARD)
    assert [lane["provider"] for lane in told["lanes"]] == ["gemini"]
    assert [(lane["provider"], "cannot take" in lane["why"]) for lane in told["left_out"]] == [("messages", True)]


def explained(stage: Stage, **fields: Any) -> Any:
    (stage.gateway.root / "request.json").write_text(json.dumps({"model": "foreign", **fields}), encoding="utf-8")
    told = nexusflow("route", "explain", "foreign", "--request", "request.json", "--json", root=stage.gateway.root)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)
