"""What OpenAI refuses in a chat is refused: fields of other protocols, unanswered calls, what a model does not take."""

from typing import Any

import pytest

from tests.support.simulated import Simulated

USER = {"role": "user", "content": "x"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "g"}}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}
STRICT = {**LOOSE, "additionalProperties": False, "required": ["a"]}


def called(*ids: str) -> dict[str, Any]:
    calls = [{"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def answered(id_: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": "y"}


def wanted(schema: Any, name: str = "n") -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


# Body, then code and parameter of the refusal.
REFUSED: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "a field of Messages": ({"system": "x"}, "unknown_parameter", "system"),
    "a sampler of Messages": ({"top_k": 5}, "unknown_parameter", "top_k"),
    "a field of Responses": ({"input": "x"}, "unknown_parameter", "input"),
    "a field of Gemini": ({"generationConfig": {}}, "unknown_parameter", "generationConfig"),
    "thinking of Messages": ({"thinking": {"type": "adaptive"}}, "unknown_parameter", "thinking"),
    "a tool of Messages": (
        {"tools": [{"name": "f", "input_schema": {}}]},
        "missing_required_parameter",
        "tools[0].type",
    ),
    "a tool of Responses": (
        {"tools": [{"type": "function", "name": "f"}]},
        "unknown_parameter",
        "tools[0].name",
    ),
    "a block of Messages": (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        "invalid_value",
        "messages[0].content[0].type",
    ),
    "a mark of Messages": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]},
        "unknown_parameter",
        "messages[0].content[0].cache_control",
    ),
    "a role of Gemini": ({"messages": [{"role": "model", "content": "x"}]}, "invalid_value", "messages[0].role"),
    "no messages": ({"messages": []}, "empty_array", "messages"),
    "content of another type": ({"messages": [{"role": "user", "content": 7}]}, "invalid_type", "messages[0].content"),
    "nothing said": (
        {"messages": [USER, {"role": "assistant", "content": None}]},
        None,
        "messages[1].content",
    ),
    "no calls": (
        {"messages": [USER, {"role": "assistant", "tool_calls": []}]},
        "empty_array",
        "messages[1].tool_calls",
    ),
    "an unanswered call": ({"messages": [USER, called("a", "b"), answered("a")]}, None, "messages"),
    "a late answer": ({"messages": [USER, called("a"), USER, answered("a")]}, None, "messages"),
    "an answer to nothing": ({"messages": [USER, answered("a")]}, None, "messages[1].role"),
    "an answer twice": ({"messages": [USER, called("a"), answered("a"), answered("a")]}, None, "messages[3].role"),
    "a long id": (
        {"messages": [USER, called("a" * 41), answered("a" * 41)]},
        "string_above_max_length",
        "messages[1].tool_calls[0].id",
    ),
    "too hot": ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
    "too little": ({"max_completion_tokens": 0}, "integer_below_min_value", "max_completion_tokens"),
    "too much": ({"max_tokens": 1_000_000}, "invalid_value", "max_tokens"),
    "both bounds": ({"max_tokens": 5, "max_completion_tokens": 5}, None, None),
    "too many stops": ({"stop": ["a", "b", "c", "d", "e"]}, "array_above_max_length", "stop"),
    "a name of blanks": ({"tools": [{**TOOL, "function": {"name": "a b"}}]}, "invalid_value", "tools[0].function.name"),
    "a choice without tools": ({"tool_choice": "required"}, None, "tool_choice"),
    "parallel without tools": ({"parallel_tool_calls": True}, None, "parallel_tool_calls"),
    "a choice of another tool": ({"tools": [TOOL], "tool_choice": NAMED}, None, "tool_choice"),
    "a part of other tools": (
        {
            "tools": [TOOL],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
        },
        None,
        "tool_choice",
    ),
    "usage of no stream": ({"stream_options": {"include_usage": True}}, None, "stream_options"),
    "top logprobs alone": ({"top_logprobs": 2}, None, "top_logprobs"),
    "a loose strict schema": ({"response_format": wanted(LOOSE)}, None, "response_format"),
    "an optional strict property": (
        {"response_format": wanted({**STRICT, "required": []})},
        None,
        "response_format",
    ),
    "a strict list": ({"response_format": wanted({"type": "array"})}, None, "response_format"),
    "a loose strict function": (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": LOOSE, "strict": True}}]},
        "invalid_function_parameters",
        "tools[0].function.parameters",
    ),
    "effort of a model that cannot think": ({"reasoning_effort": "low"}, "unsupported_parameter", "reasoning_effort"),
    "thought of a model that cannot think": (
        {"messages": [USER, {"role": "assistant", "content": "y", "reasoning_content": "z"}, USER]},
        "unknown_parameter",
        None,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_openai_refuses_is_refused(name: str) -> None:
    body, code, param = REFUSED[name]
    answer = Simulated().chat({"messages": [USER], **body})
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["param"]) == (400, code, param)
    assert answer.json["error"]["type"] == "invalid_request_error"


