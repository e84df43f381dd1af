"""Known traps in front of a Gemini provider, each through a whole reader and writer."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nexusflow.ir.capabilities import Destination, ReasoningFlags
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.events import PartStarted
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS
from tests.support import bridge, canonical, seen
from tests.support.canonical import CHAT, GEMINI

PLACEHOLDER = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def destination(**flags: Any) -> Destination:
    """A Gemini model with these capabilities."""
    usual = bridge.UPSTREAM.capabilities
    return msgspec.structs.replace(
        bridge.UPSTREAM, family="gemini", capabilities=msgspec.structs.replace(usual, **flags)
    )


def sent(body: dict[str, Any], to: Destination | None = None) -> dict[str, Any]:
    """What Gemini gets of a chat request."""
    call = DIALECTS[CHAT].read_request.read(json.dumps({"model": "m", **body}).encode(), model="m", stream=False)
    written: dict[str, Any] = json.loads(DIALECTS[GEMINI].write_request.write(call, to or destination(), Losses()))
    return written


def called(result: str, **call: Any) -> dict[str, Any]:
    """A chat history with one call and its result."""
    asked = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}, **call}
    turns = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]
    return {"messages": turns, "tools": [{"type": "function", "function": {"name": "look"}}]}


def with_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A chat request with a tool of this schema."""
    tool = {"type": "function", "function": {"name": "look", "parameters": schema}}
    return {"messages": [{"role": "user", "content": "Go"}], "tools": [tool]}


def declared(body: dict[str, Any]) -> dict[str, Any]:
    """The first function that a request declares."""
    found: dict[str, Any] = body["tools"][0]["functionDeclarations"][0]
    return found


def framed(*frames: Any) -> bytes:
    """A Gemini stream."""
    return b"".join(b"data: " + json.dumps(frame).encode() + b"\r\n\r\n" for frame in frames)


def test_T09_a_call_that_comes_again_is_one_call() -> None:
    part = {"functionCall": {"id": "c1", "name": "look", "args": {"at": 1}}}
    once = {"content": {"role": "model", "parts": [part]}, "index": 0}
    stream = framed({"candidates": [once]}, {"candidates": [{**once, "finishReason": "STOP"}]})
    events = bridge.read_stream(GEMINI, [stream])
    assert len([event for event in events if isinstance(event, PartStarted)]) == 1
    reading = canonical.read_stream(CHAT, bridge.write_stream(CHAT, events))
    assert [call.arguments for call in reading.answers[0].calls] == [{"at": 1}]


def test_T61_system_text_alone_gets_a_user_turn() -> None:
    body = sent({"messages": [{"role": "system", "content": "Say something."}]})
    assert body["systemInstruction"]["parts"] == [{"text": "Say something."}]
    assert [turn["role"] for turn in body["contents"]] == ["user"]
    assert body["contents"][0]["parts"][0]["text"]


@pytest.mark.parametrize(
    ("result", "response"),
    [
        ('{"a":1,"b":[2]}', {"a": 1, "b": [2]}),
        ("[1,2]", {"output": "[1,2]"}),
        ("7", {"output": "7"}),
        ("plain", {"output": "plain"}),
    ],
)
def test_T68_a_result_is_an_object_and_keeps_its_fields(result: str, response: dict[str, Any]) -> None:
    part = sent(called(result))["contents"][-1]["parts"][0]["functionResponse"]
    assert part["response"] == response


def test_T69_a_reference_in_a_result_is_text() -> None:
    part = sent(called('{"$ref":"x"}'))["contents"][-1]["parts"][0]["functionResponse"]
    assert part["response"] == {"output": '{"$ref":"x"}'}


def test_T70_a_result_is_named_after_its_call() -> None:
    assert sent(called("ok"))["contents"][-1]["parts"][0]["functionResponse"]["name"] == "look"


