"""The simulated provider's replies: deterministic, well-formed, and usage that adds up."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator import tokens, wire
from nexusflow.simulator.instance import instance
from nexusflow.simulator.models import NAMES, Fault, behaviour
from nexusflow.simulator.reply import reply, usage
from nexusflow.simulator.server import is_loopback

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "minLength": 12}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **more}


@given(st.text(max_size=200))
def test_pieces_join_to_the_text_and_number_its_tokens(text: str) -> None:
    found = tokens.pieces(text)
    assert "".join(found) == text
    if tokens.count(text):
        assert len(found) == tokens.count(text)


@pytest.mark.parametrize(
    "schema",
    [
        WEATHER["function"]["parameters"],
        {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"type": "number", "maximum": -3}},
        },
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "exclusiveMinimum": 7, "multipleOf": 5},
        {"type": "string", "maxLength": 3},
        {"const": {"k": 1}},
    ],
)
def test_instances_satisfy_their_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(instance(schema), schema)


def test_the_same_request_gets_the_same_reply() -> None:
    body = ask("hello")
    assert reply(body, 0) == reply(dict(reversed(body.items())), 0)
    assert reply(ask("hello"), 0) != reply(ask("bye"), 0)
    assert reply(body, 0).text.startswith("[simulated]")


@given(st.text(max_size=80), st.integers(1, 20), st.integers(1, 3))
def test_usage_adds_up_and_bounds_hold(text: str, bound: int, choices: int) -> None:
    body = ask(text, max_tokens=bound)
    replies = [reply(body, at) for at in range(choices)]
    counted = usage(body, replies)
    assert counted["total_tokens"] == counted["prompt_tokens"] + counted["completion_tokens"]
    assert counted["completion_tokens"] <= bound * choices
    for at, one in enumerate(replies):
        whole = tokens.count(reply(ask(text), at).text)
        assert (one.finish == "length") == (whole > bound)


def test_stop_sequences_and_json_modes() -> None:
    assert "You" not in reply(ask("x", stop=["You"]), 0).text
    assert reply(ask("x", response_format={"type": "json_object"}), 0).text == '{"simulated": true}'


def test_tools_are_called_when_asked_for_and_answered_afterwards() -> None:
    tools = [WEATHER, CLOCK]
    assert [call.name for call in reply(ask("the weather?", tools=tools), 0).calls] == ["get_weather"]
    assert [call.name for call in reply(ask("call get_time", tools=tools), 0).calls] == ["get_time"]
    both = reply(ask("in parallel please", tools=tools), 0).calls
    assert [call.name for call in both] == ["get_weather", "get_time"]
    assert len({call.id for call in both}) == 2
    assert not reply(ask("x", tools=tools, tool_choice="none"), 0).calls
    answered = ask("x", tools=tools)
    answered["messages"].append({"role": "tool", "tool_call_id": "a", "content": "42 degrees"})
    assert "42 degrees" in reply(answered, 0).text


def test_stream_grammar() -> None:
    """Role once for each choice, a finish for each, usage last and only when asked for (protocols 1.2.4)."""
    body = ask("in parallel", tools=[WEATHER, CLOCK], stream_options={"include_usage": True})
    events = list(wire.chunks(body, "chat", [reply(body, 0), reply(ask("hi"), 1)]))
    for index in (0, 1):
        mine = [event["choices"][0] for event in events if event["choices"] and event["choices"][0]["index"] == index]
        assert sum("role" in choice["delta"] for choice in mine) == 1
        assert [choice["finish_reason"] is not None for choice in mine] == [False] * (len(mine) - 1) + [True]
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["total_tokens"] > 0
    assert all(event["usage"] is None for event in events[:-1])


def test_model_names_carry_options() -> None:
    found = behaviour("chat@delay=5,ttfb=50,events=64")
    assert found is not None
    assert (found.delay, found.ttfb, found.events) == (0.005, 0.05, 64)
    assert behaviour("chat@nonsense=1") is None
    assert behaviour("chat@events=many") is None
    assert behaviour("gpt-4") is None
    assert {f"fault-{fault}" for fault in Fault} < set(NAMES)


def test_only_loopback_counts_as_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.com")
