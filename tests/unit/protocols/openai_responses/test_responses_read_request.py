"""A client's Responses request in canonical form."""

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    ChatCall,
    Data,
    HostedTool,
    Media,
    Opaque,
    Refusal,
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
from nexusflow.protocols.common.envelope import seal
from nexusflow.protocols.openai_responses import read_request

GEMINI = Opaque("google/generate-content", "gemini", "c2ln")
CLAUDE = Opaque("anthropic/messages", "claude", "sig")


def read(**members: Any) -> ChatCall:
    body = json.dumps({"model": "public", "input": "hi", **members}).encode()
    return read_request.read(body, model="public", stream=False)


def turns(*items: Any, **members: Any) -> tuple[Turn, ...]:
    return read(input=list(items), **members).turns


def refused(**members: Any) -> Any:
    with pytest.raises(RequestRefused) as caught:
        read(**members)
    return caught.value.problem


def function(name: str, **members: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object"}, **members}


def test_a_string_is_one_user_message_and_instructions_lead() -> None:
    call = read(input="hello", instructions="be brief")
    assert call.turns == (
        Turn(role="system", parts=(Text(text="be brief"),), path="instructions"),
        Turn(role="user", parts=(Text(text="hello"),), path="input[0]"),
    )


def test_what_the_assistant_did_in_a_row_is_one_turn() -> None:
    found = turns(
        {"role": "user", "content": "weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "think"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"role": "user", "content": "thanks"},
    )
    assert [turn.role for turn in found] == ["user", "assistant", "user", "user"]
    assert [type(part) for part in found[1].parts] == [Thinking, Text, ToolCall, ToolCall]
    assert found[1].path == "input[1]"
    assert found[2].parts == (
        ToolResult(call_id="a", content=(Text(text="1"),)),
        ToolResult(call_id="b", content=(Text(text="2"),)),
    )


def test_a_typeless_assistant_item_with_output_parts_is_a_message() -> None:
    (turn,) = turns(
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}
    )
    assert turn.parts == (Text(text="a"), Refusal("b"))


def test_T96_effort_is_a_word_and_a_summary_shows_reasoning() -> None:
    call = read(reasoning={"effort": "high", "summary": "auto"})
    assert (call.reasoning.effort, call.reasoning.expose) == ("high", "summary")
    assert read(reasoning={"effort": None}).reasoning.effort is None
    assert refused(reasoning={"effort": "extreme"}).param == "reasoning.effort"


def test_T97_reasoning_items_with_null_members_are_read() -> None:
    (turn,) = turns(
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": None, "status": None}
    )
    assert turn.parts == (Thinking(text="", id="rs_1"),)
    (turn,) = turns({"type": "reasoning", "id": None, "summary": None, "encrypted_content": "native", "status": None})
    assert turn.parts == (Thinking(text="", signature=Opaque("openai/responses", "", "native")),)


def test_raw_reasoning_goes_before_its_summary() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}]}
    (turn,) = turns(item)
    assert turn.parts == (Thinking(text="short", summary=True),)
    (turn,) = turns({**item, "content": [{"type": "reasoning_text", "text": "long"}]})
    assert turn.parts == (Thinking(text="long"),)


def sealed(opaque: Opaque, mark: str = "") -> dict[str, Any]:
    text = seal(Opaque(opaque.origin, opaque.family, mark + opaque.payload))
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": text}


