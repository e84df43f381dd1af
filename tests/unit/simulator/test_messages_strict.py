"""What Anthropic refuses is refused: foreign fields, answers out of place, samplers, thinking that is not its own."""

from typing import Any

import pytest

from tests.support.simulated import COUNT_TOKENS, MESSAGES, SECOND_VERSION, VERSION, Simulated

USER = {"role": "user", "content": "x"}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "y"}
TEXT = {"type": "text", "text": "x"}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def talk(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), "tools": [TOOL], **more}


CALLED = (USER, said("assistant", CALL))

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no bound": ({"max_tokens": None}, "max_tokens: "),
    "a penalty": ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs are not permitted"),
    "n": ({"n": 1}, "n: Extra inputs are not permitted"),
    "stop of chat": ({"stop": ["a"]}, "stop: Extra inputs are not permitted"),
    "a format of chat": ({"response_format": {"type": "text"}}, "response_format: Extra inputs"),
    "a tool of chat": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools.0.type: Invalid value"),
    "a choice of chat": ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: "),
    "an image of chat": (
        talk(said("user", {"type": "image_url", "image_url": {"url": "x"}})),
        "messages.0.content.0.type",
    ),
    "an extra of chat": (talk({**USER, "name": "Ann"}), "messages.0.name: Extra inputs are not permitted"),
    "a system message": (talk({"role": "system", "content": "x"}, USER), 'Unexpected role "system"'),
    "a developer": (talk({"role": "developer", "content": "x"}), "messages.0.role: Invalid"),
    "a tool's message": (talk({"role": "tool", "content": "x"}), "messages.0.role: Invalid"),
    "a null system": ({"system": None}, "system: "),
    "no messages": ({"messages": []}, "at least one message is required"),
    "an empty message": (
        talk({"role": "user", "content": ""}),
        "messages.0: user messages must have non-empty content",
    ),
    "an empty text": (talk(said("user", {"type": "text", "text": ""})), "text content blocks must be non-empty"),
    "an empty system text": (
        {"system": [{"type": "text", "text": ""}]},
        "system: text content blocks must be non-empty",
    ),
    "an unanswered call": (talk(*CALLED, USER), "`tool_use` ids were found without `tool_result` blocks"),
    "a call at the end": (talk(*CALLED), "`tool_use` ids were found without `tool_result` blocks"),
    "an answer behind a text": (talk(*CALLED, said("user", TEXT, RESULT)), "`tool_use` ids were found without"),
    "an answer to nothing": (talk(said("user", RESULT)), "unexpected `tool_use_id`"),
    "two answers": (talk(*CALLED, said("user", RESULT, RESULT)), "each tool_use must have a single result"),
    "an id twice": (talk(USER, said("assistant", CALL, CALL), said("user", RESULT)), "`tool_use` ids must be unique"),
    "an id of chat": (talk(USER, said("assistant", {**CALL, "id": "a.b"})), "messages.1.content.0.id: "),
    "arguments of chat": (talk(USER, said("assistant", {**CALL, "input": "{}"})), "messages.1.content.0.input: "),
    "a call by the user": (talk(said("user", CALL)), "can only be in `assistant` messages"),
    "an image by the assistant": (
        talk(USER, said("assistant", {"type": "image", "source": PIXEL}), USER),
        "can only be in `user` messages",
    ),
    "a result by the assistant": (talk(USER, said("assistant", RESULT), USER), "can only be in `user` messages"),
    "an odd image": (
        talk(said("user", {"type": "image", "source": {**PIXEL, "media_type": "image/bmp"}})),
        "Input should be one of",
    ),
    "another image": (
        talk(said("user", {"type": "image", "source": {**PIXEL, "media_type": "image/jpeg"}})),
        "does not match",
    ),
    "no base64": (talk(said("user", {"type": "image", "source": {**PIXEL, "data": "??"}})), "invalid base64 data"),
    "an odd document": (
        talk(said("user", {"type": "document", "source": {**PDF, "media_type": "text/html"}})),
        "'application/pdf'",
    ),
    "no schema": ({"tools": [{"name": "f"}]}, "tools.0.input_schema: Field required"),
    "a schema without a type": ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type: Field required"),
    "a branching schema": (
        {"tools": [{"name": "f", "input_schema": {"type": "object", "anyOf": []}}]},
        "at the top level",
    ),
    "a name of blanks": ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0.name: "),
    "a name twice": ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    "a choice without tools": ({"tool_choice": {"type": "any"}}, "may only be specified while providing `tools`"),
    "a choice of another tool": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}},
        "Tool 'g' not found",
    ),
    "none in parallel": (
        {"tools": [TOOL], "tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
        "tool_choice.disable_",
    ),
    "five marks": (talk(said("user", *[{**TEXT, "cache_control": MARK}] * 5)), "A maximum of 4 blocks"),
    "an hour behind five minutes": (
        talk(said("user", {**TEXT, "cache_control": MARK}, {**TEXT, "cache_control": HOUR})),
        "must not come after",
    ),
    "a blank stop": ({"stop_sequences": [" "]}, "must contain non-whitespace"),
    "too hot": ({"temperature": 1.5}, "temperature: "),
    "too much": ({"max_tokens": 1_000_000}, "max_tokens: 1000000 > 65536"),
    "a beta field": ({"context_management": {"edits": []}}, "context_management: Extra inputs are not permitted"),
    "a prefill with blanks": (talk(USER, {"role": "assistant", "content": "a "}), "trailing whitespace"),
    "thinking of a model that cannot": ({"thinking": {"type": "adaptive"}}, "not supported on this model"),
    "effort of a model that cannot": ({"output_config": {"effort": "low"}}, "does not support the effort parameter"),
    "an open schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "'additionalProperties'",
    ),
    "a bounded schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer", "minimum": 1}}}},
        "property 'minimum' is not supported",
    ),
    "a loose strict tool": ({"tools": [{**TOOL, "strict": True}]}, "tools.0.custom: For 'object' type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_anthropic_refuses_is_refused(name: str) -> None:
    body, words = REFUSED[name]
    answer = Simulated().message({"messages": [USER], **body})
    assert answer.status == 400
    assert words in answer.said
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_a_bound_is_required() -> None:
    asked = {"model": "chat", "messages": [USER]}
    assert Simulated().ask(MESSAGES, asked, VERSION).said == "max_tokens: Field required"
    assert Simulated().message({"messages": [USER], "max_tokens": 0}).json["content"] == []


def test_answers_in_a_row_are_one_turn_and_the_first_may_be_the_assistants() -> None:
    """Consecutive turns of one role are merged (protocols 1.4.1); recorded requests begin with the assistant's."""
    provider = Simulated()
    calls = said("assistant", CALL, {**CALL, "id": "b"})
    results = [said("user", RESULT), said("user", {**RESULT, "tool_use_id": "b"}), USER]
    assert provider.message(talk(USER, calls, *results)).status == 200
    assert provider.message(talk(said("assistant", TEXT), USER)).status == 200


def test_versions() -> None:
    """Protocols 0.1."""
    provider = Simulated()
    asked = {"messages": [USER], "model": "chat", "max_tokens": 9}
    unversioned = provider.ask(MESSAGES, asked)
    assert (unversioned.json["type"], "header is required" in unversioned.said) == ("error", True)
    assert "not a valid version" in provider.ask(MESSAGES, asked, {"anthropic-version": "2024-01-01"}).said
    assert provider.message(asked, SECOND_VERSION).status == 200


CITED = {**TEXT, "citations": [{"type": "char_location"}]}
IN_THE_FIRST: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 1},
    "top_p": {"top_p": 1},
    "top_k": {"top_k": 5},
    "documents": {"messages": [USER, said("assistant", {"type": "document", "source": PDF}), USER]},
    "citations": {"messages": [said("user", CITED)]},
}


