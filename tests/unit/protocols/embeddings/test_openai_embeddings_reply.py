"""A provider's OpenAI embeddings answer: identity, canonical, and as an OpenAI client gets it (T111)."""

import base64
import json
import struct
from typing import Any

import pytest

from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingReply, Encoding, Input, join
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_embeddings import identity_reply, read_reply, write_reply
from nexusflow.wire import jsonedit
from tests.support.corpus import Exchange, exchanges

PUBLIC = jsonedit.text("public")
EXACT = [0.5, -0.25, 3.0]
PACKED = struct.pack("<3f", *EXACT)
TEXT = base64.b64encode(PACKED).decode()


def answer(*embeddings: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(embeddings)]
    return json.dumps({"object": "list", "data": data, "model": "up", **more}).encode()


def vectors(body: bytes) -> list[Any]:
    return [item["embedding"] for item in json.loads(body)["data"]]


@pytest.mark.parametrize("sent", [EXACT, TEXT])
@pytest.mark.parametrize(("encoding", "wanted"), [("float", EXACT), ("base64", TEXT)])
def test_T111_the_client_gets_the_encoding_it_asked_for(sent: Any, encoding: Encoding, wanted: Any) -> None:
    body = answer(sent, sent)
    assert vectors(identity_reply.relabel(body, PUBLIC, encoding=encoding, count=2)) == [wanted, wanted]
    asked = EmbeddingCall(origin="openai/embeddings", model="m", inputs=(Input(content="a"),) * 2, encoding=encoding)
    assert vectors(write_reply.write(read_reply.read(body, count=2), asked)) == [wanted, wanted]


def test_identity_keeps_what_it_need_not_change() -> None:
    body = (
        b'{"object":"list","data":[{"index":0,"embedding":[1E-2, 2],"x":1}], "model":"up","usage":{"total_tokens":3}}'
    )
    found = identity_reply.relabel(body, PUBLIC, encoding="float", count=1)
    assert found == (
        b'{"object":"list","data":[{"index":0,"embedding":[1E-2, 2],"x":1}],'
        b'"model":"public","usage":{"total_tokens":3}}'
    )
    assert identity_reply.relabel(found, PUBLIC, encoding="float", count=1) is found
    packed = json.loads(identity_reply.relabel(body, PUBLIC, encoding="base64", count=1))
    assert packed["data"][0]["x"] == 1
    assert packed["data"][0]["embedding"] == base64.b64encode(struct.pack("<2f", 1e-2, 2)).decode()


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"<html>", 1),
        (b"[]", 1),
        (b"{}", 1),
        (answer(), 1),
        (answer(EXACT), 2),
        (answer(EXACT, EXACT), 1),
        (b'{"data":[{"index":0}]}', 1),
        (answer(None), 1),
        (answer({}), 1),
        (b'{"data":[{"embedding":"\xff"}]}', 1),
        (answer(EXACT, error={"message": "no", "code": "internal"}), 1),
    ],
)
def test_U11_U16_U34_an_answer_that_is_none_is_a_502(body: bytes, count: int) -> None:
    for read in (
        lambda: identity_reply.relabel(body, PUBLIC, encoding="float", count=count),
        lambda: read_reply.read(body, count=count),
    ):
        with pytest.raises(RequestRefused) as caught:
            read()
        assert caught.value.problem.kind is Kind.UPSTREAM


@pytest.mark.parametrize("embedding", [None, [], "", {}, ["a"], [None], 5, "AAA", "not base64", [True]])
def test_U11_an_embedding_that_is_no_vector_is_a_502(embedding: Any) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_reply.read(answer(embedding), count=1)
    assert caught.value.problem.kind is Kind.UPSTREAM


