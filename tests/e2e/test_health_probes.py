"""Probes against a real gateway: who fails them is not asked while another is there (contract 2.11)."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from nexusflow.testing.gateway import Gateway, running_gateway
from tests.faults.raw import Answer, Connection, chat, request, wait_until
from tests.support.probed import Probed, probed


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway
    first: Probed
    second: Probed

    def ask(self) -> Answer:
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, chat("m")))
            return connection.answer()

    def told(self, words: str) -> bool:
        return words in self.gateway.log.read_text(errors="replace")


def spec(ports: dict[str, int], path: str = "/models") -> str:
    health = {"interval_seconds": 1, "path": path, "degraded_after": 1, "down_after": 2}
    providers = {
        name: {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1", "health": health}
        for name, port in ports.items()
    }
    model: dict[str, Any] = {
        "owner": "test",
        "category": "language",
        "supported_protocols": ["openai/chat-completions"],
        "free": True,
        "lanes": [{"provider": "first"}, {"provider": "second", "priority": 1}],
    }
    return json.dumps({"version": 1, "gateway": {"name": "probed"}, "providers": providers, "models": {"m": model}})


@pytest.fixture
def stage(tmp_path: Any) -> Iterator[Stage]:
    with ExitStack() as stack:
        first, second = stack.enter_context(probed()), stack.enter_context(probed())
        gateway = stack.enter_context(running_gateway(spec({"first": first.port, "second": second.port}), tmp_path))
        yield Stage(gateway, first, second)


@pytest.mark.parametrize("trouble", [500, 401, None], ids=["fails", "refuses the credential", "does not answer"])
def test_who_fails_probes_is_not_asked_while_another_is_there(stage: Stage, trouble: int | None) -> None:
    """And is again after one good probe; calls go well all the time, and none of them finds it out."""
    assert stage.ask().header("x-nexusflow-provider") == "first"
    stage.first.probe_status = trouble
    assert wait_until(lambda: stage.told("probes of first: it is down"))
    calls = stage.first.calls
    answers = [stage.ask() for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.header("x-nexusflow-provider") for answer in answers] == ["second"] * 5
    assert {answer.header("x-nexusflow-attempts") for answer in answers} == {"1"}
    assert stage.first.calls == calls
    stage.first.probe_status = 200
    assert wait_until(lambda: stage.told("probes of first: it is healthy"))
    assert stage.ask().header("x-nexusflow-provider") == "first"


def test_R02_the_last_one_is_asked_whatever_its_probes_say(stage: Stage) -> None:
    stage.first.probe_status = stage.second.probe_status = 503
    for name in ("first", "second"):
        assert wait_until(lambda name=name: stage.told(f"probes of {name}: it is down"))  # type: ignore[misc]
    assert stage.ask().header("x-nexusflow-provider") == "first"
    assert stage.first.calls == 1


def test_a_swap_changes_what_is_probed_and_a_wrong_path_is_told_once(stage: Stage) -> None:
    assert wait_until(lambda: "/v1/models" in stage.first.probes)
    stage.first.probe_status = 404
    ports = {"first": stage.first.port, "second": stage.second.port}
    (stage.gateway.root / "gateway.yaml").write_text(spec(ports, "/elsewhere"), encoding="utf-8")
    assert stage.gateway.build().returncode == 0
    assert wait_until(lambda: stage.first.probes.count("/v1/elsewhere") >= 3)
    assert stage.gateway.log.read_text(errors="replace").count("answers 404 to /elsewhere") == 1
    assert "/v1/models" not in stage.first.probes[stage.first.probes.index("/v1/elsewhere") :]
    assert stage.ask().header("x-nexusflow-provider") == "first"
