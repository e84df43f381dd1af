"""Embeddings: unit vectors, the same for the same text, in both wire forms and both encodings."""

import base64
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexusflow.simulator.vectors import DIMENSIONS, embed
from tests.support.simulated import EMBEDDINGS, Simulated

PATH = "/v1beta/models/embedding"


def ask(given: Any, **more: Any) -> Any:
    """`POST /v1/embeddings`."""
    return Simulated().ask(EMBEDDINGS, {"model": "embedding", "input": given, **more})


def vectors(given: Any, **more: Any) -> list[list[float]]:
    return [one["embedding"] for one in ask(given, **more).json["data"]]


def parts(text: str, **more: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}, **more}


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=40), st.integers(1, DIMENSIONS))
def test_vectors_have_the_length_one_and_are_the_texts_own(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert math.isclose(math.fsum(value * value for value in vector), 1, abs_tol=1e-4)
    assert vector == embed(text, dimensions)


def test_texts_with_words_in_common_are_near() -> None:
    def near(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(embed(one, DIMENSIONS), embed(other, DIMENSIONS), strict=True))

    assert near("a red car", "a red bus") > 0.4 > near("a red car", "nothing alike") + 0.2


def test_base64_is_what_floats_are() -> None:
    """Protocols 0.5, 1.6: little-endian 32-bit floats; the SDKs ask for them unasked."""
    (floats,) = vectors("x")
    (coded,) = vectors("x", encoding_format="base64")
    assert list(struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(str(coded)))) == floats


def test_inputs_of_all_kinds() -> None:
    assert len(vectors(["a", "b", "c"])) == 3
    assert vectors([1, 2]) == vectors("1 2")
    assert vectors([[1, 2], [3]]) == vectors(["1 2", "3"])
    answer = ask(["one two", "three"], dimensions=4).json
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [(one["index"], len(one["embedding"])) for one in answer["data"]] == [(0, 4), (1, 4)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [[]]}, "input[0]"),
        ({"input": ["a", 1]}, "input[0]"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": DIMENSIONS + 1}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "task_type": "CLUSTERING"}, "task_type"),
        ({"input": "a " * 9000}, "input"),
    ],
)
def test_what_openai_refuses_is_refused(body: dict[str, Any], param: str) -> None:
    answer = Simulated().ask(EMBEDDINGS, {"model": "embedding", **body})
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_models_that_make_none() -> None:
    assert Simulated().ask(EMBEDDINGS, {"model": "chat", "input": "x"}).status == 404
    assert Simulated().chat({"messages": [{"role": "user", "content": "x"}]}, model="embedding").status == 404
    assert Simulated().ask(EMBEDDINGS, {"model": "fault-429", "input": "x"}).status == 429
    empty = Simulated().ask(EMBEDDINGS, {"model": "fault-empty", "input": "x"}).json
    assert empty["data"] == []
    assert "usage" not in Simulated().ask(EMBEDDINGS, {"model": "fault-no-usage", "input": "x"}).json


def test_gemini_makes_the_same_one_or_several() -> None:
    provider = Simulated()
    one = provider.ask(f"{PATH}:embedContent", parts("x", outputDimensionality=8)).json
    assert one["embedding"]["values"] == vectors("x", dimensions=8)[0]
    requests = [parts(text, model="models/embedding", taskType="CLUSTERING") for text in ("x", "y")]
    several = provider.ask(f"{PATH}:batchEmbedContents", {"requests": requests}).json
    assert [one["values"] for one in several["embeddings"]] == vectors(["x", "y"])
    assert several["usageMetadata"] == {"promptTokenCount": 2}


@pytest.mark.parametrize(
    "request_",
    [
        parts("x"),
        parts("x", model="models/other"),
        parts("x", model="models/embedding", taskType="SEARCH"),
        parts("x", model="models/embedding", title="t"),
        parts("x", model="models/embedding", outputDimensionality=DIMENSIONS + 1),
        parts("x", model="models/embedding", dimensions=5),
        {"model": "models/embedding", "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}},
    ],
)
def test_what_gemini_refuses_is_refused(request_: dict[str, Any]) -> None:
    """Protocols 1.6: the model of each request is the one in the URL, and so on."""
    answer = Simulated().ask(f"{PATH}:batchEmbedContents", {"requests": [request_]})
    assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