def test_T86_a_geminis_state_goes_back_to_the_call_after_it() -> None:
    (turn,) = turns(sealed(GEMINI), {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"})
    assert turn.parts == (ToolCall(id="a", name="f", arguments="{}", signature=GEMINI),)


def test_T88_a_geminis_state_goes_back_to_the_text_before_it() -> None:
    (turn,) = turns({"role": "assistant", "content": "hello"}, sealed(GEMINI, "prev:"))
    assert turn.parts == (Text(text="hello", signature=GEMINI),)
    assert turns({"role": "user", "content": "x"}, sealed(GEMINI, "prev:"))[-1].role == "user"


def test_T92_redacted_reasoning_comes_back_as_such() -> None:
    (turn,) = turns(sealed(CLAUDE, "redacted:"))
    assert turn.parts == (Thinking(text="", signature=CLAUDE, redacted=True, id="rs_1"),)
    (turn,) = turns(sealed(CLAUDE))
    assert turn.parts == (Thinking(text="", signature=CLAUDE, id="rs_1"),)


def test_an_output_marked_as_an_error() -> None:
    (turn,) = turns({"type": "function_call_output", "call_id": "a", "output": "[tool_error] no such city"})
    assert turn.parts == (ToolResult(call_id="a", content=(Text(text="no such city"),), is_error=True),)
    (turn,) = turns({"type": "function_call_output", "call_id": "a", "output": "x", "is_error": True})
    assert turn.parts[0] == ToolResult(call_id="a", content=(Text(text="x"),), is_error=True)


def test_T56_outputs_of_parts_and_of_none() -> None:
    (turn,) = turns(
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "t"}]},
        {"type": "custom_tool_call_output", "call_id": "b", "output": []},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": "https://x/i.png"}],
        },
    )
    assert turn.parts == (
        ToolResult(call_id="a", content=(Text(text="t"),)),
        ToolResult(call_id="b", content=()),
        ToolResult(call_id="c", content=(Media(kind="image", source=Url("https://x/i.png")),)),
    )


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_image", "image_url": f"data:image/jpg;base64,{PNG}", "detail": "low"},
            Media(kind="image", source=Data("image/jpeg", PNG), detail="low"),
        ),
        (
            {"type": "input_image", "image_url": f"data:;base64,{PNG}"},
            Media(kind="image", source=Data("image/png", PNG)),
        ),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"},
            Media(kind="file", source=Data("application/pdf", "JVBERi0x"), name="a.pdf"),
        ),
        (
            {"type": "input_file", "file_data": "JVBERi0x"},
            Media(kind="file", source=Data("application/pdf", "JVBERi0x")),
        ),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, Media(kind="file", source=Url("https://x/a.pdf"))),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            Media(kind="audio", source=Data("audio/wav", "UklGRg==")),
        ),
    ],
)
def test_T79_media(part: dict[str, Any], expected: Media) -> None:
    (turn,) = turns({"role": "user", "content": [part]})
    assert turn.parts == (expected,)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": None}, "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"text": 5}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input[0].output"),
        ({"input": [{}]}, "input[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
def test_C_refusals_name_the_field(members: dict[str, Any], param: str) -> None:
    problem = refused(**members)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize(
    "members",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "p"}},
        {"background": True},
        {"moderation": {"model": "m", "policy": {"input": {"mode": "block"}}}},
    ],
)
def test_what_needs_state_that_nobody_keeps_is_refused(members: dict[str, Any]) -> None:
    problem = refused(**members)
    assert problem.param == next(iter(members))
    assert problem.code == "unsupported_parameter"


def test_an_item_reference_that_nobody_resolved() -> None:
    problem = refused(input=[{"type": "item_reference", "id": "msg_1"}])
    assert (problem.status, problem.param) == (404, "input[0]")
    assert "msg_1" in problem.message


def test_tools_and_their_own_members() -> None:
    call = read(
        tools=[
            function("f", description="d", strict=True, defer_loading=False),
            function("g", strict=None, allowed_callers=["programmatic"]),
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"type": "web_search", "search_context_size": "low"},
            {"type": "file_search", "vector_store_ids": ["v"]},
        ]
    )
    f, g, c, search, files = call.tools
    assert f == Tool(name="f", description="d", strict=True, parameters=Raw(b'{"type": "object"}'), path="tools[0]")
    assert isinstance(g, Tool)
    assert (g.strict, list(g.ext or {})) == (None, ["allowed_callers"])
    assert isinstance(c, Tool)
    assert (c.custom, c.parameters, c.format) == (True, None, Raw(b'{"type": "text"}'))
    assert isinstance(search, HostedTool)
    assert (search.kind, search.type, search.path) == ("web_search", "web_search", "tools[3]")
    assert isinstance(files, HostedTool)
    assert files.kind is None


def test_namespaces_are_flattened_with_a_way_back() -> None:
    long = "n" * 60
    call = read(
        tools=[
            {
                "type": "namespace",
                "name": "crm",
                "description": "CRM.",
                "tools": [function("find", description="Finds.")],
            },
            {"type": "namespace", "name": long, "tools": [function("one"), function("two")]},
        ],
        input=[
            {"type": "function_call", "call_id": "a", "namespace": "crm", "name": "find", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "namespace": "gone", "name": "x", "arguments": "{}"},
            {"type": "function_call", "call_id": "c", "namespace": "solo", "name": "solo", "arguments": "{}"},
        ],
        tool_choice={"type": "function", "namespace": "crm", "name": "find"},
    )
    find, one, two = (tool for tool in call.tools if isinstance(tool, Tool))
    assert (find.name, find.namespaced, find.path) == ("crm__find", ("crm", "find"), "tools[0].tools[0]")
    assert find.description == "CRM.\n\nFinds."
    assert one.name != two.name
    assert len(one.name) <= 64
    assert [part.name for part in call.turns[0].parts if isinstance(part, ToolCall)] == ["crm__find", "gone__x", "solo"]
    assert call.tool_choice == ToolChoice(mode="required", names=("crm__find",))


