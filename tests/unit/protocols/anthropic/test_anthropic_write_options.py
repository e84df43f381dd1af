"""A canonical call as a Messages request for the provider: tools and parameters (protocols 2.1.3 to 2.1.6)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.capabilities import ReasoningFlags
from nexusflow.ir.chat import (
    HostedTool,
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
)
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.loss import Losses
from tests.support.messages import chat, read, turn, written

F = Tool(name="f", parameters=Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'), path="tools[0]")
G = Tool(name="g", path="tools[1]")
HELLO = turn("user", Text(text="Hello"))
ADAPTIVE = ReasoningFlags(shape="adaptive", values=("low", "medium", "high", "xhigh", "max"))
BUDGET = ReasoningFlags(shape="budget")


def losing(flags: dict[str, Any] | None = None, **fields: Any) -> tuple[dict[str, Any], str]:
    losses = Losses()
    return written(chat(**fields), losses, **(flags or {})), losses.header()


def refused(flags: dict[str, Any] | None = None, **fields: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        written(chat(**fields), **(flags or {}))
    assert caught.value.problem.kind is Kind.PARAM
    return caught.value.problem


def test_tools_have_an_object_schema() -> None:
    body, lost = losing(tools=(F, G))
    assert body["tools"] == [
        {"name": "f", "input_schema": json.loads(bytes(F.parameters or b""))},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert not lost


def test_T83_older_definitions_are_renamed() -> None:
    old = Raw(b'{"type":"object","properties":{"a":{"$ref":"#/definitions/A"}},"definitions":{"A":{"type":"string"}}}')
    (tool,) = losing(tools=(Tool(name="f", parameters=old),))[0]["tools"]
    assert tool["input_schema"]["$defs"] == {"A": {"type": "string"}}


def test_T85_strict_is_taken_or_told_as_lost() -> None:
    strict = Tool(name="f", strict=True, path="tools[0]")
    assert losing(tools=(strict,))[0]["tools"][0]["strict"] is True
    body, lost = losing({"strict_tools": False}, tools=(strict,))
    assert "strict" not in body["tools"][0]
    assert lost == "dropped=tools[0].strict"


def test_free_form_tools_are_wrapped_and_grammars_refused() -> None:
    custom = Tool(name="f", custom=True)
    assert losing(tools=(custom,))[0]["tools"][0]["input_schema"]["required"] == ["input"]
    grammar = Tool(name="f", custom=True, format=Raw(b'{"type":"grammar"}'), path="tools[0]")
    assert refused(tools=(grammar,)).param == "tools[0]"


def test_hosted_tools() -> None:
    search = HostedTool(
        origin="openai/responses",
        type="web_search",
        raw=Raw(b'{"type":"web_search","filters":{}}'),
        kind="web_search",
        path="tools[0]",
    )
    body, lost = losing({"web_search": True}, tools=(search,))
    assert body["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]
    assert lost == "dropped=tools[0].filters"
    assert refused(tools=(search,)).param == "tools[0]"
    native = {"type": "bash_20250124", "name": "bash"}
    assert written(read(tools=[native]))["tools"] == [native]


def test_tools_need_a_model_that_takes_them_and_names_that_fit() -> None:
    assert refused({"tools": False}, tools=(F,)).param == "tools"
    assert refused(tools=(Tool(name="a.b", path="tools[0]"),)).param == "tools[0]"


def test_T64_history_with_calls_gets_definitions_that_may_not_be_called() -> None:
    call = ToolCall(id="t", name="f", arguments="{}")
    turns = (HELLO, turn("assistant", call), turn("user", ToolResult(call_id="t", content=())))
    body = written(chat(*turns))
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),  # T66
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="required", names=("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
    ],
)
def test_T65_T66_the_choice(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    body = written(chat(tools=(F, G), tool_choice=choice, parallel_tools=parallel))
    assert body.get("tool_choice") == expected
    assert len(body["tools"]) == 2


def test_a_choice_among_some_leaves_the_others_out() -> None:
    body, lost = losing(tools=(F, G), tool_choice=ToolChoice(mode="required", names=("g", "h")))
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "any"}
    assert lost == "dropped=tools[0]"


def test_without_tools_there_is_no_choice() -> None:
    assert "tool_choice" not in written(chat(tool_choice=ToolChoice(mode="auto"), parallel_tools=False))


def test_a_model_that_cannot_be_forced() -> None:
    flags = {"tool_choice_required": False}
    assert refused(flags, tools=(F,), tool_choice=ToolChoice(mode="required")).param == "tool_choice"


@pytest.mark.parametrize(
    ("wanted", "flags", "expected", "lost"),
    [
        (50, {}, 50, ""),  # T73
        (None, {"default_max_tokens": 70, "max_output_tokens": 90}, 70, ""),
        (None, {"max_output_tokens": 90}, 90, ""),
        (100, {"max_output_tokens": 90}, 90, "changed=max_completion_tokens:100>90"),
    ],
)
def test_T73_max_tokens_is_always_there(wanted: int | None, flags: dict[str, Any], expected: int, lost: str) -> None:
    body, header = losing(flags, max_tokens=wanted, names={"max_tokens": "max_completion_tokens"})
    assert (body["max_tokens"], header) == (expected, lost)


@pytest.mark.parametrize(
    ("sampling", "flags", "expected", "lost"),
    [
        (Sampling(temperature=0.5), {}, {"temperature": 0.5}, ""),
        (Sampling(temperature=1.4), {}, {}, "changed=temperature:1.4>1"),
        (Sampling(temperature=1, top_p=1), {"sampling": False}, {}, ""),
        (Sampling(temperature=0, top_p=0.5), {"sampling": False}, {}, "dropped=temperature,top_p"),
        (Sampling(temperature=0.5, top_p=0.5), {}, {"temperature": 0.5}, "dropped=top_p"),
        (Sampling(top_p=0.5, top_k=3), {"top_k": True}, {"top_p": 0.5, "top_k": 3}, ""),
        (Sampling(top_k=3), {}, {}, "dropped=top_k"),
        (Sampling(seed=1, frequency_penalty=0, presence_penalty=1), {}, {}, "dropped=seed,presence_penalty"),
        (Sampling(logprobs=False, logit_bias={"1": 2}), {}, {}, "dropped=logit_bias"),
    ],
)
def test_sampling(sampling: Sampling, flags: dict[str, Any], expected: dict[str, Any], lost: str) -> None:
    body, header = losing(flags, sampling=sampling)
    found = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    assert (found, header) == (expected, lost)
    assert body.keys() & {"seed", "frequency_penalty", "presence_penalty", "logit_bias"} == set()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"modalities": ("text", "audio")}, "modalities"),
    ],
)
def test_what_would_change_the_answers_shape_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_what_has_no_effect_or_is_a_hint() -> None:
    assert losing(n=1, modalities=("text",), store=False, verbosity="medium")[1] == ""
    lost = losing(verbosity="low", store=True, metadata={"a": "b"}, names={"store": "storage"})[1]
    assert lost == "dropped=verbosity,storage,metadata"


def test_T72_stop_sequences() -> None:
    assert losing(stop=("A", "B"))[0]["stop_sequences"] == ["A", "B"]
    body, lost = losing(stop=("\n",))
    assert "stop_sequences" not in body
    assert lost == "dropped=stop"
    assert refused({"stop_max": 1}, stop=("A", "B")).param == "stop"


@pytest.mark.parametrize(
    ("tier", "flags", "expected", "lost"),
    [
        ("default", {}, {"service_tier": "standard_only"}, ""),
        ("priority", {}, {"service_tier": "auto"}, ""),
        ("auto", {}, {}, ""),
        ("flex", {}, {}, "dropped=tier"),
        ("fast", {"service_tiers": ("fast",)}, {"speed": "fast"}, ""),
        ("fast", {}, {}, "dropped=tier"),
    ],
)
def test_service_tiers(tier: str, flags: dict[str, Any], expected: dict[str, str], lost: str) -> None:
    body, header = losing(flags, tier=tier)
    assert ({name: body[name] for name in ("service_tier", "speed") if name in body}, header) == (expected, lost)


def test_the_user_and_the_stream() -> None:
    body = written(chat(user="u", stream=True))
    assert (body["metadata"], body["stream"]) == ({"user_id": "u"}, True)
    assert "stream" not in written(chat())


@pytest.mark.parametrize(
    ("flags", "wanted", "thinking", "effort"),
    [
        (ADAPTIVE, Reasoning(), None, None),
        (ADAPTIVE, Reasoning(effort="high"), {"type": "adaptive", "display": "summarized"}, "high"),
        (ADAPTIVE, Reasoning(effort="low", expose="none"), {"type": "adaptive", "display": "omitted"}, "low"),
        (ADAPTIVE, Reasoning(expose="summary"), {"type": "adaptive", "display": "summarized"}, None),
        (ADAPTIVE, Reasoning(budget=8000), {"type": "adaptive", "display": "summarized"}, "medium"),
        (ADAPTIVE, Reasoning(effort="none"), {"type": "disabled"}, None),
        (
            ReasoningFlags(shape="adaptive", legacy_budget=True),
            Reasoning(budget=2000),
            {"type": "enabled", "budget_tokens": 2000},
            None,
        ),
        (BUDGET, Reasoning(effort="medium"), {"type": "enabled", "budget_tokens": 8192}, None),
        (BUDGET, Reasoning(budget=0), {"type": "disabled"}, None),
        (BUDGET, Reasoning(budget=-1), None, None),
        (ReasoningFlags(shape="effort"), Reasoning(effort="high"), None, "high"),
    ],
)
def test_thinking(flags: ReasoningFlags, wanted: Reasoning, thinking: Any, effort: str | None) -> None:
    body = written(chat(reasoning=wanted, max_tokens=20_000), reasoning=flags)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (ReasoningFlags(shape="none"), Reasoning(effort="high", path="reasoning_effort")),
        (ReasoningFlags(shape="adaptive", always_on=True), Reasoning(effort="none", path="reasoning_effort")),
    ],
)
def test_thinking_that_cannot_be_had_or_stopped_is_a_loss(flags: ReasoningFlags, wanted: Reasoning) -> None:
    body, lost = losing({"reasoning": flags}, reasoning=wanted)
    assert "thinking" not in body
    assert lost == "dropped=reasoning_effort"


def test_T99_a_budget_fits_below_max_tokens_or_goes() -> None:
    def body(max_tokens: int) -> tuple[dict[str, Any], str]:
        return losing({"reasoning": BUDGET}, reasoning=Reasoning(budget=5000), max_tokens=max_tokens)

    assert body(4000)[0]["thinking"]["budget_tokens"] == 3999
    assert "changed=reasoning:5000>3999" in body(4000)[1]
    assert "thinking" not in body(1000)[0]


@pytest.mark.parametrize(
    ("flags", "wanted", "budget", "max_tokens"),
    [
        ({"default_max_tokens": 8192, "max_output_tokens": 64_000}, Reasoning(effort="high"), 24_576, 32_768),
        ({"default_max_tokens": 4096, "max_output_tokens": 64_000}, Reasoning(budget=10_000), 10_000, 14_096),
        ({"max_output_tokens": 64_000}, Reasoning(budget=10_000), 10_000, 64_000),
        ({"max_output_tokens": 64_000}, Reasoning(effort="max"), 55_808, 64_000),
        ({"default_max_tokens": 8192, "max_output_tokens": 32_000}, Reasoning(budget=32_000), 23_808, 32_000),
        ({"max_output_tokens": 8192}, Reasoning(effort="medium"), 4096, 8192),
        ({}, Reasoning(effort="medium"), 8192, 16_384),
        ({}, Reasoning(effort="max"), 23_808, 32_000),
    ],
)
def test_T99_a_limit_of_our_own_leaves_room_for_an_answer_behind_the_budget(
    flags: dict[str, Any], wanted: Reasoning, budget: int, max_tokens: int
) -> None:
    body = written(chat(reasoning=wanted), reasoning=BUDGET, **flags)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["max_tokens"] == max_tokens


def test_a_limit_of_our_own_is_not_raised_for_thinking_that_is_left_out() -> None:
    more: dict[str, Any] = {"tools": (F,), "tool_choice": ToolChoice(mode="required")}
    body = written(chat(reasoning=Reasoning(budget=10_000), **more), reasoning=BUDGET, default_max_tokens=8192)
    assert body["max_tokens"] == 8192


def test_T74_legacy_thinking_rules_out_some_sampling() -> None:
    flags = {"reasoning": BUDGET, "top_k": True}
    wanted = Reasoning(budget=2000)
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=3)
    body, lost = losing(flags, reasoning=wanted, sampling=sampling, max_tokens=9000)
    assert body.keys() & {"temperature", "top_p", "top_k"} == set()
    assert lost == "dropped=temperature,top_p,top_k"
    assert losing(flags, reasoning=wanted, sampling=Sampling(top_p=0.96), max_tokens=9000)[0]["top_p"] == 0.96


def test_legacy_thinking_gives_way_to_a_forced_call() -> None:
    body, lost = losing(
        {"reasoning": BUDGET},
        reasoning=Reasoning(budget=2000),
        tools=(F,),
        tool_choice=ToolChoice(mode="required"),
        max_tokens=9000,
    )
    assert "thinking" not in body
    assert body["tool_choice"] == {"type": "any"}
    assert lost == "dropped=reasoning"


def test_T93_history_that_lost_its_thinking_turns_legacy_thinking_off() -> None:
    call = ToolCall(id="t", name="f", arguments="{}")
    result = turn("user", ToolResult(call_id="t", content=()))
    foreign = Thinking(text="hm", signature=Opaque("openai/responses", "gpt", "x"))
    own = Thinking(text="hm", signature=Opaque("anthropic/messages", "claude", "x"))

    def thinking(*parts: Any) -> Any:
        called = chat(HELLO, turn("assistant", *parts), result, reasoning=Reasoning(budget=2000), max_tokens=9000)
        return written(called, reasoning=BUDGET).get("thinking")

    assert thinking(call) is None
    assert thinking(foreign, call) is None
    assert thinking(own, call) == {"type": "enabled", "budget_tokens": 2000}


def test_T84_a_schema_is_the_output_format() -> None:
    schema = Raw(b'{"type":"object","properties":{"a":{"type":"integer","minimum":1}}}')
    wanted = OutputFormat(kind="json_schema", name="n", schema=schema, path="response_format")
    body, lost = losing(format=wanted)
    found = body["output_config"]["format"]
    assert found["type"] == "json_schema"
    assert found["schema"]["additionalProperties"] is False
    assert "minimum" not in found["schema"]["properties"]["a"]
    assert lost
    assert refused({"structured_output": "none"}, format=wanted).param == "response_format"


def test_any_json_object_is_asked_for_in_words() -> None:
    body, lost = losing(format=OutputFormat(kind="json_object", path="response_format"))
    assert body["system"][-1]["text"].startswith("Answer with a single JSON object")
    assert "output_config" not in body
    assert lost == "changed=response_format:json_object>system text"
    assert losing(format=OutputFormat(kind="text"))[1] == ""


def test_T76_another_protocols_fields_never_reach_the_provider() -> None:
    body, lost = losing(ext={"prediction": Raw(b'{"type":"content"}'), "moderation": Raw(b"null")})
    assert body.keys() == {"model", "max_tokens", "messages"}
    assert lost == "dropped=prediction"
