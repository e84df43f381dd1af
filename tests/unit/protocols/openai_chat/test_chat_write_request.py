"""A canonical call as the request of a Chat provider, in the dialect its model knows (protocols 2.1, 2.3, 2.5, 2.8)."""

from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.capabilities import ReasoningFlags
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
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.openai_chat import write_request
from tests.support.chat import call, destination, read, sent, turn

HI = turn("user", Text(text="hi"))
TOOL = Tool(name="f", path="tools[0]")
IMAGE = Media(kind="image", source=Data("image/png", "AAAA"))
SEEING: dict[str, Any] = {"input": ("text", "image", "audio", "file")}


def refused(asked: ChatCall, **flags: Any) -> str | None:
    with pytest.raises(RequestRefused) as caught:
        sent(asked, **flags)
    return caught.value.problem.param


def lost(asked: ChatCall, **flags: Any) -> str:
    losses = Losses()
    sent(asked, losses, **flags)
    return losses.header()


def used(*parts: Any) -> tuple[Turn, ...]:
    """An assistant's call `a` of `f`, and the user turn that answers it."""
    return (turn("assistant", ToolCall(id="a", name="f", arguments="{}")), turn("user", *parts))


def test_the_plain_case() -> None:
    assert sent(call(HI, max_tokens=9, stream=True)) == {
        "model": "upstream",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert write_request.path(destination(), stream=True) == "/chat/completions"


@pytest.mark.parametrize("how", ["always", "never"])
def test_usage_is_asked_for_only_where_that_is_an_option(how: str) -> None:
    assert "stream_options" not in sent(call(HI, stream=True), stream_usage=how)


def test_T60_instructions_are_one_string_unless_lists_are_known() -> None:
    two = turn("system", Text(text="a", cache=CacheMark()), Text(text="b"))
    assert sent(call(two, HI))["messages"][0] == {"role": "system", "content": "a\n\nb"}
    assert sent(call(two, HI), system_parts=True)["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert sent(call(two, HI), developer_role=True)["messages"][0]["role"] == "developer"


def test_T77_cache_marks_become_breakpoints_or_vanish() -> None:
    marked = turn("user", Text(text="a", cache=CacheMark("1h")), Text(text="b"))
    assert "cache" not in str(sent(call(marked, tools=(Tool(name="f", cache=CacheMark()),))))
    assert sent(call(marked), cache="openai-breakpoints")["messages"][0]["content"][0] == {
        "type": "text",
        "text": "a",
        "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"},
    }


def test_a_system_turn_in_the_middle() -> None:
    late = turn("system", Text(text="now"), path="messages[2]")
    both = call(HI, turn("assistant", Text(text="yes")), late, HI)
    assert [one["role"] for one in sent(both)["messages"]] == ["user", "assistant", "system", "user"]
    assert [one["role"] for one in sent(both, mid_system=False)["messages"]] == ["user", "assistant", "user", "user"]
    assert lost(both, mid_system=False) == "placed=messages[2]@user"


def test_T54_results_come_first_and_the_text_beside_them_is_kept() -> None:
    result = ToolResult(call_id="a", content=(Text(text="4"),))
    assert sent(call(*used(Text(text="x"), result, Text(text="y"))))["messages"][1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "4"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
    ]


def test_T55_T56_every_result_is_one_message_whatever_it_holds() -> None:
    odd = Unknown(origin="anthropic/messages", type="tool_reference", raw=Raw(b'{"type":"tool_reference"}'))
    found = Document(text="body", title="T", source="S")
    for content, text in (
        ((), ""),
        ((odd,), '{"type":"tool_reference"}'),
        ((Text(text="a"), Text(text="b")), "a\nb"),
        ((found,), "T — S\nbody"),
    ):
        (message,) = sent(call(*used(ToolResult(call_id="a", content=content))))["messages"][1:]
        assert message == {"role": "tool", "tool_call_id": "a", "content": text}


def test_T56_images_of_results_follow_all_of_them() -> None:
    turns = (
        turn("assistant", *(ToolCall(id=id, name="f", arguments="{}") for id in "ab")),
        turn(
            "user",
            ToolResult(call_id="a", content=(Text(text="see"), IMAGE)),
            ToolResult(call_id="b", content=(Text(text="no"),), is_error=True),
            Text(text="?"),
        ),
    )
    assert sent(call(*turns), **SEEING)["messages"][1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "see\n[image 1 of call a]"},
        {"role": "tool", "tool_call_id": "b", "content": "[tool_error] no"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "[image 1 of call a]"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "user", "content": "?"},
    ]