def test_two_tools_of_one_name() -> None:
    assert refused(
        tools=[function("a__b"), {"type": "namespace", "name": "a", "tools": [function("b", parameters={})]}]
    ).param
    assert len(read(tools=[function("a"), function("a")]).tools) == 1


def test_tools_that_the_input_brings() -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": [function("later")]}
    call = read(input=[{"role": "user", "content": "x"}, item])
    assert [tool.name for tool in call.tools if isinstance(tool, Tool)] == ["later"]
    assert len(call.turns) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("auto", ToolChoice(mode="auto")),
        ("required", ToolChoice(mode="required")),
        ("none", ToolChoice(mode="none")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="required", names=("f",))),
        ({"type": "custom", "name": "c"}, ToolChoice(mode="required", names=("c",))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice(mode="auto", names=("f",)),
        ),
    ],
)
def test_tool_choices(given: Any, expected: ToolChoice | None) -> None:
    call = read(tools=[function("f"), {"type": "custom", "name": "c"}], tool_choice=given)
    assert call.tool_choice == expected


@pytest.mark.parametrize(
    "given",
    [
        "always",
        {"type": "function"},
        {"type": "function", "name": "unknown"},
        {"type": "file_search"},
        {"type": "allowed_tools", "mode": "auto", "tools": []},
        {"type": "allowed_tools", "mode": "maybe", "tools": [{"type": "function", "name": "f"}]},
        {"type": 5},
    ],
)
def test_T65_tool_choices_that_are_none(given: Any) -> None:
    assert (refused(tools=[function("f")], tool_choice=given).param or "").startswith("tool_choice")


def test_custom_calls() -> None:
    (turn, result) = turns(
        {"type": "custom_tool_call", "call_id": "a", "name": "c", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "1"},
    )
    assert turn.parts == (ToolCall(id="a", name="c", arguments="SELECT 1", custom=True),)
    assert result.parts == (ToolResult(call_id="a", content=(Text(text="1"),)),)


def test_items_of_the_providers_own_tools_are_kept_whole() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    shell = {"type": "shell_call_output", "call_id": "s", "output": [{"stdout": "x", "outcome": {"type": "exit"}}]}
    image = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}
    found = turns(search, image, shell)
    assert [turn.role for turn in found] == ["assistant", "user"]
    assert isinstance(found[0].parts[0], Unknown)
    assert found[0].parts[0].type == "web_search_call"
    assert found[0].parts[1] == Media(kind="image", source=Data("image/png", PNG))
    assert isinstance(found[1].parts[0], Unknown)


def test_parameters() -> None:
    call = read(
        max_output_tokens=50,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=3,
        include=["message.output_text.logprobs", "reasoning.encrypted_content", "file_search_call.results"],
        text={"format": {"type": "json_schema", "name": "s", "schema": {}, "strict": True}, "verbosity": "low"},
        service_tier="flex",
        user="u",
        store=False,
        metadata={"k": "v"},
        truncation="auto",
        background=False,
        stream_options={"include_obfuscation": False},
        prompt_cache_key="p",
        parallel_tool_calls=False,
    )
    assert (call.max_tokens, call.sampling.temperature, call.sampling.top_p) == (50, 0.5, 0.9)
    assert (call.sampling.logprobs, call.sampling.top_logprobs) == (True, 3)
    assert call.format is not None
    assert (call.format.name, call.format.strict, call.verbosity) == ("s", True, "low")
    assert (call.tier, call.user, call.store, call.metadata) == ("flex", "u", False, {"k": "v"})
    assert call.parallel_tools is False
    assert call.ext is not None
    assert call.ext.keys() == {"truncation", "prompt_cache_key", "include"}
    assert (call.spelled("max_tokens"), call.spelled("user")) == ("max_output_tokens", "user")
    assert read(store=True).store is None
    assert read(service_tier="auto", text={"format": {"type": "text"}}, top_logprobs=0).ext is None


def test_what_the_answer_repeats_is_on_one_line() -> None:
    body = (
        b'{"model":"m","input":"x","tools":[\n {"type":"function",\n "name":"f"}],\n'
        b'"text":{"verbosity":"low"},"user":null}'
    )
    call = read_request.read(body, model="m", stream=True, previous_response_id="resp_0")
    assert call.echo is not None
    assert bytes(call.echo["tools"]) == b'[{"type":"function","name":"f"}]'
    assert json.loads(bytes(call.echo["text"])) == {"verbosity": "low", "format": {"type": "text"}}
    assert bytes(call.echo["previous_response_id"]) == b'"resp_0"'
    assert "user" not in call.echo


def test_a_phase_is_only_this_protocols() -> None:
    (turn,) = turns({"role": "assistant", "content": "x", "phase": "commentary"})
    assert turn.parts == (Text(text="x", ext={"phase": Raw(b'"commentary"')}),)