@pytest.mark.parametrize("name", IN_THE_FIRST)
def test_the_second_version_refuses_what_the_first_takes(name: str) -> None:
    body = {"messages": [USER], **IN_THE_FIRST[name]}
    assert Simulated().message(body).status == 200
    assert Simulated().message(body, SECOND_VERSION).status == 400


NEWEST: dict[str, tuple[dict[str, Any], str]] = {
    "temperature": ({"temperature": 1}, "`temperature` is deprecated"),
    "prefill": (
        {"messages": [USER, {"role": "assistant", "content": "a"}]},
        "does not support assistant message prefill",
    ),
    "budget": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type.enabled"),
    "rest": ({"thinking": {"type": "disabled"}}, "thinking.type.disabled"),
}


@pytest.mark.parametrize("name", NEWEST)
def test_the_newest_models_refuse_what_older_ones_take(name: str) -> None:
    body, words = NEWEST[name]
    assert Simulated().message({"messages": [USER], **body}, model="reasoning").status == 200
    assert words in Simulated().message({"messages": [USER], **body}, model="thinker").said


def test_the_newest_models_take_system_messages_behind_the_users() -> None:
    system = {"role": "system", "content": "Be brief."}
    assert Simulated().message(talk(USER, system), model="thinker").status == 200
    assert "must follow a `user` message" in Simulated().message(talk(system, USER), model="thinker").said