def test_T63_content_is_null_only_beside_calls_without_text() -> None:
    answer = ToolResult(call_id="a", content=())
    assert sent(call(*used(answer)))["messages"][0] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    spoken = turn("assistant", Text(text="I "), Refusal("No."), Text(text="see"))
    assert sent(call(HI, spoken))["messages"][1] == {"role": "assistant", "content": "I see", "refusal": "No."}


@pytest.mark.parametrize("arguments", ['{"a":1}{"b":2}', "[1]", '{"a":', "x"])
def test_T67_arguments_in_the_history_must_be_one_object(arguments: str) -> None:
    asked = turn("assistant", ToolCall(id="a", name="f", arguments=arguments), path="messages[1]")
    answer = turn("user", ToolResult(call_id="a", content=()))
    assert refused(call(HI, asked, answer)) == "messages[1].content[0].input"


def test_no_arguments_are_the_empty_object() -> None:
    asked = turn("assistant", ToolCall(id="a", name="f", arguments=""))
    answer = turn("user", ToolResult(call_id="a", content=()))
    assert sent(call(asked, answer))["messages"][0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_T100_reasoning_goes_back_only_where_it_is_wanted() -> None:
    spoken = turn("assistant", Thinking(text="hm"), Text(text="so"))
    assert sent(call(HI, spoken))["messages"][1] == {"role": "assistant", "content": "so"}
    wanted = sent(call(HI, spoken), reasoning=ReasoningFlags(roundtrip=True))["messages"][1]
    assert wanted["reasoning_content"] == "hm"


def test_reasoning_state_goes_back_to_its_own_family_as_it_came() -> None:
    payload = '{"type":"reasoning.text","format":"x-v1","signature":"SIG"}'
    own = turn("assistant", Thinking(text="hm", signature=Opaque("openai/chat-completions", "gpt", payload)))
    assert sent(call(HI, own))["messages"][1]["reasoning_details"] == [
        {"index": 0, "type": "reasoning.text", "format": "x-v1", "text": "hm", "signature": "SIG"}
    ]
    foreign = turn("assistant", Thinking(text="hm", signature=Opaque("anthropic/messages", "claude", "SIG")))
    assert "SIG" not in str(sent(call(HI, foreign)))
    other = call(HI, own)
    assert "SIG" not in str(sent(other, family="kimi"))


def test_a_calls_state_goes_back_where_google_puts_it() -> None:
    state = Opaque("openai/chat-completions", "gemini", "AAAA")
    asked = turn("assistant", ToolCall(id="a", name="f", arguments="{}", signature=state))
    both = call(asked, turn("user", ToolResult(call_id="a", content=())))
    assert sent(both, family="gemini")["messages"][0]["tool_calls"][0]["extra_content"] == {
        "google": {"thought_signature": "AAAA"}
    }
    assert "extra_content" not in str(sent(both))


def test_media_that_the_protocol_takes() -> None:
    found = sent(
        call(
            turn(
                "user",
                Media(kind="image", source=Url("https://a/b"), detail="low"),
                Media(kind="audio", source=Data("audio/mp3", "AAAA")),
                Media(kind="file", source=Data("application/pdf", "AAAA"), name="a.pdf"),
                Media(kind="file", source=Data("text/plain", "aGk="), name="a.txt"),
                Media(kind="file", source=FileRef("file-1", "openai/responses")),
            )
        ),
        **SEEING,
    )
    assert found["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        {"type": "text", "text": "a.txt\nhi"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


@pytest.mark.parametrize(
    ("part", "flags"),
    [
        (IMAGE, {}),
        (Media(kind="image", source=Url("https://a")), {**SEEING, "image_url": False}),
        (Media(kind="audio", source=Data("audio/flac", "AAAA")), SEEING),
        (Media(kind="video", source=Data("video/mp4", "AAAA")), {"input": ("text", "video")}),
        (Media(kind="file", source=Url("https://a/b.pdf")), SEEING),
        (Media(kind="file", source=Data("application/zip", "AAAA")), SEEING),
        (Media(kind="file", source=Data("application/pdf", "AAAA")), {**SEEING, "pdf": False}),
        (Media(kind="file", source=FileRef("f", "anthropic/messages")), SEEING),
        (Media(kind="file", source=Data("text/plain", "/w==")), SEEING),
    ],
)
def test_media_that_it_does_not_take_is_refused(part: Media, flags: dict[str, Any]) -> None:
    assert refused(call(turn("user", part, path="messages[3]")), **flags) == "messages[3].content[0].source"


def test_generated_media_in_the_history_is_refused() -> None:
    assert refused(call(HI, turn("assistant", IMAGE, path="messages[1]")), **SEEING) == "messages[1].content[0]"


def test_tools_and_their_choice() -> None:
    strict = Tool(name="f", description="d", parameters=Raw(b'{"properties":{}}'), strict=True, path="tools[0]")
    found = sent(call(HI, tools=(strict,), tool_choice=ToolChoice(mode="required", names=("f",)), parallel_tools=False))
    assert found["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        }
    ]
    assert found["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert found["parallel_tool_calls"] is False
    assert lost(call(HI, tools=(strict,)), strict_tools=False) == "dropped=tools[0].strict"
    assert refused(call(HI, tools=(strict,)), tools=False) == "tools"
    assert "tool_choice" not in sent(call(HI, tool_choice=ToolChoice(mode="none")))


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_subset_of_tools(mode: Any) -> None:
    asked = call(HI, tools=(TOOL, Tool(name="g")), tool_choice=ToolChoice(mode=mode, names=("f", "g")))
    assert sent(asked)["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": mode, "tools": [{"type": "function", "function": {"name": n}} for n in "fg"]},
    }


def test_a_model_that_cannot_be_forced() -> None:
    asked = call(HI, tools=(TOOL,), tool_choice=ToolChoice(mode="required"))
    assert sent(asked, tool_choice_required=False)["tool_choice"] == "auto"
    assert lost(asked, tool_choice_required=False) == "changed=tool_choice:required>auto"


def test_custom_tools_are_native_or_wrapped() -> None:
    shell = Tool(name="sh", custom=True, path="tools[0]")
    used_before = (
        turn("assistant", ToolCall(id="a", name="sh", arguments="ls", custom=True)),
        turn("user", ToolResult(call_id="a", content=())),
    )
    native = sent(call(*used_before, tools=(shell,)), custom_tools=True)
    assert native["tools"] == [{"type": "custom", "custom": {"name": "sh"}}]
    assert native["messages"][0]["tool_calls"][0]["custom"] == {"name": "sh", "input": "ls"}
    wrapped = sent(call(*used_before, tools=(shell,)))
    assert wrapped["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert wrapped["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"input":"ls"}'
    grammar = Tool(name="sh", custom=True, format=Raw(b'{"type":"grammar"}'), path="tools[0]")
    assert refused(call(HI, tools=(grammar,))) == "tools[0]"


def test_T75_tools_that_nobody_could_run_are_refused() -> None:
    bash = HostedTool(origin="anthropic/messages", type="bash_20250124", raw=Raw(b"{}"), path="tools[1]")
    assert refused(call(HI, tools=(TOOL, bash))) == "tools[1]"
    search = HostedTool(
        origin="anthropic/messages",
        type="web_search_20250305",
        raw=Raw(b'{"type":"web_search_20250305","name":"web_search","max_uses":3,"user_location":{"city":"Ulm"}}'),
        kind="web_search",
        path="tools[0]",
    )
    assert refused(call(HI, tools=(search,))) == "tools[0]"
    assert sent(call(HI, tools=(search,)), web_search=True)["web_search_options"] == {
        "user_location": {"type": "approximate", "approximate": {"city": "Ulm"}}
    }
    assert lost(call(HI, tools=(search,)), web_search=True) == "dropped=tools[0].max_uses"


def test_T73_limits() -> None:
    assert sent(call(HI, max_tokens=9), max_tokens_field="max_completion_tokens")["max_completion_tokens"] == 9
    spelled = call(HI, max_tokens=99, names={"max_tokens": "generationConfig.maxOutputTokens"})
    assert sent(spelled, max_output_tokens=50)["max_tokens"] == 50
    assert lost(spelled, max_output_tokens=50) == "changed=generationConfig.maxOutputTokens:99>50"
    assert refused(call(HI, max_tokens=0)) == "max_tokens"
    assert refused(call(HI, stop=tuple("abcde"), names={"stop": "stop_sequences"})) == "stop_sequences"
    assert len(sent(call(HI, stop=tuple("abcde")), stop_max=8)["stop"]) == 5
    assert refused(call(HI, n=2)) == "n"
    assert sent(call(HI, n=2), n_max=4)["n"] == 2


def test_sampling_is_taken_dropped_or_idle() -> None:
    asked = call(HI, sampling=Sampling(temperature=0.5, top_k=5, frequency_penalty=0.0, presence_penalty=1.0, seed=7))
    found = sent(asked, penalties=False)
    assert (found["temperature"], found["seed"], "top_k" in found) == (0.5, 7, False)
    assert lost(asked, penalties=False) == "dropped=top_k,presence_penalty"
    assert sent(asked, top_k=True)["top_k"] == 5
    assert lost(call(HI, sampling=Sampling(temperature=1.0, top_p=1.0)), sampling=False) == ""
    assert refused(call(HI, sampling=Sampling(logprobs=True))) == "logprobs"
    assert sent(call(HI, sampling=Sampling(logprobs=True, top_logprobs=3)), logprobs=True)["top_logprobs"] == 3


@pytest.mark.parametrize(
    ("asked", "flags", "written"),
    [
        (Reasoning(effort="high"), ReasoningFlags(), {"reasoning_effort": "high"}),
        (Reasoning(budget=2000), ReasoningFlags(), {"reasoning_effort": "medium"}),
        (Reasoning(effort="max"), ReasoningFlags(values=("low", "high")), {"reasoning_effort": "high"}),
        (Reasoning(effort="high"), ReasoningFlags(shape="toggle"), {"enable_thinking": True}),
        (Reasoning(effort="none"), ReasoningFlags(shape="toggle"), {"enable_thinking": False}),
        (Reasoning(effort="none"), ReasoningFlags(shape="toggle", always_on=True), {}),
        (Reasoning(budget=0), ReasoningFlags(shape="budget"), {"enable_thinking": False}),
        (Reasoning(budget=2000), ReasoningFlags(shape="budget"), {"enable_thinking": True, "thinking_budget": 2000}),
        (Reasoning(effort="high"), ReasoningFlags(shape="none"), {}),
        (Reasoning(), ReasoningFlags(shape="toggle"), {}),
    ],
)
def test_T96_reasoning_in_the_models_own_dialect(asked: Reasoning, flags: ReasoningFlags, written: Any) -> None:
    found = sent(call(HI, reasoning=asked), reasoning=flags)
    assert {name: found[name] for name in found.keys() - {"model", "messages"}} == written


def test_formats_are_held_to_or_refused() -> None:
    wanted = OutputFormat(kind="json_schema", name="a b!", schema=Raw(b'{"type":"object"}'), path="text.format")
    assert sent(call(HI, format=wanted))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "a_b_", "schema": {"type": "object"}},
    }
    assert refused(call(HI, format=wanted), structured_output="json_object") == "text.format"
    plain = OutputFormat(kind="json_object")
    assert sent(call(HI, format=plain), structured_output="json_object")["response_format"] == {"type": "json_object"}
    assert refused(call(HI, format=plain), structured_output="none") == "format"
    assert refused(call(HI, modalities=("text", "audio"))) == "modalities"
    assert "modalities" not in sent(call(HI, modalities=("text",)))


