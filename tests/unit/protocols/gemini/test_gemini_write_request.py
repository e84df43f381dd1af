"""A canonical call as a Gemini provider's request."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
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
    Unknown,
    Url,
)
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.gemini import names, write_request
from nexusflow.protocols.gemini.signatures import PLACEHOLDER
from nexusflow.protocols.gemini.tables import ORIGIN
from tests.support.generate import BUDGET, LEVELS, chat, destination, turn, written

SCHEMA = Raw(b'{"type":"object","properties":{"n":{"type":"integer","exclusiveMinimum":0}}}')
TOOL = Tool(name="f", description="F", parameters=SCHEMA, path="tools[0]")
ASKED = turn("user", Text(text="Go"))


def refusal(call: Any, **flags: Any) -> Any:
    with pytest.raises(RequestRefused) as refused:
        written(call, **flags)
    return refused.value.problem


def lost(call: Any, **flags: Any) -> set[tuple[str, str]]:
    losses = Losses()
    written(call, losses, **flags)
    return {(loss.action, loss.path) for loss in losses}


def called(*ids: str, **more: Any) -> Any:
    return turn("assistant", *(ToolCall(id=one, name="f", arguments='{"n":1}', **more) for one in ids))


def answered(*results: ToolResult) -> Any:
    return turn("user", *results)


def result(call_id: str, text: str, **more: Any) -> ToolResult:
    return ToolResult(call_id=call_id, content=(Text(text=text),), **more)


def test_the_address_names_the_model_and_the_verb() -> None:
    to = destination()
    assert write_request.path(to, stream=False) == "/v1beta/models/gemini-upstream:generateContent"
    assert write_request.path(to, stream=True) == "/v1beta/models/gemini-upstream:streamGenerateContent?alt=sse"
    for model, path in (
        ("models/a", "/v1beta/models/a:generateContent"),
        ("tunedModels/a-1", "/v1beta/tunedModels/a-1:generateContent"),
        ("x/y:z?", "/v1beta/models/x%2Fy%3Az%3F:generateContent"),
    ):
        named = type(to)(model=model, family="g", capabilities=to.capabilities)
        assert write_request.path(named, stream=False) == path


def test_leading_system_turns_are_the_instruction_and_later_ones_are_placed() -> None:
    call = chat(
        turn("system", Text(text="A")),
        turn("developer", Text(text="B")),
        ASKED,
        turn("assistant", Text(text="x")),
        turn("system", Text(text="C"), path="messages[4]"),
        ASKED,
    )
    body = written(call)
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert [(one["role"], one["parts"]) for one in body["contents"]] == [
        ("user", [{"text": "Go"}]),
        ("model", [{"text": "x"}]),
        ("user", [{"text": "C"}]),
        ("user", [{"text": "Go"}]),
    ]
    assert lost(call) == {("placed", "messages[4]")}


def test_T61_a_call_of_system_text_alone_gets_a_user_turn() -> None:
    assert written(chat(turn("system", Text(text="A"))))["contents"] == [{"role": "user", "parts": [{"text": " "}]}]


def test_a_beginning_of_the_answer_needs_a_model_that_goes_on() -> None:
    call = chat(ASKED, turn("assistant", Text(text="Once"), path="messages[1]"))
    assert refusal(call).param == "messages[1]"
    assert written(call, prefill=True)["contents"][-1] == {"role": "model", "parts": [{"text": "Once"}]}


def test_T57_T70_text_and_calls_are_kept_and_results_named() -> None:
    call = chat(
        ASKED,
        turn("assistant", Text(text="Let me"), Text(text=""), ToolCall(id="a", name="f", arguments="")),
        answered(result("a", "one")),
        turn("user", Text(text="And?")),
    )
    assert written(call)["contents"][1:] == [
        {"role": "model", "parts": [{"text": "Let me"}, {"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "one"}}}]},
        {"role": "user", "parts": [{"text": "And?"}]},
    ]


def test_results_follow_the_order_of_the_calls_and_carry_ids_where_wanted() -> None:
    call = chat(ASKED, called("a", "b/c"), answered(result("b/c", "2"), result("a", "1")))
    _, model, user = written(call, function_call_ids=True)["contents"]
    ids = [part["functionCall"]["id"] for part in model["parts"]]
    assert ids[0] == "a"
    assert ids[1].startswith("nxid_")
    assert [part["functionResponse"]["id"] for part in user["parts"]] == ids
    assert [part["functionResponse"]["response"] for part in user["parts"]] == [{"output": "1"}, {"output": "2"}]


@pytest.mark.parametrize(
    ("text", "is_error", "expected"),
    [
        ('{"a": [1.0]}', False, {"a": [1.0]}),
        ("[1,2]", False, {"output": "[1,2]"}),
        ("3", False, {"output": "3"}),
        ("", False, {"output": ""}),
        ('{"a":', False, {"output": '{"a":'}),
        ('{"$ref":"x"}', False, {"output": '{"$ref":"x"}'}),
        ('{"a":{"\\u0024ref":"x"}}', False, {"output": '{"a":{"\\u0024ref":"x"}}'}),
        ("no", True, {"error": "no"}),
    ],
)
def test_T68_T69_a_result_is_an_object_without_references(text: str, is_error: bool, expected: Any) -> None:
    call = chat(ASKED, called("a"), answered(result("a", text, is_error=is_error)))
    part = written(call)["contents"][2]["parts"][0]
    assert part["functionResponse"]["response"] == expected


def test_T55_an_odd_or_empty_result_is_still_one_response() -> None:
    odd = Unknown(origin="anthropic/messages", type="tool_reference", raw=Raw(b'{"type":"tool_reference"}'))
    call = chat(
        ASKED,
        called("a", "b"),
        answered(ToolResult(call_id="a", content=()), ToolResult(call_id="b", content=(odd, Text(text="x")))),
    )
    found = [part["functionResponse"]["response"] for part in written(call)["contents"][2]["parts"]]
    assert found == [{"output": ""}, {"output": '{"type":"tool_reference"}\nx'}]


def test_T56_images_of_a_result_stand_in_it_or_right_after() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="))
    call = chat(ASKED, called("a"), answered(ToolResult(call_id="a", content=(Text(text="x"), image))))
    data = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    inside = written(call, function_response_media=True)["contents"][2]["parts"][0]["functionResponse"]
    assert (inside["response"], inside["parts"]) == ({"output": "x"}, [data])
    _, _, responses, after = written(call)["contents"]
    assert responses["parts"][0]["functionResponse"]["response"] == {"output": "x\n[image 1 of call a]"}
    assert after == {"role": "user", "parts": [data]}


def test_T67_arguments_that_are_no_object_are_refused() -> None:
    broken = turn("assistant", ToolCall(id="a", name="f", arguments='{"a":1}{"b":2}'), path="messages[1]")
    assert "messages[1]" in refusal(chat(ASKED, broken, answered(result("a", "1")))).param


@pytest.mark.parametrize(("source", "part"), [
    (Data("image/png", "-_-_"), {"inlineData": {"mimeType": "image/png", "data": "+/+/"}}),
    (Url("https://x.example/a.png"), {"fileData": {"fileUri": "https://x.example/a.png", "mimeType": "image/png"}}),
    (Url("https://youtu.be/a"), {"fileData": {"fileUri": "https://youtu.be/a", "mimeType": "video/mp4"}}),
    (FileRef("gs://b/c", ORIGIN, "image/png"), {"fileData": {"fileUri": "gs://b/c", "mimeType": "image/png"}}),
])  # fmt: skip
def test_media_by_data_address_or_file(source: Any, part: Any) -> None:
    found = written(chat(turn("user", Media(kind="image", source=source))))
    assert found["contents"][0]["parts"] == [part]


def test_media_that_the_model_does_not_take_are_refused() -> None:
    page = Media(kind="file", source=Url("https://x.example/a.pdf"))
    assert refusal(chat(turn("user", page)), image_url=False).param == "messages[0].content[0].file.file_data"
    foreign = Media(kind="image", source=FileRef("file-1", "openai/responses"))
    assert refusal(chat(turn("user", foreign))).param == "messages[0].content[0].image_url.url"
    sound = Media(kind="audio", source=Data("audio/wav", "AA=="))
    assert refusal(chat(turn("user", sound)), input=("text",)).code == "unsupported_content"


def test_detail_is_a_resolution_for_those_that_take_it() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="), detail="low")
    (part,) = written(chat(turn("user", image)), reasoning=LEVELS)["contents"][0]["parts"]
    assert part["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}
    assert lost(chat(turn("user", image)), reasoning=BUDGET) == {("dropped", "messages[0].content[0].image_url.detail")}


def test_a_text_document_is_text_under_its_title() -> None:
    document = Document(text="Body", title="Title", context="From a book")
    found = written(chat(turn("user", document)))["contents"][0]["parts"]
    assert found == [{"text": "Title\nFrom a book\nBody"}]


def test_T80_T81_schemas_keep_their_words_and_references() -> None:
    recursive = Raw(b'{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":"object"}}}')
    tools = (TOOL, Tool(name="g", parameters=recursive), Tool(name="h"))
    (one,) = written(chat(tools=tools))["tools"]
    first, second, third = one["functionDeclarations"]
    assert first["parametersJsonSchema"]["type"] == "object"
    assert "#/$defs/N" in json.dumps(second["parametersJsonSchema"])
    assert third == {"name": "h"}


def test_T82_older_models_get_the_older_schema() -> None:
    (one,) = written(chat(tools=(TOOL,)), json_schema_tools=False)["tools"]
    assert one["functionDeclarations"][0]["parameters"]["type"] == "OBJECT"
    assert "parametersJsonSchema" not in one["functionDeclarations"][0]


def test_custom_tools_are_wrapped_and_grammars_refused() -> None:
    free = Tool(name="free", custom=True, path="tools[0]")
    used = turn("assistant", ToolCall(id="a", name="free", arguments="say", custom=True))
    body = written(chat(ASKED, used, answered(result("a", "1")), tools=(free,)))
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "say"}
    assert "input" in body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["properties"]
    grammar = Tool(name="free", custom=True, format=Raw(b'{"type":"grammar"}'), path="tools[0]")
    assert refusal(chat(tools=(grammar,))).param == "tools[0]"


@pytest.mark.parametrize("name", ["plain-1", "9lives", "-x", "a b", "é", "x" * 3 + "/y", "nx__z"])
def test_names_that_google_does_not_take_come_back(name: str) -> None:
    body = written(chat(tools=(Tool(name=name),)))
    sent = body["tools"][0]["functionDeclarations"][0]["name"]
    assert sent[0].isalpha() or sent[0] == "_"
    assert names.restored(sent) == name


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice(mode="auto"), None, {"mode": "AUTO"}),
        (ToolChoice(mode="none"), None, {"mode": "NONE"}),
        (ToolChoice(mode="required"), None, {"mode": "ANY"}),
        (ToolChoice(mode="required", names=("f",)), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="auto", names=("f",)), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_T65_the_choice_of_tools(choice: ToolChoice | None, strict: bool | None, config: Any) -> None:
    tool = Tool(name="f", strict=strict)
    found = written(chat(tools=(tool,), tool_choice=choice)).get("toolConfig")
    assert found == (config and {"functionCallingConfig": config})


def test_a_subset_is_filtered_for_a_model_that_cannot_be_told() -> None:
    call = chat(tools=(TOOL, Tool(name="g")), tool_choice=ToolChoice(mode="auto", names=("g",)))
    body = written(call, strict_tools=False)
    assert [one["name"] for one in body["tools"][0]["functionDeclarations"]] == ["g"]
    assert refusal(chat(tools=(TOOL,)), tools=False).param == "tools"
    forced = chat(tools=(TOOL,), tool_choice=ToolChoice(mode="required"))
    assert refusal(forced, tool_choice_required=False).param == "tool_choice"


SEARCH = HostedTool(
    origin="anthropic/messages", type="web_search_20260318", raw=Raw(b"{}"), kind="web_search", path="t[1]"
)


def test_T78_a_search_beside_functions_needs_a_later_model() -> None:
    assert written(chat(tools=(SEARCH,)), web_search=True)["tools"] == [{"googleSearch": {}}]
    both = chat(tools=(TOOL, SEARCH))
    assert len(written(both, web_search=True, reasoning=LEVELS)["tools"]) == 2
    assert refusal(both, web_search=True, reasoning=BUDGET).param == "t[1]"


def test_T75_a_tool_that_google_has_not_is_refused() -> None:
    assert refusal(chat(tools=(SEARCH,))).param == "t[1]"
    bash = HostedTool(origin="anthropic/messages", type="bash_20250124", raw=Raw(b"{}"), path="t[0]")
    assert refusal(chat(tools=(bash,)), web_search=True, code_execution=True).param == "t[0]"


def test_T73_parameters_reach_their_places() -> None:
    sampling = Sampling(temperature=2.5, top_p=0.5, top_k=3, seed=1, presence_penalty=0.5, frequency_penalty=0)
    call = chat(max_tokens=50, sampling=sampling, stop=("a", "b"), n=2)
    losses = Losses()
    assert written(call, losses, n_max=2, max_output_tokens=40)["generationConfig"] == {
        "temperature": 2,
        "topP": 0.5,
        "topK": 3,
        "presencePenalty": 0.5,
        "seed": 1,
        "maxOutputTokens": 40,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
    }
    assert losses.header() == "changed=temperature:2.5>2,max_tokens:50>40"


def test_hints_without_a_place_are_told_and_values_without_effect_are_not() -> None:
    sampling = Sampling(
        seed=1 << 40, presence_penalty=1, frequency_penalty=0, logit_bias={"1": 2}, temperature=0.5, top_p=1
    )
    call = chat(
        sampling=sampling, verbosity="low", user="u", metadata={"a": "b"}, store=True, n=1, tier="flex",
        tools=(TOOL,), parallel_tools=False, modalities=("text",),
    )  # fmt: skip
    names_lost = {
        "seed", "presence_penalty", "logit_bias", "verbosity", "user", "metadata", "store", "tier", "parallel_tools",
        "temperature",
    }  # fmt: skip
    assert lost(call, penalties=False, sampling=False) == {("dropped", name) for name in names_lost}
    assert lost(chat(store=False, tier="default", sampling=Sampling(temperature=1)), sampling=False) == set()


def test_tiers_are_named_as_google_does() -> None:
    assert written(chat(tier="flex"), service_tiers=("flex", "priority"))["serviceTier"] == "flex"
    losses = Losses()
    assert written(chat(tier="fast"), losses, service_tiers=("priority",))["serviceTier"] == "priority"
    assert losses.header() == "changed=tier:fast>priority"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": tuple("abcdef")}, "stop"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_would_change_the_answer_is_refused(fields: Any, param: str) -> None:
    assert refusal(chat(**fields)).param == param


def test_log_probabilities_and_pictures_where_the_model_has_them() -> None:
    call = chat(sampling=Sampling(logprobs=True, top_logprobs=2), modalities=("text", "image"))
    assert written(call, logprobs=True, output=("text", "image"))["generationConfig"] == {
        "responseLogprobs": True,
        "logprobs": 2,
        "responseModalities": ["TEXT", "IMAGE"],
    }


def test_T84_forms_of_the_answer() -> None:
    wanted = OutputFormat(kind="json_schema", schema=SCHEMA, path="response_format")
    config = written(chat(format=wanted))["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["type"] == "object"
    assert (
        written(chat(format=wanted), json_schema_tools=False)["generationConfig"]["responseSchema"]["type"] == "OBJECT"
    )
    assert written(chat(format=OutputFormat(kind="json_object")))["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    assert "generationConfig" not in written(chat(format=OutputFormat(kind="text")))
    for form in ("none", "json_object"):
        assert refusal(chat(format=wanted), structured_output=form).param == "format"


def test_no_form_where_a_function_has_to_be_called() -> None:
    """Models before Gemini 3 refuse both at once, and nothing is lost: only the call can come (Instructor asks so)."""
    wanted = OutputFormat(kind="json_schema", schema=SCHEMA, path="response_format")
    forced = chat(format=wanted, tools=(TOOL,), tool_choice=ToolChoice(mode="required", names=("f",)))
    assert "generationConfig" not in written(forced)
    assert not lost(forced)
    free = written(chat(format=wanted, tools=(TOOL,), tool_choice=ToolChoice(mode="auto")))
    assert free["generationConfig"]["responseMimeType"] == "application/json"


@pytest.mark.parametrize(
    ("asked", "shape", "config"),
    [
        (Reasoning(effort="high"), LEVELS, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (Reasoning(effort="none"), LEVELS, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (Reasoning(effort="max", expose="none"), LEVELS, {"thinkingLevel": "HIGH"}),
        (Reasoning(budget=4096), LEVELS, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (Reasoning(effort="none"), BUDGET, {"thinkingBudget": 0}),
        (Reasoning(budget=4096), BUDGET, {"thinkingBudget": 4096, "includeThoughts": True}),
        (Reasoning(expose="none"), BUDGET, None),
        (Reasoning(), BUDGET, {"includeThoughts": True}),
    ],
)
def test_T98_a_level_or_a_budget_and_never_both(asked: Reasoning, shape: Any, config: Any) -> None:
    found = written(chat(reasoning=asked), reasoning=shape).get("generationConfig", {}).get("thinkingConfig")
    assert found == config


def test_T98_old_models_get_neither_and_thinkers_cannot_be_stopped() -> None:
    assert "generationConfig" not in written(chat(reasoning=Reasoning(effort="none")))
    assert lost(chat(reasoning=Reasoning(effort="high"))) == {("dropped", "reasoning")}
    always = type(BUDGET)(shape="budget", always_on=True)
    body = written(chat(reasoning=Reasoning(effort="none")), reasoning=always)
    assert body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 128


def own(payload: str, family: str = "gemini") -> Opaque:
    return Opaque(ORIGIN, family, payload)


def signatures(call: Any, **flags: Any) -> list[str | None]:
    model = next(one for one in written(call, **flags)["contents"] if one["role"] == "model")
    return [part.get("thoughtSignature") for part in model["parts"]]


def replayed(*parts: Any) -> Any:
    results = [result(part.id, "1") for part in parts if isinstance(part, ToolCall)]
    return chat(ASKED, turn("assistant", *parts), turn("user", *results, Text(text="Go on")))


def used(id: str, signature: Opaque | None = None) -> ToolCall:
    return ToolCall(id=id, name="f", arguments="{}", signature=signature)


def test_T86_a_call_gets_its_own_signature_back() -> None:
    assert signatures(replayed(used("a", own("one")), used("b"))) == ["one", None]
    assert signatures(replayed(used("a", own("one", "")))) == ["one"]


def test_T87_a_lost_or_foreign_signature_is_replaced_for_models_that_want_one() -> None:
    foreign = Opaque("anthropic/messages", "claude", "x")
    for lost_one in (None, foreign, own("x", "gemma")):
        assert signatures(replayed(used("a", lost_one), used("b")), reasoning=LEVELS) == [PLACEHOLDER, None]
        assert signatures(replayed(used("a", lost_one)), reasoning=BUDGET) == [None]


def test_T88_a_text_gets_its_signature_back() -> None:
    assert signatures(replayed(Text(text="x"), Text(text="y", signature=own("s")))) == [None, "s"]


def test_T89_state_of_a_thought_rides_on_the_next_call_or_the_last_text() -> None:
    thought = Thinking(text="Hm", signature=own("t"))
    assert signatures(replayed(thought, used("a"), used("b")), reasoning=LEVELS) == ["t", None]
    assert signatures(replayed(thought, Text(text="x"))) == ["t"]
    assert signatures(replayed(Text(text="x", signature=own("s")), thought)) == ["s", "t"]
    assert signatures(replayed(Thinking(text="unsigned"), Text(text="x"))) == [None]


def test_googles_own_extras_go_back_only_to_google() -> None:
    ext = {"safetySettings": Raw(b"[1]"), "generationConfig.imageConfig": Raw(b"{}")}
    body = written(chat(origin=ORIGIN, ext=ext))
    assert (body["safetySettings"], body["generationConfig"]["imageConfig"]) == ([1], {})
    assert lost(chat(ext={"prediction": Raw(b"{}x"[:2]), "logprobs_mode": Raw(b"1")})) == {("dropped", "logprobs_mode")}