def test_T78_search_beside_functions_is_refused_for_an_old_model_and_sent_to_a_new_one() -> None:
    body = {**with_schema({"type": "object"}), "web_search_options": {}}
    with pytest.raises(RequestRefused) as refused:
        sent(body, destination(web_search=True, reasoning=ReasoningFlags(shape="budget")))
    assert refused.value.problem.param == "web_search_options"
    tools = sent(body, destination(web_search=True, reasoning=ReasoningFlags(shape="level")))["tools"]
    assert any("googleSearch" in tool for tool in tools)
    assert any("functionDeclarations" in tool for tool in tools)


def test_T80_keywords_that_geminis_schema_lacks_still_work() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"n": {"type": "number", "exclusiveMinimum": 0}, "kind": {"const": "line"}},
        "propertyNames": {"pattern": "^[a-z]+$"},
    }
    found = declared(sent(with_schema(schema)))["parametersJsonSchema"]
    assert found["properties"]["n"] == {"type": "number", "minimum": 0}
    assert found["properties"]["kind"]["enum"] == ["line"]
    assert not {"$schema", "propertyNames"} & found.keys()


def recursive() -> dict[str, Any]:
    """A schema that refers to itself."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "name": {"type": "string"}}}
    return {"type": "object", "properties": {"first": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}


def test_T81_references_are_kept_and_a_recursive_schema_ends() -> None:
    assert declared(sent(with_schema(recursive())))["parametersJsonSchema"] == recursive()
    old = declared(sent(with_schema(recursive()), destination(json_schema_tools=False)))["parameters"]
    assert "$ref" not in json.dumps(old)
    assert old["properties"]["first"]["properties"]["name"] == {"type": "STRING"}


def test_T82_anyof_with_siblings_in_the_old_form() -> None:
    size = {"anyOf": [{"type": "integer"}, {"type": "string"}], "description": "How big"}
    schema = {"type": "object", "properties": {"size": size}, "additionalProperties": False}
    found = declared(sent(with_schema(schema), destination(json_schema_tools=False)))["parameters"]
    assert found["properties"]["size"]["anyOf"] == [{"type": "INTEGER"}, {"type": "STRING"}]
    assert "type" not in found["properties"]["size"]
    assert "additionalProperties" not in found


def test_T87_a_client_that_drops_unknown_fields_is_not_refused_in_turn_two() -> None:
    part = sent(called("ok"), destination(reasoning=ReasoningFlags(shape="level")))["contents"][1]["parts"][0]
    assert part["thoughtSignature"] == PLACEHOLDER


@pytest.mark.parametrize("shape", ["budget", "level", "none"])
@pytest.mark.parametrize("effort", ["none", "low", "high", "max"])
def test_T98_never_a_level_and_a_budget_together(shape: Any, effort: str) -> None:
    flags = ReasoningFlags(shape=shape, values=("low", "medium", "high") if shape == "level" else ())
    body = {"messages": [{"role": "user", "content": "Go"}], "reasoning_effort": effort}
    config = sent(body, destination(reasoning=flags)).get("generationConfig", {}).get("thinkingConfig", {})
    assert not {"thinkingBudget", "thinkingLevel"} <= config.keys()
    assert ("thinkingLevel" in config) == (shape == "level")
    assert ("thinkingBudget" in config) == (shape == "budget")


def test_T42_cumulative_usage_counts_once() -> None:
    """T24: and the text after the thoughts is there."""

    def frame(part: dict[str, Any], out: int, **more: Any) -> dict[str, Any]:
        usage = {"promptTokenCount": 10, "candidatesTokenCount": out, "thoughtsTokenCount": 4}
        candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, **more}
        return {"candidates": [candidate], "usageMetadata": {**usage, "totalTokenCount": 14 + out}}

    thought = frame({"text": "hm", "thought": True}, 1)
    stream = framed(thought, frame({"text": "a"}, 2), frame({"text": "b"}, 3, finishReason="STOP"))
    reading = seen.of_events(bridge.read_stream(GEMINI, [stream]))
    assert (reading.answers[0].thinking, reading.answers[0].text) == ("hm", "ab")
    assert reading.usage == replace(canonical.read_stream(GEMINI, stream).usage, input=10, output=7, reasoning=4)