NEWEST: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.5},
    "frequency_penalty": {"frequency_penalty": 1},
    "logit_bias": {"logit_bias": {"1": 5}},
    "logprobs": {"logprobs": True},
    "stop": {"stop": ["a"]},
    "max_tokens": {"max_tokens": 5},
    "reasoning_effort": {"reasoning_effort": "minimal"},
}


@pytest.mark.parametrize("param", NEWEST)
def test_the_newest_models_refuse_what_older_ones_take(param: str) -> None:
    """Sampling, stop sequences and so on are facts of a model (protocols 0.7)."""
    assert Simulated().chat({"messages": [USER], **NEWEST[param]}, model="reasoning").status == 200
    refused = Simulated().chat({"messages": [USER], **NEWEST[param]}, model="thinker")
    assert (refused.status, refused.json["error"]["param"]) == (400, param)


def test_defaults_are_taken_by_the_newest_models() -> None:
    body = {"messages": [USER], "temperature": 1, "top_p": 1, "frequency_penalty": 0, "logprobs": False}
    assert Simulated().chat(body, model="thinker").status == 200


def test_functions_on_chat_only_at_rest() -> None:
    """Protocols 0.6: with function tools an unset effort counts as thinking; custom tools are exempt."""
    provider, asked = Simulated(), {"messages": [USER], "tools": [TOOL], "model": "thinker-tools"}
    refused = provider.chat(asked)
    assert (refused.status, refused.json["error"]["param"]) == (400, "reasoning_effort")
    assert provider.chat(asked, reasoning_effort="low").status == 400
    assert provider.chat(asked, reasoning_effort="none").status == 200
    assert provider.chat(asked, tools=[{"type": "custom", "custom": {"name": "f"}}]).status == 200
    flat = {"input": "x", "model": "thinker-tools", "tools": [{"type": "function", "name": "f"}]}
    assert provider.respond(flat).status == 200


def test_nested_schemas_are_strict_too() -> None:
    inner = {"type": "object", "properties": {"b": LOOSE}, "required": ["b"], "additionalProperties": False}
    refused = Simulated().chat({"messages": [USER], "response_format": wanted(inner)})
    assert "In context=('properties', 'b')" in refused.said
    taken = {**inner, "properties": {"b": {"type": "array", "items": STRICT}}}
    assert Simulated().chat({"messages": [USER], "response_format": wanted(taken)}).status == 200


def test_tiers_are_echoed_as_they_were_used() -> None:
    tiers = {"auto": "default", "flex": "flex", "fast": "priority"}
    for asked, used in tiers.items():
        assert Simulated().chat({"messages": [USER]}, service_tier=asked).json["service_tier"] == used


def test_what_frameworks_add_to_messages_changes_nothing() -> None:
    """The official SDK's `parsed_arguments`, LiteLLM's `provider_specific_fields`, Strands' `format` of an image."""
    call = called("a")
    call["tool_calls"][0]["function"]["parsed_arguments"] = {}
    call |= {"parsed": None, "provider_specific_fields": {"refusal": None}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "format": "image/png"}}
    body = {"messages": [{"role": "user", "content": [image]}, call, answered("a")]}
    assert Simulated().chat(body).json["choices"][0]["message"]["content"] == "[simulated] The tool answered: y"


def test_no_tools_are_as_none() -> None:
    """Strands and Xcode always send the list."""
    assert Simulated().chat({"messages": [USER], "tools": []}).status == 200
