"""A canonical call as the request of a provider that speaks Responses."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.capabilities import Destination, ReasoningFlags
from nexusflow.ir.chat import (
    CacheMark,
    ChatCall,
    Data,
    Document,
    FileRef,
    HostedTool,
    Media,
    Opaque,
    OutputFormat,
    Reasoning,
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
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.openai_responses import input_tokens, read_request, write_request

USER = Turn(role="user", parts=(Text(text="hi"),), path="messages[0]")
Calls = Callable[..., ChatCall]
To = Callable[..., Destination]


def body(call: ChatCall, to: Destination, losses: Losses | None = None) -> Any:
    return json.loads(write_request.write(call, to, losses if losses is not None else Losses()))


def lost(call: ChatCall, to: Destination) -> str:
    losses = Losses()
    write_request.write(call, to, losses)
    return losses.header()


def refused(call: ChatCall, to: Destination) -> Any:
    with pytest.raises(RequestRefused) as caught:
        write_request.write(call, to, Losses())
    return caught.value.problem.param


def test_nothing_is_stored_and_hidden_reasoning_comes_back(call: Calls, to: To) -> None:
    sent = body(call(USER), to())
    assert (sent["model"], sent["store"], sent["stream"]) == ("gpt-upstream", False, False)
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert sent["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert "include" not in body(call(USER), to(reasoning=ReasoningFlags(shape="none")))
    assert write_request.path(to(), stream=True) == "/responses"


def test_system_text_is_instructions_or_developer_items(call: Calls, to: To) -> None:
    one = Turn(role="system", parts=(Text(text="a"),), path="messages[0]")
    two = Turn(role="developer", parts=(Text(text="b"),), path="messages[1]")
    sent = body(call(one, USER), to())
    assert (sent["instructions"], len(sent["input"])) == ("a", 1)
    sent = body(call(one, two, USER, one, USER), to())
    assert "instructions" not in sent
    assert [item["role"] for item in sent["input"]] == ["developer", "developer", "user", "developer", "user"]
    assert [item["role"] for item in body(call(one), to())["input"]] == ["developer"]


def history(*results: ToolResult) -> tuple[Turn, ...]:
    calls = (ToolCall(id="a", name="f", arguments='{"x": 1}'), ToolCall(id="b", name="f", arguments=""))
    return (
        USER,
        Turn(role="assistant", parts=(Text(text="Let me see."), *calls), path="messages[1]"),
        Turn(role="user", parts=(*results, Text(text="and?")), path="messages[2]"),
    )


def test_T57_text_and_calls_are_both_kept(call: Calls, to: To) -> None:
    answers = (ToolResult(call_id="b", content=(Text(text="2"),)), ToolResult(call_id="a", content=(Text(text="1"),)))
    sent = body(call(*history(*answers)), to())["input"]
    assert [item["type"] for item in sent] == [
        *("message", "message", "function_call", "function_call"),
        *("function_call_output", "function_call_output", "message"),
    ]
    assert sent[1]["content"] == [{"type": "output_text", "text": "Let me see.", "annotations": []}]
    assert [sent[2]["arguments"], sent[3]["arguments"]] == ['{"x": 1}', "{}"]
    assert [(item["call_id"], item["output"]) for item in sent[4:6]] == [("a", "1"), ("b", "2")]


def test_T55_T56_outputs_of_any_shape_are_one_item_each(call: Calls, to: To) -> None:
    picture = Media(kind="image", source=Data("image/png", "AAAA"))
    unknown = Unknown(origin="anthropic/messages", type="tool_reference", raw=Raw(b'{"type":"tool_reference"}'))
    answers = (
        ToolResult(call_id="a", content=(Text(text="see"), picture)),
        ToolResult(call_id="b", content=(unknown,), is_error=True),
    )
    sent = body(call(*history(*answers)), to())["input"]
    assert sent[4]["output"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AAAA"},
    ]
    assert sent[5]["output"] == '[tool_error] {"type":"tool_reference"}'
    empty = (ToolResult(call_id="a", content=()), ToolResult(call_id="b", content=(), is_error=True))
    assert [item["output"] for item in body(call(*history(*empty)), to())["input"][4:6]] == ["", "[tool_error] "]


def test_a_call_without_a_result_is_refused(call: Calls, to: To) -> None:
    with pytest.raises(RequestRefused, match="tool call b has no result"):
        write_request.write(call(*history(ToolResult(call_id="a", content=()))), to(), Losses())


def test_T67_two_objects_are_not_one(call: Calls, to: To) -> None:
    turns = history(ToolResult(call_id="a", content=()), ToolResult(call_id="b", content=()))
    broken = Turn(role="assistant", parts=(ToolCall(id="a", name="f", arguments='{"a":1}{"b":2}'),), path="messages[1]")
    answer = Turn(role="user", parts=(ToolResult(call_id="a", content=()),), path="messages[2]")
    assert refused(call(turns[0], broken, answer), to()) == "messages[1].tool_calls[0].function.arguments"


def test_T94_only_state_of_its_own_goes_back(call: Calls, to: To) -> None:
    thoughts = (
        Thinking(text="mine", signature=Opaque("openai/responses", "gpt", "enc"), summary=True, id="rs_1"),
        Thinking(text="", signature=Opaque("openai/responses", "", "native")),
        Thinking(text="other model's", signature=Opaque("openai/responses", "grok", "enc")),
        Thinking(text="claude's", signature=Opaque("anthropic/messages", "claude", "sig")),
        Thinking(text="unsigned"),
        Text(text="done"),
    )
    conversation = (USER, Turn(role="assistant", parts=thoughts, path="messages[1]"), USER)
    sent = [item for item in body(call(*conversation), to())["input"] if item["type"] == "reasoning"]
    assert sent == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "mine"}],
            "encrypted_content": "enc",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "native"},
    ]
    open_minded = to(reasoning=ReasoningFlags(roundtrip=True))
    texts = [
        item["content"][0]["text"]
        for item in body(call(*conversation), open_minded)["input"]
        if item.get("content") and item["type"] == "reasoning"
    ]
    assert texts == ["other model's", "claude's", "unsigned"]
    assert lost(call(*conversation), to()) == ""


def test_T85_strict_is_always_said(call: Calls, to: To) -> None:
    tools = (Tool(name="f", path="tools[0]"), Tool(name="g", strict=True, parameters=Raw(b'{"type":"object"}')))
    sent = body(call(USER, tools=tools), to())["tools"]
    assert sent[0] == {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    assert sent[1]["strict"] is True
    assert "strict" not in body(call(USER, tools=tools), to(strict_tools=False))["tools"][0]


def test_custom_tools_and_their_stand_in(call: Calls, to: To) -> None:
    tool = Tool(name="sql", custom=True, format=Raw(b'{"type":"text"}'), path="tools[0]")
    turns = (
        USER,
        Turn(
            role="assistant",
            parts=(ToolCall(id="a", name="sql", arguments="SELECT 1", custom=True),),
            path="messages[1]",
        ),
        Turn(role="user", parts=(ToolResult(call_id="a", content=(Text(text="1"),)),), path="messages[2]"),
    )
    choice = ToolChoice(mode="required", names=("sql",))
    sent = body(call(*turns, tools=(tool,), tool_choice=choice), to(custom_tools=True))
    assert sent["tools"] == [{"type": "custom", "name": "sql", "format": {"type": "text"}}]
    assert sent["tool_choice"] == {"type": "custom", "name": "sql"}
    assert [item["type"] for item in sent["input"][1:]] == ["custom_tool_call", "custom_tool_call_output"]
    assert sent["input"][1]["input"] == "SELECT 1"
    sent = body(call(*turns, tools=(tool,), tool_choice=choice), to())
    assert sent["tools"][0]["parameters"]["required"] == ["input"]
    assert sent["tool_choice"] == {"type": "function", "name": "sql"}
    assert json.loads(sent["input"][1]["arguments"]) == {"input": "SELECT 1"}
    grammar = Tool(name="g", custom=True, format=Raw(b'{"type":"grammar"}'), path="tools[0]")
    assert refused(call(USER, tools=(grammar,)), to()) == "tools[0].format"


def test_T75_tools_that_another_provider_runs(call: Calls, to: To) -> None:
    bash = HostedTool(origin="anthropic/messages", type="bash_20250124", raw=Raw(b"{}"), path="tools[0]")
    search = HostedTool(
        origin="anthropic/messages",
        type="web_search_20250305",
        kind="web_search",
        raw=Raw(b'{"allowed_domains":["a.org"],"user_location":{"type":"approximate","city":"Ulm"},"max_uses":3}'),
        path="tools[0]",
    )
    assert refused(call(USER, tools=(bash,)), to(web_search=True)) == "tools[0]"
    assert refused(call(USER, tools=(search,)), to()) == "tools[0]"
    assert body(call(USER, tools=(search,)), to(web_search=True))["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.org"]},
            "user_location": {"type": "approximate", "city": "Ulm"},
        }
    ]
    assert lost(call(USER, tools=(search,)), to(web_search=True)) == "dropped=tools[0].max_uses"


def test_choices_among_tools(call: Calls, to: To) -> None:
    tools = (Tool(name="f"), Tool(name="g"))
    for choice, expected in (
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required", names=("f",)), {"type": "function", "name": "f"}),
        (
            ToolChoice(mode="auto", names=("f",)),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ):
        assert body(call(USER, tools=tools, tool_choice=choice), to())["tool_choice"] == expected
    assert "tool_choice" not in body(call(USER, tool_choice=ToolChoice(mode="auto")), to())
    assert body(call(USER, tools=tools, parallel_tools=False), to())["parallel_tool_calls"] is False
    assert lost(call(USER, tools=tools, parallel_tools=False), to(parallel_tools=False)) == "dropped=parallel_tools"
    assert refused(call(USER, tools=tools), to(tools=False)) == "tools"


def test_T77_cache_marks_where_they_are_known(call: Calls, to: To) -> None:
    turn = Turn(role="user", parts=(Text(text="hi", cache=CacheMark("1h")),), path="messages[0]")
    assert "prompt_cache_breakpoint" not in json.dumps(body(call(turn), to()))
    part = body(call(turn), to(cache="openai-breakpoints"))["input"][0]["content"][0]
    assert part["prompt_cache_breakpoint"] == {"mode": "explicit"}


def test_T76_members_of_another_protocol_never_arrive(call: Calls, to: To) -> None:
    ext = {"context_management": Raw(b'{"edits":[]}'), "prompt_cache_key": Raw(b'"k"')}
    asked = call(USER, origin="anthropic/messages", ext=ext)
    assert "context_management" not in body(asked, to())
    assert lost(asked, to()) == "dropped=context_management,prompt_cache_key"
    assert body(call(USER, ext={"prompt_cache_key": Raw(b'"k"')}), to())["prompt_cache_key"] == "k"


def test_limits(call: Calls, to: To) -> None:
    names = {"max_tokens": "max_completion_tokens"}
    assert body(call(USER, max_tokens=100), to())["max_output_tokens"] == 100
    assert lost(call(USER, max_tokens=5, names=names), to()) == "changed=max_completion_tokens:5>16"
    assert (
        lost(call(USER, max_tokens=500, names=names), to(max_output_tokens=100))
        == "changed=max_completion_tokens:500>100"
    )
    assert refused(call(USER, stop=("x",), names={"stop": "stop_sequences"}), to()) == "stop_sequences"
    assert refused(call(USER, n=2), to()) == "n"
    assert refused(call(USER, modalities=("text", "audio")), to()) == "modalities"


def test_sampling(call: Calls, to: To) -> None:
    hints = Sampling(
        temperature=0.5, top_p=1.0, top_k=5, seed=1, frequency_penalty=0, presence_penalty=1, logit_bias={"1": 1}
    )
    asked = call(USER, sampling=hints)
    sent = body(asked, to())
    assert (sent["temperature"], sent["top_p"]) == (0.5, 1.0)
    assert lost(asked, to()) == "dropped=top_k,seed,presence_penalty,logit_bias"
    assert lost(call(USER, sampling=Sampling(temperature=0.5, top_p=1)), to(sampling=False)) == "dropped=temperature"
    logprobs = call(USER, sampling=Sampling(logprobs=True, top_logprobs=2))
    assert refused(logprobs, to()) == "logprobs"
    sent = body(logprobs, to(logprobs=True))
    assert sent["top_logprobs"] == 2
    assert "message.output_text.logprobs" in sent["include"]


def test_reasoning_and_format(call: Calls, to: To) -> None:
    sent = body(call(USER, reasoning=Reasoning(effort="high", expose="full")), to())
    assert sent["reasoning"] == {"effort": "high", "summary": "auto"}
    assert "reasoning" not in body(call(USER), to())
    schema = OutputFormat(kind="json_schema", schema=Raw(b'{"type":"object"}'), path="response_format")
    sent = body(call(USER, format=schema, verbosity="low"), to())["text"]
    assert sent["format"] == {"type": "json_schema", "name": "response", "schema": {"type": "object"}, "strict": False}
    assert sent["verbosity"] == "low"
    assert refused(call(USER, format=schema), to(structured_output="json_object")) == "response_format"


def test_hints(call: Calls, to: To) -> None:
    sent = body(call(USER, user="u" * 80, metadata={"k": "v"}, tier="flex"), to(service_tiers=("flex",)))
    assert len(sent["safety_identifier"]) == 64
    assert (sent["metadata"], sent["service_tier"]) == ({"k": "v"}, "flex")
    assert lost(call(USER, tier="priority"), to()) == "dropped=tier"
    assert lost(call(USER, tier="default"), to()) == ""


def test_media(call: Calls, to: To) -> None:
    parts = (
        Media(kind="image", source=Url("https://x/i.png"), detail="high"),
        Media(kind="file", source=Data("application/pdf", "JVBE"), name="a.pdf"),
        Media(kind="file", source=Url("https://x/a.pdf")),
        Media(kind="image", source=FileRef("file_1", "openai/chat-completions")),
        Media(kind="audio", source=Data("audio/mpeg", "SUQz")),
        Document(text="body", title="T", source="S"),
    )
    sent = body(call(Turn(role="user", parts=parts, path="m")), to())["input"][0]["content"]
    assert sent == [
        {"type": "input_image", "detail": "high", "image_url": "https://x/i.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_image", "detail": "auto", "file_id": "file_1"},
        {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        {"type": "input_text", "text": "T — S\nbody"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Media(kind="video", source=Url("https://x/v.mp4")),
        Media(kind="image", source=FileRef("file_1", "anthropic/messages")),
        Media(kind="audio", source=Data("audio/flac", "AAAA")),
    ],
)
def test_media_that_has_no_place(part: Media, call: Calls, to: To) -> None:
    assert refused(call(Turn(role="user", parts=(part,), path="m")), to()).startswith("m.content[0].")


def test_media_that_the_model_does_not_take(call: Calls, to: To) -> None:
    image = Media(kind="image", source=Url("https://x/i.png"))
    assert (
        refused(call(Turn(role="user", parts=(image,), path="m")), to(input=("text",))) == "m.content[0].image_url.url"
    )
    picture = Media(kind="image", source=Data("image/png", "AAAA"))
    turns = (USER, Turn(role="assistant", parts=(picture,), path="messages[1]"), USER)
    assert refused(call(*turns), to()) == "messages[1].content[0]"


def test_a_prefill_is_refused(call: Calls, to: To) -> None:
    assert (
        refused(call(USER, Turn(role="assistant", parts=(Text(text="So"),), path="messages[1]")), to()) == "messages[1]"
    )


def test_its_own_requests_come_back_whole(to: To) -> None:
    """Reader and writer agree: what the reader made of a request, the writer makes that request of again."""
    request = {
        "model": "gpt-upstream",
        "instructions": "be brief",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "summary": [], "id": "rs_1", "encrypted_content": "enc"},
            {
                "type": "message",
                "role": "assistant",
                "phase": "commentary",
                "content": [{"type": "output_text", "text": "a", "annotations": []}],
            },
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "defer_loading": True},
            {"type": "file_search", "vector_store_ids": ["v"]},
        ],
        "tool_choice": "auto",
        "reasoning": {"effort": "low", "summary": "auto", "mode": "pro"},
        "truncation": "auto",
        "include": ["reasoning.encrypted_content", "file_search_call.results"],
        "stream": True,
        "store": False,
    }
    call = read_request.read(json.dumps(request).encode(), model="public", stream=True)
    losses = Losses()
    assert body(call, to(), losses) == request
    assert not losses


def test_T113_counting_asks_for_the_prompt_alone(call: Calls, to: To) -> None:
    asked = call(USER, tools=(Tool(name="f"),), max_tokens=100, stream=True)
    sent = json.loads(input_tokens.ask(asked, to(), Losses()))
    assert sent.keys() == {"model", "input", "tools"}
    assert input_tokens.answer(b'{"object":"response.input_tokens","input_tokens":7}') == 7
    assert input_tokens.write(7) == b'{"object":"response.input_tokens","input_tokens":7}'
    assert input_tokens.read(b'{"model":"m","instructions":"x"}', model="m").turns[0].role == "system"
    with pytest.raises(RequestRefused):
        input_tokens.answer(b"{}")