@pytest.mark.parametrize(
    ("embedding", "encoding"),
    [([1e39], "base64"), (base64.b64encode(struct.pack("<f", float("nan"))).decode(), "float"), ("AAA=", "float")],
)
def test_numbers_that_the_encoding_cannot_hold_are_a_502(embedding: Any, encoding: Encoding) -> None:
    with pytest.raises(RequestRefused) as caught:
        identity_reply.relabel(answer(embedding), PUBLIC, encoding=encoding, count=1)
    assert caught.value.problem.kind is Kind.UPSTREAM


def test_a_rate_limit_inside_a_200_keeps_its_kind() -> None:
    body = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}).encode()
    with pytest.raises(RequestRefused) as caught:
        read_reply.read(body, count=1)
    assert caught.value.problem.kind is Kind.RATE


def test_vectors_follow_their_index() -> None:
    data = [{"embedding": [float(at)], "index": at} for at in (2, 0, 1)]
    assert read_reply.read(json.dumps({"data": data}).encode(), count=3).vectors == ([0.0], [1.0], [2.0])
    same = [{"embedding": [1.0], "index": 0}, {"embedding": [2.0], "index": 0}]
    assert read_reply.read(json.dumps({"data": same}).encode(), count=2).vectors == ([1.0], [2.0])


@pytest.mark.parametrize(
    ("reported", "tokens"),
    [
        ({"prompt_tokens": 7, "total_tokens": 9}, 7),
        ({"total_tokens": 3}, 3),
        ({"prompt_tokens": 0, "total_tokens": 0}, 0),
        ({}, None),
        ({"prompt_tokens": "many"}, None),
        (None, None),
    ],
)
def test_usage_is_input_only(reported: Any, tokens: int | None) -> None:
    found = identity_reply.usage(answer(EXACT, usage=reported))
    assert (found.total if found else None) == tokens
    if found is not None:
        assert found.input_text == tokens
        assert json.loads(bytes(found.raw)) == reported  # type: ignore[arg-type]  # it is set
        assert read_reply.read(answer(EXACT, usage=reported), count=1).usage == found


def test_an_answer_is_written_as_OpenAI_writes_it() -> None:
    asked = EmbeddingCall(origin="openai/embeddings", model="public", inputs=(Input(content="a"),))
    reply = EmbeddingReply(vectors=(EXACT,), model="up", usage=Usage(input_text=4))
    assert json.loads(write_reply.write(reply, asked)) == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": EXACT}],
        "model": "public",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


def test_usage_that_nobody_reported_is_estimated() -> None:
    asked = EmbeddingCall(origin="openai/embeddings", model="m", inputs=(Input(content=(1, 2, 3)),))
    usage = json.loads(write_reply.write(EmbeddingReply(vectors=(EXACT,)), asked))["usage"]
    assert usage["prompt_tokens"] == usage["total_tokens"] >= 3


def test_answers_to_split_calls_are_joined_in_order() -> None:
    first = EmbeddingReply(vectors=([1.0], [2.0]), model="up", usage=Usage(input_text=2))
    second = EmbeddingReply(vectors=([3.0],), model="up", usage=Usage(input_text=5))
    whole = join([first, second])
    assert whole.vectors == ([1.0], [2.0], [3.0])
    assert whole.usage is not None
    assert whole.usage.total == 7
    assert join([first]) is first
    assert join([first, EmbeddingReply(vectors=([3.0],))]).usage is None


RECORDED = [one for one in exchanges("openai-embeddings") if one.succeeded and one.request and one.request.body]


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda one: one.id)
def test_T111_recorded_answers_reach_a_client_in_either_encoding(exchange: Exchange) -> None:
    body = exchange.response.data
    count = len(exchange.response.json()["data"])
    reply = read_reply.read(body, count=count)
    assert identity_reply.usage(body) == reply.usage
    packed = vectors(identity_reply.relabel(body, PUBLIC, encoding="base64", count=count))
    numbers = vectors(identity_reply.relabel(body, PUBLIC, encoding="float", count=count))
    for text, values in zip(packed, numbers, strict=True):
        raw = base64.b64decode(text)
        assert raw == struct.pack(f"<{len(raw) // 4}f", *values)
