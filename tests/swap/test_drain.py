"""Stopping (P-02, R-33) and dying (P-04): what clients of a stopping gateway see, and that a lost worker returns."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.raw import PATIENCE_SECONDS, Answer, Connection, chat, error_of, request, wait_until
from tests.swap.support import Stage, staged

DRAIN_SECONDS = 2


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A gateway of its own for each test, since each ends it."""
    with staged(tmp_path, drain_seconds=DRAIN_SECONDS) as stage:
        yield stage


def refuses_connections(stage: Stage) -> bool:
    """Whether the port is closed."""
    address = urlsplit(stage.gateway.url)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), timeout=1).close()
    except OSError:
        return True
    return False


def open_stream(stage: Stage, connection: Connection, model: str) -> None:
    """Ask for a stream and wait until the provider has the request."""
    connection.send(request(stage.gateway.key, chat(model, stream=True)))
    assert wait_until(lambda: bool(stage.provider.of(model)))


def test_P02_idle_gateway_ends_at_once(stage: Stage) -> None:
    """An idle keep-alive connection does not delay it (G17)."""
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat("chat")))
        assert connection.answer().status == 200
        stage.gateway.process.send_signal(signal.SIGTERM)
        assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0


def test_P02_a_unary_call_finishes(stage: Stage) -> None:
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat("late")))
        assert wait_until(lambda: bool(stage.provider.of("late")))
        stage.gateway.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: refuses_connections(stage))
        answer = connection.answer()
    assert (answer.status, answer.complete) == (200, True)
    assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0


def test_P02_a_stream_shorter_than_the_drain_finishes(stage: Stage) -> None:
    with Connection(stage.gateway.url) as connection:
        open_stream(stage, connection, "long")
        stage.gateway.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: refuses_connections(stage))
        stage.enough.set()
        answer = connection.answer()
    assert_complete(answer)
    assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("model", ["endless", "long"], ids=["silent", "talking"])
def test_P02_a_stream_longer_than_the_drain_gets_an_error_event(stage: Stage, model: str) -> None:
    """One event with the code `draining`, no `[DONE]`; the provider's call ends, and the process exits in good form."""
    with Connection(stage.gateway.url) as connection:
        open_stream(stage, connection, model)
        stage.gateway.process.send_signal(signal.SIGTERM)
        answer = connection.answer()
    assert answer.complete
    *whole, last = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert error_of(last.removeprefix("data: "))["code"] == "draining"
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in whole)
    assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0
    assert stage.provider.of(model)[-1].left.wait(PATIENCE_SECONDS)


def test_P02_a_call_that_has_no_answer_yet_gets_a_503(tmp_path: Path) -> None:
    with staged(tmp_path, drain_seconds=DRAIN_SECONDS) as stage, Connection(stage.gateway.url) as connection:
        stage.provider.scripts["late"] = (60.0,)
        connection.send(request(stage.gateway.key, chat("late")))
        assert wait_until(lambda: bool(stage.provider.of("late")))
        stage.gateway.process.send_signal(signal.SIGTERM)
        answer = connection.answer()
        assert (answer.status, answer.error["code"]) == (503, "draining")
        assert answer.header("retry-after") == "1"
        assert answer.header("connection") == "close"
        assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0


def test_P03_more_signals_change_nothing(stage: Stage) -> None:
    with Connection(stage.gateway.url) as connection:
        open_stream(stage, connection, "long")
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            stage.gateway.process.send_signal(number)
            assert wait_until(lambda: refuses_connections(stage))
        stage.enough.set()
        answer = connection.answer()
    assert_complete(answer)
    assert stage.gateway.process.wait(PATIENCE_SECONDS) == 0


def test_P04_a_killed_worker_comes_back_while_the_other_serves(tmp_path: Path) -> None:
    """Streams of the other worker go on; those of the dead one are cut short and never look complete."""
    with staged(tmp_path, workers=2) as stage:
        before = workers(stage)
        assert len(before) == 2
        connections = [Connection(stage.gateway.url) for _ in range(8)]
        for connection in connections:
            stage.open_stream(connection, "long")
        victim = before[0]
        victim.kill()
        assert wait_until(lambda: len(workers(stage)) == 2 and victim.pid not in {one.pid for one in workers(stage)})
        assert before[1].is_running()
        stage.enough.set()
        endings = [ending(connection) for connection in connections]
        for connection in connections:
            connection.socket.close()
        assert set(endings) <= {"complete", "cut"}
        assert wait_until(lambda: serves(stage))


def serves(stage: Stage) -> bool:
    """Whether twenty calls in a row succeed; while a worker is replaced, its share of connections may be refused."""
    try:
        return all(stage.ask(chat("chat")).status == 200 for _ in range(20))
    except ConnectionError:
        return False


def workers(stage: Stage) -> list[psutil.Process]:
    """The worker processes."""
    return [
        child
        for child in psutil.Process(stage.gateway.process.pid).children()
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline())
    ]


def ending(connection: Connection) -> str:
    """How a stream ended, read from its middle."""
    try:
        rest = connection.read_until(b"0\r\n\r\n")
    except (EOFError, ConnectionError):
        return "cut"
    return "complete" if b"data: [DONE]\n\n" in rest and b'"error"' not in rest else "odd"


def assert_complete(answer: Answer) -> None:
    """A stream that ended as the provider meant it to."""
    assert (answer.status, answer.complete) == (200, True), answer
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"error"' not in answer.body
