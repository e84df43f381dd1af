"""A client's chat request as the canonical call, and the fields that refusals name (protocols 1.2.1, 1.2.2, 2.2)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    CacheMark,
    Data,
    FileRef,
    HostedTool,
    Media,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.common import envelope
from nexusflow.protocols.common.turns import arranged
from tests.support.chat import read

PNG = "iVBORw0KGgo="


def turns(*messages: dict[str, Any]) -> tuple[Turn, ...]:
    return read(messages=list(messages)).turns


def parts(*content: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return turns({"role": role, "content": list(content)})[0].parts


def assistant(**members: Any) -> tuple[Part, ...]:
    return turns({"role": "assistant", **members})[0].parts


def param(**body: Any) -> str | None:
    with pytest.raises(RequestRefused) as refused:
        read(**body)
    assert refused.value.problem.kind is Kind.PARAM
    return refused.value.problem.param


def test_the_whole_of_a_plain_request() -> None:
    call = read(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "hi", "name": "ann"},
        ],
        stream=True,
        stream_options={"include_usage": True},
        temperature=0.5,
        top_p=1,
        seed=3,
        logit_bias={"50256": -100},
        n=2,
        max_tokens=9,
        metadata={"k": "v"},
        user="u",
        service_tier="flex",
        store=False,
        verbosity="low",
        modalities=["text"],
        prompt_cache_key="p",
    )
    assert call.turns == (
        Turn(role="developer", parts=(Text(text="Be brief."),), path="messages[0]"),
        Turn(role="user", parts=(Text(text="hi"),), name="ann", path="messages[1]"),
    )
    assert call.sampling == Sampling(temperature=0.5, top_p=1.0, seed=3, logit_bias={"50256": -100.0})
    assert (call.n, call.max_tokens, call.metadata, call.user, call.tier) == (2, 9, {"k": "v"}, "u", "flex")
    assert (call.stream, call.include_usage, call.store, call.verbosity) == (True, True, False, "low")
    assert call.ext == {"prompt_cache_key": Raw(b'"p"')}


def test_T73_the_newer_limit_wins_and_is_spelled_as_the_caller_did() -> None:
    both = read(max_tokens=5, max_completion_tokens=7)
    assert (both.max_tokens, both.spelled("max_tokens")) == (7, "max_completion_tokens")
    assert read(max_tokens=5).spelled("max_tokens") == "max_tokens"
    assert read(safety_identifier="s").spelled("user") == "safety_identifier"


def test_T72_stop_is_one_or_several() -> None:
    assert (read(stop="a").stop, read(stop=["a", "b"]).stop, read(stop=None).stop) == (("a",), ("a", "b"), ())


def test_nulls_are_absent() -> None:
    call = read(tools=None, tool_choice=None, temperature=None, response_format=None, n=None, extra=None)
    assert call == read()


def test_media_in_every_spelling() -> None:
    found = parts(
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}", "detail": "low"}},
        {"type": "image_url", "image_url": "https://a/b.png"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "document_url", "document_url": "https://a/b.pdf"},
        {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
    )
    assert found == (
        Media(kind="image", source=Data("image/jpeg", PNG), detail="low"),
        Media(kind="image", source=Url("https://a/b.png")),
        Media(kind="audio", source=Data("audio/wav", "AAAA")),
        Media(kind="file", source=Data("application/pdf", "AAAA"), name="a.pdf"),
        Media(kind="file", source=Data("application/pdf", "JVBERi0=")),
        Media(kind="file", source=FileRef("file-1", "openai/chat-completions")),
        Media(kind="file", source=Url("https://a/b.pdf")),
        Media(kind="video", source=Url("https://a/b.mp4")),
    )


def test_cache_marks_in_both_spellings_and_on_a_message() -> None:
    assert parts({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}) == (
        Text(text="a", cache=CacheMark("1h")),
    )
    assert parts({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}) == (
        Text(text="a", cache=CacheMark()),
    )
    marked = turns({"role": "system", "content": "a", "cache_control": {"type": "ephemeral"}})[0]
    assert (marked.parts, marked.ext) == ((Text(text="a", cache=CacheMark()),), None)


def test_T58_blocks_of_anthropic_are_honoured() -> None:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    assert parts({"type": "text", "text": "so"}, use, role="assistant") == (
        Text(text="so"),
        ToolCall(id="t", name="f", arguments='{"a":1}'),
    )
    found = parts(
        {"type": "tool_result", "tool_use_id": "t", "content": "4", "is_error": True},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image_url", "image_url": "https://a/b.png"},
        {"type": "text", "text": "and?"},
    )
    assert found == (
        ToolResult(call_id="t", content=(Text(text="4"),), is_error=True),
        Media(kind="image", source=Data("image/png", PNG)),
        Media(kind="image", source=Url("https://a/b.png")),
        Text(text="and?"),
    )
    server = parts({"type": "server_tool_use", "id": "s"}, {"type": "text", "text": "x"}, role="assistant")
    assert isinstance(server[0], Unknown)
    assert server[0].origin == "anthropic/messages"


def test_reasoning_comes_back_with_its_state() -> None:
    state = Opaque("anthropic/messages", "claude", "SIG")
    sealed = envelope.seal(state)
    details = [{"type": "reasoning.text", "text": "hm", "signature": sealed, "index": 0}]
    assert assistant(content="so", reasoning_content="hm", reasoning_details=details) == (
        Thinking(text="hm", signature=state),
        Text(text="so"),
    )
    secret = [{"type": "reasoning.encrypted", "data": sealed, "index": 0}]
    assert assistant(reasoning="hm", reasoning_details=secret) == (
        Thinking(text="hm"),
        Thinking(text="", redacted=True, signature=state),
    )


def test_reasoning_state_of_another_chat_provider_is_kept_whole() -> None:
    native = {"type": "reasoning.text", "text": "hm", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0}
    (thought,) = assistant(reasoning_details=[native])
    assert isinstance(thought, Thinking)
    assert thought.signature is not None
    assert (thought.signature.origin, thought.signature.family) == ("openai/chat-completions", "")
    assert json.loads(thought.signature.payload)["signature"] == "SIG"


def test_reasoning_as_other_gateways_spell_it() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "SIG"}, {"type": "redacted_thinking", "data": "D"}]
    native = Opaque("anthropic/messages", "", "SIG")
    assert assistant(thinking_blocks=blocks, content="so") == (
        Thinking(text="hm", signature=native),
        Thinking(text="", redacted=True, signature=Opaque("anthropic/messages", "", "D")),
        Text(text="so"),
    )
    assert assistant(reasoning="hm") == (Thinking(text="hm"),)
    mistral = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}
    assert assistant(content=[mistral, {"type": "text", "text": "so"}]) == (Thinking(text="hm"), Text(text="so"))


def test_T86_state_of_google_is_taken_sealed_and_native() -> None:
    own = Opaque("google/generate-content", "gemini", "AAAA")
    for text, state in ((envelope.seal(own), own), ("RAW=", Opaque("google/generate-content", "", "RAW="))):
        extra = {"google": {"thought_signature": text}}
        call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
        assert assistant(content="so", tool_calls=[call], extra_content=extra) == (
            Text(text="so", signature=state),
            ToolCall(id="a", name="f", arguments="{}", signature=state),
        )


def test_T57_text_and_calls_are_both_kept_and_no_calls_are_none() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
    custom = {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert assistant(content="so", refusal="No.", tool_calls=[call, custom]) == (
        Text(text="so"),
        Refusal("No."),
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="sh", arguments="ls", custom=True),
    )
    assert assistant(content="so", tool_calls=[]) == (Text(text="so"),)


def test_T53_results_of_three_messages_make_one_turn() -> None:
    calls = [{"id": id, "type": "function", "function": {"name": f"f{id}", "arguments": "{}"}} for id in "abc"]
    results = [{"role": "tool", "tool_call_id": id, "content": id} for id in "cab"]
    call = read(messages=[{"role": "assistant", "tool_calls": calls}, *results, {"role": "user", "content": "?"}])
    _, answers = arranged(call)
    assert [part.call_id for part in answers.parts if isinstance(part, ToolResult)] == ["a", "b", "c"]
    assert [part.name for part in answers.parts if isinstance(part, ToolResult)] == ["fa", "fb", "fc"]
    assert answers.parts[-1] == Text(text="?")


def test_results_say_errors_and_hold_media() -> None:
    image = {"type": "image_url", "image_url": "https://a/b.png"}
    result = turns(
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "[tool_error] no"}, image]}
    )
    assert result[0].parts == (
        ToolResult(
            call_id="a",
            content=(Text(text="no"), Media(kind="image", source=Url("https://a/b.png"))),
            is_error=True,
        ),
    )
    flagged = turns({"role": "tool", "tool_call_id": "a", "content": "no", "is_error": True})[0].parts[0]
    assert isinstance(flagged, ToolResult)
    assert flagged.is_error


def test_the_older_form_becomes_tools() -> None:
    call = read(
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
        messages=[
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "4"},
        ],
    )
    assert call.tools == (Tool(name="f", parameters=Raw(b'{"type":"object"}'), path="functions[0]"),)
    assert (call.tool_choice, call.parallel_tools) == (ToolChoice(mode="required", names=("f",)), False)
    assert (call.spelled("tools"), call.spelled("tool_choice")) == ("functions", "function_call")
    asked, answered = arranged(call)
    assert isinstance(asked.parts[0], ToolCall)
    assert isinstance(answered.parts[0], ToolResult)
    assert asked.parts[0].id == answered.parts[0].call_id


def test_tools_of_every_kind() -> None:
    call = read(
        tools=[
            {"type": "function", "function": {"name": "f", "description": "d", "strict": True}},
            {"function": {"name": "g"}, "cache_control": {"type": "ephemeral"}},
            {"type": "custom", "custom": {"name": "sh", "format": {"type": "text"}}},
            {"type": "openrouter:web_search", "parameters": {}},
        ],
        web_search_options={},
    )
    assert call.tools[:3] == (
        Tool(name="f", description="d", strict=True, path="tools[0]"),
        Tool(name="g", cache=CacheMark(), path="tools[1]"),
        Tool(name="sh", custom=True, format=Raw(b'{"type":"text"}'), path="tools[2]"),
    )
    hosted, search = call.tools[3:]
    assert isinstance(hosted, HostedTool)
    assert isinstance(search, HostedTool)
    assert (hosted.type, hosted.path, search.kind) == ("openrouter:web_search", "tools[3]", "web_search")


@pytest.mark.parametrize(
    ("given", "mode", "names"),
    [
        ("auto", "auto", ()),
        ("none", "none", ()),
        ("required", "required", ()),
        ("any", "required", ()),
        ({"type": "function", "function": {"name": "f"}}, "required", ("f",)),
        ({"function": {"name": "f"}}, "required", ("f",)),
        ({"type": "custom", "custom": {"name": "sh"}}, "required", ("sh",)),
        ({"type": "tool", "name": "f"}, "required", ("f",)),
        ({"type": "auto"}, "auto", ()),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "g"}],
                },
            },
            "required",
            ("f", "g"),
        ),
    ],
)
def test_T65_tool_choice_in_every_shape(given: Any, mode: Any, names: tuple[str, ...]) -> None:
    assert read(tool_choice=given).tool_choice == ToolChoice(mode=mode, names=names)


def test_T65_a_tool_choice_that_means_nothing_is_refused() -> None:
    assert param(tool_choice="sometimes") == "tool_choice"
    assert param(tool_choice={"type": "whatever"}) == "tool_choice.type"
    assert param(tool_choice={"type": "function"}) == "tool_choice.name"


@pytest.mark.parametrize(
    ("body", "effort", "budget"),
    [
        ({"reasoning_effort": "xhigh"}, "xhigh", None),
        ({"reasoning_effort": "default"}, None, None),
        ({"reasoning": {"effort": "low"}}, "low", None),
        ({"reasoning": {"max_tokens": 2000}}, None, 2000),
        ({"reasoning": {"enabled": True}}, "medium", None),
        ({"reasoning": {"enabled": False}}, "none", None),
        ({"thinking": {"type": "disabled"}}, "none", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, None, 3000),
        ({"thinking": {"type": "enabled", "clear_thinking": False}}, "medium", None),
        ({"enable_thinking": False}, "none", None),
        ({"enable_thinking": True, "thinking_budget": 500}, None, 500),
        ({"google": {"thinking_config": {"thinking_budget": 700, "include_thoughts": True}}}, None, 700),
        ({"extra_body": {"google": {"thinking_config": {"thinking_level": "LOW"}}}}, "low", None),
        ({}, None, None),
    ],
)
def test_reasoning_in_every_spelling(body: dict[str, Any], effort: str | None, budget: int | None) -> None:
    call = read(**body)
    assert (call.reasoning.effort, call.reasoning.budget, call.ext) == (effort, budget, None)


def test_reasoning_is_shown_where_it_is_asked_for() -> None:
    assert read(reasoning_effort="low").reasoning.expose == "summary"
    assert read(reasoning={"effort": "low", "exclude": True}).reasoning.expose == "none"
    assert read(include_reasoning=True).reasoning.expose == "summary"
    assert read().reasoning == Reasoning()
    kept = read(google={"thinking_config": {"thinking_budget": 1}, "cached_content": "c"})
    assert kept.ext == {"google": Raw(b'{"cached_content":"c"}')}


def test_formats() -> None:
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert read(response_format={"type": "json_schema", "json_schema": schema}).format == OutputFormat(
        kind="json_schema", name="n", schema=Raw(b'{"type":"object"}'), strict=True, path="response_format"
    )
    assert read(response_format={"type": "json_object"}).format == OutputFormat(
        kind="json_object", path="response_format"
    )
    assert read(response_format={"type": "text"}).format is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": 5}}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages[0].content[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"reasoning_effort": "hard"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"stop": [1]}, "stop"),
        ({"moderation": {"policy": {"input": {"mode": "block"}}}}, "moderation"),
    ],
)
def test_a_refusal_names_the_callers_field(body: dict[str, Any], named: str) -> None:
    found = param(**body)
    assert found is not None
    assert found.startswith(named)


def test_what_only_this_protocol_has_is_kept_for_it() -> None:
    found = turns({"role": "assistant", "content": "x", "prefix": True, "annotations": [], "refusal": None})[0]
    assert found.ext == {"prefix": Raw(b"true")}
    assert assistant(audio={"id": "a1"}) == (Media(kind="audio", source=FileRef("a1", "openai/chat-completions")),)
