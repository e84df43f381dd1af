"""The official OpenAI SDK for Node, unmodified, against a gateway in front of the simulated provider."""

import json

from nexusflow.testing.gateway import Gateway
from tests.conftest import CHAT, MODELS
from tests.support.node_sdk import run


def test_plain_chat(simulated: Gateway) -> None:
    answer = run("plain", simulated, CHAT)
    assert answer["model"] == CHAT
    assert answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_streamed_chat(simulated: Gateway) -> None:
    plain = run("plain", simulated, CHAT)
    *chunks, last = run("streamed", simulated, CHAT)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == plain["choices"][0]["message"]["content"]
    assert len(chunks) > 2
    assert {chunk["model"] for chunk in chunks} == {CHAT}
    assert last["choices"] == []
    assert last["usage"] == plain["usage"]


def test_the_accumulating_helper(simulated: Gateway) -> None:
    plain = run("plain", simulated, CHAT)
    final = run("helper", simulated, CHAT)
    assert final["choices"][0]["message"]["content"] == plain["choices"][0]["message"]["content"]


def test_tool_calling_round_trip(simulated: Gateway) -> None:
    found = run("tools", simulated, CHAT)
    (call,) = found["first"]["choices"][0]["message"]["tool_calls"]
    assert found["first"]["choices"][0]["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "get_weather"
    assert set(json.loads(call["function"]["arguments"])) == {"city"}
    assert "18 degrees" in found["second"]["choices"][0]["message"]["content"]


def test_image_input(simulated: Gateway) -> None:
    answer = run("image", simulated, CHAT)
    assert "image" in answer["choices"][0]["message"]["content"]


def test_models(simulated: Gateway) -> None:
    found = run("models", simulated, CHAT)
    assert set(found["ids"]) == set(MODELS)
    assert found["one"]["id"] == CHAT


def test_errors_are_the_sdks_own_classes(simulated: Gateway) -> None:
    assert run("errors", simulated, CHAT) == {
        "key": {"class": "AuthenticationError", "status": 401, "code": "invalid_api_key", "param": None},
        "model": {"class": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model"},
        "shape": {"class": "BadRequestError", "status": 400, "code": "invalid_type", "param": "messages[0].content"},
        "range": {
            "class": "UnprocessableEntityError",
            "status": 422,
            "code": "value_out_of_range",
            "param": "temperature",
        },
    }