def test_hints() -> None:
    found = sent(
        call(HI, tier="flex", user="u" * 65, metadata={"k": "v"}, store=True, verbosity="low"), service_tiers=("flex",)
    )
    assert (found["service_tier"], found["metadata"], found["store"], found["verbosity"]) == (
        "flex",
        {"k": "v"},
        True,
        "low",
    )
    assert len(found["safety_identifier"]) == 64
    assert lost(call(HI, tier="priority")) == "dropped=tier"
    assert lost(call(HI, tier="default", store=False)) == ""


def test_T76_what_another_protocol_keeps_to_itself_never_goes_out() -> None:
    foreign = call(
        Turn(role="user", parts=(Text(text="hi"),), path="messages[0]", ext={"own": Raw(b"1")}),
        ext={"context_management": Raw(b'{"edits":[1]}'), "idle": Raw(b"[]")},
        tools=(Tool(name="f", path="tools[0]", ext={"defer_loading": Raw(b"true")}),),
    )
    text = str(sent(foreign))
    assert not any(word in text for word in ("context_management", "own", "defer_loading", "idle"))
    assert lost(foreign) == "dropped=context_management,messages[0].own,tools[0].defer_loading"


def test_a_call_of_this_protocol_keeps_what_is_its_own() -> None:
    asked = read(
        messages=[{"role": "user", "content": "hi", "own": 1}],
        tools=[{"type": "function", "function": {"name": "f"}, "more": True}, {"type": "x:search", "y": 1}],
        prompt_cache_key="p",
    )
    found = sent(asked)
    assert found["messages"][0]["own"] == 1
    assert found["tools"] == [
        {"type": "function", "function": {"name": "f"}, "more": True},
        {"type": "x:search", "y": 1},
    ]
    assert found["prompt_cache_key"] == "p"


def test_a_missing_result_is_refused() -> None:
    unanswered = turn("assistant", ToolCall(id="a", name="f", arguments="{}"), path="messages[1]")
    assert refused(call(HI, unanswered, HI)) == "messages[1]"
