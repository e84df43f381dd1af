"""Requests in the shapes that frameworks and coding agents send, raw, to providers of each of the four protocols."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.bridge_gateway import PIXEL, UPSTREAMS, Bridged

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
STRICT = {**CITY, "additionalProperties": False}
CODEX = {
    "instructions": "You are a coding agent.",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"summary": "auto"},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "prompt_cache_key": "01a2077e",
    "client_metadata": {"session_id": "01a2077e", "turn_id": "01a2077f"},
    "tools": [
        {"type": "function", "name": "exec_command", "description": "Run", "strict": False, "parameters": CITY},
        {
            "type": "namespace",
            "name": "agents",
            "description": "Others",
            "tools": [{"type": "function", "name": "close_agent", "strict": False, "parameters": CITY}],
        },
    ],
}
CLAUDE_CODE = {
    "max_tokens": 32000,
    "stream": True,
    "metadata": {"user_id": "user_1_account__session_2"},
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "tools": [{"name": "Bash", "description": "Run", "input_schema": {"$schema": "http://x", **STRICT}}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
}
BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,effort-2025-11-24"


def post(bridged: Bridged, path: str, body: dict[str, Any], key: str | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of the answer."""
    connection = http.client.HTTPConnection(urlsplit(bridged.gateway.url).netloc, timeout=30)
    sent = {"authorization": f"Bearer {key or bridged.gateway.key}", "content-type": "application/json", **headers}
    connection.request("POST", path, json.dumps(body), sent)
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    return answer.status, said


def events(text: str) -> list[dict[str, Any]]:
    """What a stream of server-sent events carried."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_codex_calls_a_tool_and_goes_on(bridged: Bridged, upstream: str) -> None:
    """It keeps the items as they came, and sends fields that OpenAI's reference does not name.

    The simulated OpenAI calls no tool of a namespace.
    """
    flat, called = ("exec_command", (None, "exec_command")), ("agents__close_agent", ("agents", "close_agent"))
    name, expected = flat if upstream == "responses" else called
    said = {"type": "input_text", "text": name}
    asked = [{"type": "message", "id": "msg_1", "role": "user", "content": [said]}]
    body = {**CODEX, "model": f"{upstream}/thinker", "input": asked}
    status, text = post(bridged, "/v1/responses", body, originator="codex_exec")
    assert status == 200, text
    items = events(text)[-1]["response"]["output"]
    calls = [item for item in items if item["type"] == "function_call"]
    assert [(call.get("namespace"), call["name"]) for call in calls] == [expected]
    results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "closed"} for call in calls]
    status, text = post(bridged, "/v1/responses", {**body, "input": [*asked, *items, *results]})
    assert status == 200, text
    assert "The tool answered: closed" in json.dumps(events(text)[-1]["response"]["output"])


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_claude_code_calls_a_tool_and_goes_on(bridged: Bridged, upstream: str) -> None:
    turn = [{"type": "text", "text": "Bash", "cache_control": {"type": "ephemeral"}}]
    body = {**CLAUDE_CODE, "model": f"{upstream}/thinker", "messages": [{"role": "user", "content": turn}]}
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": BETAS}
    status, text = post(bridged, "/v1/messages?beta=true", body, **headers)
    assert status == 200, text
    found = events(text)
    (call,) = [
        event["content_block"]
        for event in found
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use"
    ]
    assert call["name"] == "Bash"
    assert found[-1]["type"] == "message_stop"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_what_litellm_and_the_sdks_add_to_a_message_is_no_fault(bridged: Bridged, upstream: str) -> None:
    function = {"name": "f", "arguments": "{}", "parsed_arguments": {}}
    call = {"id": "call_1", "type": "function", "function": function}
    said = {"role": "assistant", "content": None, "tool_calls": [call], "parsed": None}
    body = {
        "model": f"{upstream}/chat",
        "messages": [
            {"role": "user", "content": "x"},
            {**said, "provider_specific_fields": {"refusal": None}, "function_call": None},
            {"role": "tool", "tool_call_id": "call_1", "content": "y"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": CITY}}],
    }
    status, text = post(bridged, "/v1/chat/completions", body)
    assert status == 200, text
    assert json.loads(text)["choices"][0]["message"]["content"] == "[simulated] The tool answered: y"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_strands_sends_no_tools_and_a_format_of_images(bridged: Bridged, upstream: str) -> None:
    url = {"url": f"data:image/png;base64,{PIXEL}", "detail": "auto", "format": "image/png"}
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": url}]
    body = {"model": f"{upstream}/chat", "messages": [{"role": "user", "content": parts}], "tools": []}
    status, text = post(bridged, "/v1/chat/completions", body)
    assert status == 200, text
    assert "I see 1 image: image/png" in text


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_instructor_forces_a_function_and_wants_a_form(bridged: Bridged, upstream: str) -> None:
    body = {
        "model": f"{upstream}/chat",
        "input": [{"role": "user", "content": "x"}],
        "reasoning": {},
        "tools": [{"type": "function", "name": "City", "parameters": STRICT}],
        "tool_choice": {"type": "function", "name": "City"},
        "text": {"format": {"type": "json_schema", "name": "City", "strict": True, "schema": STRICT}},
    }
    status, text = post(bridged, "/v1/responses", body)
    assert status == 200, text
    (call,) = [item for item in json.loads(text)["output"] if item["type"] == "function_call"]
    assert json.loads(call["arguments"]) == {"city": "simulated"}


def test_a_wrong_key_is_told_in_the_words_that_litellm_looks_for(bridged: Bridged) -> None:
    """It takes an `invalid_request_error` without them for a wrong request, whatever the status."""
    status, text = post(bridged, "/v1/chat/completions", {"model": "chat/chat", "messages": []}, key="sk-air-no")
    assert status == 401
    assert "Incorrect API key provided" in json.loads(text)["error"]["message"]
