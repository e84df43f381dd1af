"""Reading a body within its bounds (C-09, C-10), and choosing a lane by priority and weight (contract 2.11)."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from nexusflow.flow.body import ClientGone, read_body
from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.flow.health import Fleet
from nexusflow.flow.route import choose
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import RequestBounds
from nexusflow.wire.head import Head
from tests.support.lanes import lane, served

BOUNDS = RequestBounds(max_body_bytes=10)


def read(*messages: dict[str, Any], head: Head | None = None) -> bytes:
    """Read the body that the server delivers as `messages`; reading on beyond them fails."""

    async def run() -> bytes:
        exchange = Exchange(cast("asyncio.Task[object]", asyncio.current_task()))
        waiting = iter(messages)

        async def receive() -> Any:
            return next(waiting)

        body = await read_body(exchange, head or Head(None, None, None), receive, BOUNDS)
        assert exchange.phase is Phase.BODY
        return body

    return asyncio.run(run())


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_one_piece_or_several() -> None:
    assert read(part(b"abc")) == b"abc"
    assert read(part(b"abc", more=True), part(b"", more=True), part(b"def")) == b"abcdef"
    assert read({"type": "http.request"}) == b""


def test_a_body_of_known_length_is_not_waited_for_any_longer() -> None:
    """Reading on would fail here: the server's word that nothing more comes is a message of its own."""
    assert read(part(b"abc", more=True), part(b"def", more=True), head=Head(None, 6, None)) == b"abcdef"


def test_C09_the_bound_is_exact() -> None:
    assert read(part(b"x" * 5, more=True), part(b"x" * 5)) == b"x" * 10
    assert read(part(b"x" * 10), head=Head(None, 10, None)) == b"x" * 10


@pytest.mark.parametrize(
    ("messages", "head"),
    [
        ([], Head(None, 11, None)),
        ([part(b"x" * 11, more=True)], Head(None, None, None)),
        ([part(b"x" * 10, more=True), part(b"x", more=True)], Head(None, 5, None)),
    ],
    ids=["declared", "first-piece", "more-than-declared"],
)
def test_C09_refused_before_the_rest_is_read(messages: list[dict[str, Any]], head: Head) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(*messages, head=head)
    assert (caught.value.problem.kind, caught.value.problem.close) == (Kind.SIZE, True)


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"deflate", b"identity, gzip"])
def test_C10_compressed_bodies(coding: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(head=Head(None, None, coding))
    assert caught.value.problem.kind is Kind.ENCODING


@pytest.mark.parametrize("coding", [b"", b"identity", b" Identity "])
def test_C10_no_compression(coding: bytes) -> None:
    assert read(part(b"a"), head=Head(None, None, coding)) == b"a"


def test_C01_the_client_left() -> None:
    with pytest.raises(ClientGone):
        read(part(b"abc", more=True), {"type": "http.disconnect"})


def first(model: Any) -> Any:
    return choose(model, Fleet(), "key", 100)[0]


def test_the_lowest_priority_number_wins() -> None:
    model = served(lane("b", priority=1), lane("a", priority=0))
    assert {first(model).provider.id for _ in range(50)} == {"a"}
    target = first(model).upstreams["openai/chat-completions"].target
    assert (target.host, target.port) == ("127.0.0.1", 9)
    assert target.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


def test_weights_within_a_priority() -> None:
    model = served(lane("a", weight=9), lane("b", weight=1), lane("b", priority=1, weight=1000))
    counts = Counter(first(model).provider.id for _ in range(2000))
    assert counts["a"] > counts["b"] > 0


def test_lanes_that_cannot_be_called_are_passed_over() -> None:
    assert first(served(lane("locked"), lane("a", protocol=None), lane("b", priority=7))).provider.id == "b"


def test_a_model_without_lanes_says_why() -> None:
    with pytest.raises(RequestRefused) as caught:
        first(served(lane("locked"), lane("a", protocol=None)))
    problem = caught.value.problem
    assert (problem.kind, problem.param, problem.should_retry) == (Kind.UNAVAILABLE, "model", False)
    assert "NEXUSFLOW_TEST_NO_SUCH_VARIABLE" in problem.message