def test_levels_of_effort_are_the_models() -> None:
    body = {"messages": [USER], "output_config": {"effort": "xhigh"}}
    refused = Simulated().message(body, model="reasoning")
    assert refused.said == "This model does not support effort level 'xhigh'. Supported levels: high, low, medium."
    assert Simulated().message(body, model="thinker").status == 200


def test_betas_open_their_fields() -> None:
    headers = {**VERSION, "anthropic-beta": "context-management-2025-06-27"}
    body = {"messages": [USER], "context_management": {"edits": []}}
    assert Simulated().message(body, headers).status == 200


def test_it_keeps_no_threads() -> None:
    headers = {**VERSION, "anthropic-beta": "message-threads-2026-08-12"}
    refused = Simulated().message({"messages": [USER], "thread": {"type": "create"}}, headers)
    assert refused.status == 400
    assert refused.json["error"]["details"] == {"error_code": "thread_unsupported_request"}


def test_count_tokens_counts_what_is_used_and_takes_no_bound() -> None:
    provider, body = Simulated(), {"messages": [USER], "system": "Be brief.", "tools": [TOOL]}
    counted = provider.ask(COUNT_TOKENS, {"model": "chat", **body}, VERSION).json
    assert counted == {"input_tokens": provider.message(body).json["usage"]["input_tokens"]}
    assert "max_tokens: Extra" in provider.ask(COUNT_TOKENS, {"model": "chat", "max_tokens": 5, **body}, VERSION).said
    hosted = {"type": "web_search_20260318", "name": "web_search"}
    assert provider.ask(COUNT_TOKENS, {"model": "chat", **body, "tools": [hosted]}, VERSION).status == 200


# ---- thinking

ENABLED: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ADAPTIVE: dict[str, Any] = {"thinking": {"type": "adaptive"}}
WITH_BUDGET: dict[str, tuple[dict[str, Any], str]] = {
    "small": ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens: "),
    "all": ({"max_tokens": 1024}, "`max_tokens` must be greater than"),
    "temperature": ({"temperature": 0.5}, "may only be set to 1"),
    "top_p": ({"top_p": 0.9}, "greater than or equal to 0.95"),
    "top_k": ({"top_k": 5}, "`top_k` must be unset"),
    "forced": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "Thinking may not be enabled when tool_choice"),
    "prefill": ({"messages": [USER, said("assistant", TEXT)]}, "Expected `thinking` or `redacted_thinking`"),
}


@pytest.mark.parametrize("name", WITH_BUDGET)
def test_a_budget_for_thinking_excludes_much(name: str) -> None:
    body, words = WITH_BUDGET[name]
    assert words in Simulated().message({"messages": [USER], **ENABLED, **body}, model="reasoning").said


def blocks(model: str = "reasoning", **more: Any) -> list[Any]:
    """What the assistant says when it calls a tool after some thinking."""
    content: list[Any] = Simulated().message({**talk(USER), **more}, model=model).json["content"]
    return content


def go_on(content: list[Any], model: str = "reasoning", **more: Any) -> Any:
    """The second turn."""
    results = [{**RESULT, "tool_use_id": block["id"]} for block in content if block["type"] == "tool_use"]
    return Simulated().message({**talk(USER, said("assistant", *content), said("user", *results)), **more}, model=model)


def test_thinking_comes_back_as_it_was_said() -> None:
    thinking, call = blocks(**ENABLED)
    assert thinking["thinking"] == "[simulated] The user asks; I echo."
    assert go_on([thinking, call], **ENABLED).json["content"][-1]["text"] == "[simulated] The tool answered: y"
    assert "Invalid `signature`" in go_on([{**thinking, "thinking": "Else."}, call], **ENABLED).said
    assert "Invalid `signature`" in go_on([{**thinking, "thinking": ""}, call], **ENABLED).said
    assert "Invalid `signature`" in go_on([{**thinking, "signature": "EqQBCgIYAhIM"}, call], **ENABLED).said
    other = f"{'B' if thinking['signature'][0] == 'A' else 'A'}{thinking['signature'][1:]}"
    assert "Invalid `signature`" in go_on([{**thinking, "signature": other}, call]).said


