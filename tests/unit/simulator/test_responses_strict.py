"""What OpenAI refuses in a Responses request is refused, and reasoning comes back whole or not at all."""

from typing import Any

import pytest

from tests.support.simulated import RESPONSES, Simulated

USER = {"role": "user", "content": "x"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "y"}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}
ENCRYPTED = {"include": ["reasoning.encrypted_content"], "store": False}

REFUSED: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "stop": ({"stop": ["a"]}, "unknown_parameter", "stop"),
    "n": ({"n": 2}, "unknown_parameter", "n"),
    "seed": ({"seed": 2}, "unknown_parameter", "seed"),
    "messages": ({"messages": []}, "unknown_parameter", "messages"),
    "a bound of chat": ({"max_tokens": 50}, "unknown_parameter", "max_tokens"),
    "a format of chat": ({"response_format": {"type": "text"}}, "unknown_parameter", "response_format"),
    "a tool of chat": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "unknown_parameter",
        "tools[0].function",
    ),
    "a choice of chat": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        "unknown_parameter",
        "tool_choice.function",
    ),
    "a part of chat": (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "invalid_value",
        "input[0].content[0].type",
    ),
    "an image of chat": (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]}]},
        "invalid_type",
        "input[0].content[0].image_url",
    ),
    "input of the assistant": (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "invalid_value",
        "input[0].content[0]",
    ),
    "output of the user": (
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        "invalid_value",
        "input[0].content[0]",
    ),
    "a role of chat": ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input[0].role"),
    "no input": ({"input": None}, "invalid_type", "input"),
    "an unanswered call": ({"input": [USER, CALL]}, None, "input"),
    "an answer to nothing": ({"input": [USER, OUTPUT]}, None, "input"),
    "a few tokens": ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens"),
    "a choice of another tool": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
        None,
        "tool_choice",
    ),
    "a loose strict schema": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": LOOSE, "strict": True}}},
        "invalid_json_schema",
        "text.format.schema",
    ),
    "a loose strict function": (
        {"tools": [{**TOOL, "parameters": LOOSE, "strict": True}]},
        "invalid_function_parameters",
        "tools[0].parameters",
    ),
    "a response that is not kept": (
        {"previous_response_id": "resp_x"},
        "previous_response_not_found",
        "previous_response_id",
    ),
    "two ways to go on": (
        {"conversation": "c", "previous_response_id": None, "stop": None},
        "unknown_parameter",
        "stop",
    ),
    "effort of a model that cannot think": (
        {"reasoning": {"effort": "low"}},
        "unsupported_parameter",
        "reasoning.effort",
    ),
    "sealed thought of a model that cannot think": ({"include": ENCRYPTED["include"]}, None, "include"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_openai_refuses_is_refused(name: str) -> None:
    body, code, param = REFUSED[name]
    answer = Simulated().respond({"input": "x", **body})
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["param"]) == (400, code, param)


def test_an_unknown_model_is_a_400_here() -> None:
    refused = Simulated().respond({"input": "x"}, model="gpt")
    assert (refused.status, refused.json["error"]["code"]) == (400, "model_not_found")


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_logprobs"])
def test_the_newest_models_refuse_samplers(field: str) -> None:
    value = 3 if field == "top_logprobs" else 0.5
    assert Simulated().respond({"input": "x", field: value}, model="reasoning").status == 200
    assert Simulated().respond({"input": "x", field: value}, model="thinker").json["error"]["param"] == field


def thought(**more: Any) -> tuple[Simulated, list[Any]]:
    """A provider, and what it said when it called a tool after some thinking."""
    provider = Simulated()
    asked = {"input": [USER], "tools": [TOOL], "model": "thinker", **ENCRYPTED, **more}
    return provider, provider.respond(asked).json["output"]


def go_on(provider: Simulated, *items: Any) -> Any:
    """The second turn."""
    output = {"type": "function_call_output", "output": "y"}
    answers = [{**output, "call_id": item["call_id"]} for item in items if item["type"] == "function_call"]
    body = {"input": [USER, *items, *answers], "tools": [TOOL], "model": "thinker", **ENCRYPTED}
    return provider.respond(body)


