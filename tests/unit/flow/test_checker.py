"""Probes of providers, without a clock or a socket: what counts, how often, and across swaps (contract 2.11)."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nexusflow.flow.checker import FIRST_WITHIN_S, SECONDS, Checker, trouble_of
from nexusflow.flow.health import Fleet
from nexusflow.ir.plan import CredentialRef, Probe, Provider
from nexusflow.upstream.transport import Fault, Outgoing, UpstreamFault
from tests.support.lanes import Nowhere, served_lane

BASE = "https://there.example/v1"
ASKED = Provider(
    id="a", title="a", protocol="openai/chat-completions", base_url=BASE, probe=Probe(30_000, "/models"),
    degraded_after=2, down_after=3, headers={"X-Team": "blue"},
)  # fmt: skip
LANE = replace(served_lane("a"), provider=ASKED)
Answers = list[int | UpstreamFault | None]
"""The status of each answer in turn, how it fails, or None where none comes; the last one is repeated."""


class Reply:
    def __init__(self, status: int, closed: list[bool]) -> None:
        self.status = status
        self._closed = closed

    def close(self, *, reusable: bool) -> None:
        self._closed.append(reusable)


class Provided:
    """A provider that is asked over no network."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.calls: list[Outgoing] = []
        self.closed: list[bool] = []

    def open(self, max_in_flight: int) -> Any:
        return self

    async def send(self, call: Outgoing) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise TimeoutError
        if isinstance(answer, UpstreamFault):
            raise answer
        return Reply(answer, self.closed)


class Stopwatch:
    """Sleeps are noted and over at once, `rounds` of them; the next one lasts until it is cancelled."""

    def __init__(self, rounds: int) -> None:
        self.slept: list[float] = []
        self.rounds = rounds
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > self.rounds:
            self.over.set()
            await asyncio.Event().wait()


def probe(answers: Answers, then: Callable[[Checker], None] | None = None) -> tuple[Fleet, Provided, Stopwatch]:
    """As many probes as there are answers; what `then` changes is at rest again before this returns."""
    fleet, provided = Fleet(), Provided(answers)
    fleet.state(LANE)

    async def run() -> Stopwatch:
        watch = Stopwatch(len(answers))
        checker = Checker(fleet, provided.open, watch.sleep)
        checker.adopt((ASKED,), Nowhere())
        await watch.over.wait()
        if then is not None:
            then(checker)
            await asyncio.sleep(0)
        await checker.close()
        return watch

    return fleet, provided, asyncio.run(run())


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 405, 408, 422, 429])
def test_whoever_answers_is_there(status: int) -> None:
    assert trouble_of(status) is None


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503, 529])
def test_one_that_fails_or_refuses_our_credential_is_not_well(status: int) -> None:
    assert trouble_of(status) is not None


FAULTS = [UpstreamFault(fault, "d") for fault in Fault]


@pytest.mark.parametrize("bad", [None, 500, 401, *FAULTS], ids=str)
def test_failures_in_a_row_degrade_and_take_down_and_one_good_answer_ends_it(bad: Any) -> None:
    assert probe([bad])[0].state(LANE) == "healthy"
    assert probe([bad, bad])[0].state(LANE) == "degraded"
    assert probe([bad, bad, bad])[0].state(LANE) == "down"
    assert probe([bad, bad, 200, bad])[0].state(LANE) == "healthy"
    assert probe([bad, bad, bad, 404])[0].state(LANE) == "healthy"


def test_the_first_probe_comes_by_chance_and_the_others_at_the_interval() -> None:
    _, provided, watch = probe([200, 200, 200])
    assert 0 <= watch.slept[0] < FIRST_WITHIN_S
    assert watch.slept[1:] == [30.0, 30.0, 30.0]
    assert len(provided.calls) == 3


def test_a_probe_is_a_get_below_the_address_on_a_connection_of_its_own() -> None:
    _, provided, _ = probe([200])
    call = provided.calls[0]
    assert call.target.head.startswith(b"GET /v1/models HTTP/1.1\r\nhost: there.example\r\n")
    assert b"\r\nX-Team: blue".lower() in call.target.head
    assert (call.body, call.connect_seconds) == (b"", SECONDS)
    assert provided.closed == [False]


def test_the_credential_goes_along_and_without_one_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = msgspec.structs.replace(ASKED, credential=CredentialRef("env", "NEXUSFLOW_TEST_PROBE_KEY"))

    async def run() -> list[Outgoing]:
        provided, watch = Provided([200]), Stopwatch(1)
        checker = Checker(Fleet(), provided.open, watch.sleep)
        checker.adopt((locked,), Nowhere())
        if key:
            await watch.over.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        await checker.close()
        return provided.calls

    for key in ("", "k-1"):
        monkeypatch.setenv("NEXUSFLOW_TEST_PROBE_KEY", key)
        heads = [call.target.head for call in asyncio.run(run())]
        assert [b"authorization: Bearer k-1\r\n" in head for head in heads] == ([True] if key else [])


def test_states_are_told_once_and_a_path_that_is_not_there_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "nexusflow.health")
    probe([500, 500, 500, 500, 500, 404, 404])
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "probes of a: it is degraded (status 500)",
        "probes of a: it is down (status 500)",
        "probes of a: it is healthy",
        "probes of a: it is there but answers 404 to /models; set `health.path` of it to a path that it has",
    ]


SWAPS: dict[str, tuple[tuple[Provider, ...], str]] = {
    "nothing changes": ((ASKED,), "down"),
    "another interval": ((msgspec.structs.replace(ASKED, probe=Probe(60_000, "/models")),), "down"),
    "another address": ((msgspec.structs.replace(ASKED, base_url="https://elsewhere.example"),), "healthy"),
    "another path": ((msgspec.structs.replace(ASKED, probe=Probe(30_000, "/health")),), "healthy"),
    "no probes": ((msgspec.structs.replace(ASKED, probe=None),), "healthy"),
    "gone": ((), "healthy"),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_keeps_what_is_still_true(swap: str) -> None:
    providers, state = SWAPS[swap]
    fleet, _, watch = probe([500, 500, 500], lambda checker: checker.adopt(providers, Nowhere()))
    assert fleet.state(LANE) == state
    assert len(watch.slept) == 4 + (swap in ("another interval", "another address", "another path"))


def test_closing_ends_every_round() -> None:
    async def run() -> int:
        checker = Checker(Fleet(), Provided([200]).open)
        checker.adopt((ASKED, msgspec.structs.replace(ASKED, id="b")), Nowhere())
        await checker.close()
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