def test_a_call_without_its_thinking_is_refused_with_a_budget_only() -> None:
    """Recorded requests with adaptive thinking leave it out and are taken."""
    thinking, call = blocks(**ENABLED)
    assert "Expected `thinking`" in go_on([call], **ENABLED).said
    assert go_on([call], **ADAPTIVE).status == 200
    assert go_on([call]).status == 200
    assert go_on([thinking, call], **ADAPTIVE).status == 200


def test_thinking_sealed_for_another_form_is_refused() -> None:
    provider = Simulated()
    asked = {"input": "x", "model": "thinker", "include": ["reasoning.encrypted_content"]}
    sealed = provider.respond(asked).json["output"][0]["encrypted_content"]
    foreign = {"type": "thinking", "thinking": "", "signature": sealed}
    assert "Invalid `signature`" in go_on([foreign, CALL], "thinker").said


def test_redacted_thinking_comes_back_as_it_was() -> None:
    redacted, call = blocks("reasoning@redacted=1", **ENABLED)
    assert redacted.keys() == {"type", "data"}
    assert go_on([redacted, call], **ENABLED).status == 200
    assert "Invalid `data`" in go_on([{**redacted, "data": "AAAA"}, call], **ENABLED).said
    stream = Simulated().message({**talk(USER), **ENABLED}, model="reasoning@redacted=1", stream=True).events
    (start,) = [one for one in stream if one["type"] == "content_block_start" and one["index"] == 0]
    assert start["content_block"] == redacted


def test_what_is_thought_is_hidden_by_default_by_the_newest() -> None:
    shown: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
    hidden: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "omitted"}}
    assert blocks("thinker")[0]["thinking"] == "" != blocks("thinker", **shown)[0]["thinking"]
    assert blocks(**hidden)[0]["thinking"] == "" != blocks(**ADAPTIVE)[0]["thinking"]
    assert go_on(blocks("thinker"), "thinker").status == 200
    assert [block["type"] for block in blocks()] == ["tool_use"]


def test_between_tools_thinks_between_tools() -> None:
    between: dict[str, Any] = {"thinking": {"type": "between_tools"}}
    (call,) = blocks(**between)
    assert [block["type"] for block in go_on([call], **between).json["content"]] == ["thinking", "text"]


def test_signatures_come_whole_and_last() -> None:
    stream = Simulated().message({**talk(USER), **ENABLED}, model="reasoning", stream=True).events
    mine = [event for event in stream if event.get("index") == 0]
    kinds = [event["delta"]["type"] if "delta" in event else event["type"] for event in mine]
    assert kinds[0] == "content_block_start"
    assert kinds[-2:] == ["signature_delta", "content_block_stop"]
    assert kinds.count("signature_delta") == 1
    assert set(kinds[1:-2]) == {"thinking_delta"}


# ---- endings


def test_endings() -> None:
    provider = Simulated()

    def ending(**more: Any) -> tuple[Any, Any]:
        answer = provider.message({"messages": [USER], **more}).json
        return answer["stop_reason"], answer["stop_sequence"]

    assert ending() == ("end_turn", None)
    assert ending(stop_sequences=["You"]) == ("stop_sequence", "You")
    assert ending(max_tokens=2) == ("max_tokens", None)
    assert ending(tools=[TOOL]) == ("tool_use", None)
    assert ending(model="refusing") == ("refusal", None)
    assert provider.message({"messages": [USER]}, model="filtered").json["stop_details"]["type"] == "refusal"


def test_typed_tools_of_the_caller_are_called() -> None:
    tools = [{"type": "bash_20250124", "name": "bash"}, {"type": "web_search_20250305", "name": "web_search"}]
    (call,) = Simulated().message({"messages": [USER], "tools": tools}).json["content"]
    assert (call["name"], call["input"]) == ("bash", {"command": "true"})
    hosted = Simulated().message({"messages": [USER], "tools": tools[1:]}).json["content"]
    assert hosted[0]["type"] == "text"


def test_files_are_seen_wherever_they_are() -> None:
    parts = [{"type": "image", "source": PIXEL}, {"type": "document", "source": PDF}, TEXT]
    (text,) = Simulated().message({"messages": [said("user", *parts)]}).json["content"]
    assert "I see 1 image: image/png of 8 bytes. I hold 1 file: application/pdf of 5 bytes." in text["text"]
    result = {**RESULT, "content": [TEXT, {"type": "image", "source": PIXEL}], "is_error": True}
    (text,) = Simulated().message(talk(*CALLED, said("user", result))).json["content"]
    assert text["text"] == "[simulated] The tool answered: (failed) x. I see 1 image: image/png of 8 bytes."