def test_reasoning_comes_back_and_is_checked() -> None:
    provider, (reasoning, call) = thought()
    assert reasoning["summary"] == []
    good = go_on(provider, reasoning, call).json
    assert good["output"][1]["content"][0]["text"] == "[simulated] The tool answered: y"
    anonymous = {key: value for key, value in call.items() if key != "id"}
    assert go_on(provider, anonymous).status == 200
    assert "without its required 'reasoning' item" in go_on(provider, call).said
    assert "without its required following item" in go_on(provider, reasoning).said
    tampered = {**reasoning, "encrypted_content": f"A{reasoning['encrypted_content'][1:]}"}
    assert go_on(provider, tampered, call).json["error"]["code"] == "invalid_encrypted_content"
    nothing_sealed = {"id": reasoning["id"], "type": "reasoning", "summary": [], "status": None}
    assert go_on(provider, nothing_sealed, call).status == 200


def test_thought_is_shown_and_sealed_where_asked() -> None:
    provider = Simulated()

    def reasoning(**more: Any) -> Any:
        return provider.respond({"input": "x", "model": "reasoning", **more}).json["output"][0]

    shown = [{"type": "summary_text", "text": "[simulated] The user asks; I echo."}]
    assert reasoning()["summary"] == []
    assert "encrypted_content" not in reasoning()
    assert reasoning(reasoning={"summary": "auto"})["summary"] == shown
    assert reasoning(reasoning={"effort": "none"})["type"] == "message"


def test_a_response_is_gone_on_from_read_and_forgotten() -> None:
    provider = Simulated()
    first = provider.respond({"input": "weather", "tools": [TOOL], "model": "thinker", "stream": True})
    response = first.events[-1]["response"]
    (call,) = [item for item in response["output"] if item["type"] == "function_call"]
    output = {**OUTPUT, "call_id": call["call_id"]}
    path = f"{RESPONSES}/{response['id']}"
    assert provider.get(path).json == response
    more = {"input": [output], "previous_response_id": response["id"], "model": "thinker"}
    assert provider.respond(more).json["output"][-1]["content"][0]["text"] == "[simulated] The tool answered: y"
    assert (
        provider.respond(more).json["usage"]["input_tokens"]
        > provider.respond({"input": "y"}).json["usage"]["input_tokens"]
    )
    assert provider.ask(path, method="DELETE").json["deleted"]
    assert provider.get(path).status == 404
    assert provider.respond(more).json["error"]["code"] == "previous_response_not_found"
    kept = provider.respond({"input": "x", "store": False}).json
    assert (kept["store"], provider.get(f"{RESPONSES}/{kept['id']}").status) == (False, 404)


def test_a_conversation_is_gone_on_from_to_its_beginning() -> None:
    provider, before, tokens = Simulated(), None, []
    for _ in range(3):
        response = provider.respond({"input": "one two", "previous_response_id": before}).json
        before = response["id"]
        tokens.append(response["usage"]["input_tokens"])
    assert tokens[1] - tokens[0] == tokens[2] - tokens[1] > 5


def test_input_tokens_are_those_of_the_answer() -> None:
    provider, body = Simulated(), {"input": "one two", "tools": [TOOL], "instructions": "Be brief."}
    counted = provider.ask(f"{RESPONSES}/input_tokens", {"model": "chat", **body}).json
    used = provider.respond(body).json["usage"]["input_tokens"]
    assert counted == {"object": "response.input_tokens", "input_tokens": used}


def test_events_are_numbered_and_items_are_closed_as_they_were_opened() -> None:
    asked = {"input": "in parallel", "tools": [TOOL], "model": "reasoning", "reasoning": {"summary": "auto"}}
    events = Simulated().respond(asked, stream=True).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == [0, 1, 2] == [event["output_index"] for event in done]
    assert [event["item"]["id"] for event in added] == [event["item"]["id"] for event in done]
    assert [event["item"] for event in done] == events[-1]["response"]["output"]
    assert events[-1]["type"] == "response.completed"


def test_a_bound_makes_a_response_incomplete() -> None:
    events = Simulated().respond({"input": "word " * 30, "max_output_tokens": 16}, stream=True).events
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("reasoning", [None, {}, {"effort": None, "summary": None}])
def test_no_reasoning_is_asked_of_any_model(reasoning: Any) -> None:
    """What frameworks send, and what a response repeats, where nothing was asked for."""
    assert Simulated().respond({"input": "x", "reasoning": reasoning}).status == 200
