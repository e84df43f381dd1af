"""A provider's Gemini embeddings answer: identity, canonical, and as a Gemini client gets it."""

import base64
import json
import struct
from typing import Any

import pytest

from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingReply, Input
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini_embeddings import identity_reply, read_reply, write_reply
from nexusflow.protocols.openai_embeddings import write_reply as write_openai
from nexusflow.wire import jsonedit
from tests.support.corpus import Exchange, exchanges

PUBLIC = jsonedit.text("public")
EXACT = [0.5, -0.25, 3.0]
PACKED = struct.pack("<3f", *EXACT)


def batch(*vectors: Any, **more: Any) -> bytes:
    return json.dumps({"embeddings": [{"values": one} for one in vectors], **more}).encode()


def call(*texts: str, **more: Any) -> EmbeddingCall:
    inputs = tuple(Input(content=one) for one in texts)
    return EmbeddingCall(origin=more.pop("origin", "google/embed-content"), model="m", inputs=inputs, **more)


def test_identity_changes_nothing_but_a_model_name() -> None:
    body = batch(EXACT)
    assert identity_reply.relabel(body, PUBLIC, count=1) is body
    named = b'{"embeddings":[{"values":[1E-2 ]}], "modelVersion":"up"}'
    assert identity_reply.relabel(named, PUBLIC, count=1) == (
        b'{"embeddings":[{"values":[1E-2 ]}],"modelVersion":"public"}'
    )


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"<html>", 1),
        (b"[]", 1),
        (b"{}", 1),
        (batch(), 1),
        (batch(EXACT), 2),
        (batch(EXACT, EXACT), 1),
        (b'{"embeddings":[{}]}', 1),
        (b'{"embedding":{"values":[1]}}', 2),
        (b'{"error":{"code":500,"message":"no"}}', 1),
    ],
)
def test_U11_U16_U34_an_answer_that_is_none_is_a_502(body: bytes, count: int) -> None:
    for read in (
        lambda: identity_reply.relabel(body, PUBLIC, count=count),
        lambda: read_reply.read(body, count=count),
    ):
        with pytest.raises(RequestRefused) as caught:
            read()
        assert caught.value.problem.kind is Kind.UPSTREAM


@pytest.mark.parametrize("values", [None, [], {}, "AAAA", ["a"], [None]])
def test_U11_values_that_are_no_vector_are_a_502(values: Any) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_reply.read(batch(values), count=1)
    assert caught.value.problem.kind is Kind.UPSTREAM


def test_both_forms_are_read_with_their_usage() -> None:
    metadata = {"promptTokenCount": 5, "totalTokenCount": 5}
    lone = json.dumps({"embedding": {"values": EXACT}, "usageMetadata": metadata}).encode()
    for body in (lone, batch(EXACT, usageMetadata=metadata)):
        reply = read_reply.read(body, count=1)
        assert reply.vectors == (EXACT,)
        assert reply.usage is not None
        assert (reply.usage.input_text, reply.usage.total) == (5, 5)
        assert identity_reply.usage(body) == reply.usage


@pytest.mark.parametrize("metadata", [None, {}, "odd", {"promptTokenCount": "many"}, {"trafficType": "ON_DEMAND"}])
def test_usage_without_counts_is_none(metadata: Any) -> None:
    assert identity_reply.usage(batch(EXACT, usageMetadata=metadata)) is None


def test_the_answer_has_the_form_of_the_verb() -> None:
    reply = EmbeddingReply(vectors=(EXACT, PACKED), usage=Usage(input_text=4))
    assert json.loads(write_reply.write(reply, call("a", "b"))) == {
        "embeddings": [{"values": EXACT}, {"values": EXACT}],
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
    }
    lone = EmbeddingReply(vectors=(PACKED,))
    assert json.loads(write_reply.write(lone, call("a", batch=False))) == {"embedding": {"values": EXACT}}


def test_bytes_that_are_no_vector_are_a_502() -> None:
    with pytest.raises(RequestRefused) as caught:
        write_reply.write(EmbeddingReply(vectors=(b"abc",)), call("a"))
    assert caught.value.problem.kind is Kind.UPSTREAM


def test_T111_base64_for_an_OpenAI_client_from_a_Gemini_provider() -> None:
    reply = read_reply.read(batch(EXACT), count=1)
    asked = call("Hello", origin="openai/embeddings", encoding="base64")
    answer = json.loads(write_openai.write(reply, asked))
    assert base64.b64decode(answer["data"][0]["embedding"]) == PACKED
    assert answer["usage"]["prompt_tokens"] > 0


RECORDED = [one for one in exchanges("gemini-embeddings") if one.succeeded]


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda one: one.id)
def test_recorded_answers_are_read(exchange: Exchange) -> None:
    body = exchange.response.data
    recorded = exchange.response.json()
    first = recorded.get("embedding") or recorded["embeddings"][0]
    assert identity_reply.relabel(body, PUBLIC, count=1) is body
    reply = read_reply.read(body, count=1)
    assert reply.vectors == (first["values"],)
    reported = recorded.get("usageMetadata", {}).get("promptTokenCount")
    assert (reply.usage.total_input if reply.usage else None) == reported
