"""A Gemini client's request as the canonical call."""

import base64
import json
from typing import Any

import pytest

from nexusflow.ir.chat import (
    Data,
    Document,
    FileRef,
    HostedTool,
    Media,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.gemini import read_request
from tests.support.generate import read


def refusal(**body: Any) -> Any:
    with pytest.raises(RequestRefused) as refused:
        read(**body)
    assert refused.value.problem.kind is Kind.PARAM
    return refused.value.problem


def said(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args}), **more}}


def response(name: str, found: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": found, **more}}


@pytest.mark.parametrize(
    "contents",
    ["Hi", {"parts": {"text": "Hi"}}, {"parts": [{"text": "Hi"}]}, [{"parts": [{"text": "Hi"}], "role": "user"}]],
)
def test_contents_in_every_form(contents: Any) -> None:
    (turn,) = read(contents=contents).turns
    assert (turn.role, turn.parts) == ("user", (Text(text="Hi"),))
    assert turn.path.startswith("contents")


def test_the_instruction_leads_as_text_or_object() -> None:
    for system in ("Be brief.", {"parts": [{"text": "Be brief."}], "role": "user"}):
        turns = read(systemInstruction=system).turns
        assert [(turn.role, turn.path) for turn in turns] == [("system", "systemInstruction"), ("user", "contents[0]")]
        assert turns[0].parts == (Text(text="Be brief."),)


def test_an_unknown_role_is_named() -> None:
    assert refusal(contents=[said("x", role="assistant")]).param == "contents[0].role"


def test_calls_without_ids_are_answered_by_name_in_order() -> None:
    turns = read(
        contents=[
            said(call("f", {"n": 1}), call("f", {"n": 2}), call("g"), role="model"),
            said(response("g", {"result": "three"}), response("f", {"output": "one"}), response("f", {"two": 2})),
        ]
    ).turns
    made = [part for part in turns[0].parts if isinstance(part, ToolCall)]
    assert [(part.id, part.name, part.arguments) for part in made] == [
        ("call_0_0", "f", '{"n":1}'),
        ("call_0_1", "f", '{"n":2}'),
        ("call_0_2", "g", "{}"),
    ]
    results = [part for part in turns[1].parts if isinstance(part, ToolResult)]
    assert [(part.call_id, part.name, part.content) for part in results] == [
        ("call_0_2", "g", (Text(text="three"),)),
        ("call_0_0", "f", (Text(text="one"),)),
        ("call_0_1", "f", (Text(text='{"two":2}'),)),
    ]


def test_calls_with_ids_are_answered_by_them() -> None:
    turns = read(
        contents=[
            said(call("f", {}, id="a"), call("f", {}, id="b"), role="model"),
            said(response("f", {"output": "B"}, id="b"), response("f", {"error": "A"}, id="a"), role="function"),
        ]
    ).turns
    results = [part for part in turns[1].parts if isinstance(part, ToolResult)]
    assert [(part.call_id, part.is_error) for part in results] == [("b", False), ("a", True)]
    assert turns[1].role == "user"


def test_a_response_that_answers_nothing_is_refused() -> None:
    problem = refusal(contents=[said(call("f"), role="model"), said(response("g", {}))])
    assert (problem.param, problem.code) == ("contents[1].parts[0].functionResponse", "unexpected_tool_result")


def test_media_of_a_result_stay_in_it() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    turns = read(contents=[said(call("f"), role="model"), said(response("f", {"output": "x"}, parts=[image]))]).turns
    (result,) = turns[1].parts
    assert isinstance(result, ToolResult)
    assert result.content == (Text(text="x"), Media(kind="image", source=Data("image/png", "AA==")))


@pytest.mark.parametrize("args", [[], "x", 3])
def test_T67_arguments_that_are_no_object_are_refused(args: Any) -> None:
    assert refusal(contents=[said(call("f", args), role="model")]).param == "contents[0].parts[0].functionCall.args"


def test_both_base64_alphabets_and_odd_mime_types_are_taken() -> None:
    """T79, and protocols 0.10: the official SDK sends the URL-safe alphabet."""
    raw = bytes(range(256))
    url_safe = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    (part,) = read(contents=[said({"inline_data": {"mime_type": "image/JPG; x=1", "data": url_safe}})]).turns[0].parts
    assert part == Media(kind="image", source=Data("image/jpeg", base64.b64encode(raw).decode()))


def test_files_by_address_and_by_vendor() -> None:
    parts = (
        read(
            contents=[
                said(
                    {"fileData": {"fileUri": "https://x.example/cat.png"}},
                    {"fileData": {"fileUri": "https://youtu.be/abc"}},
                    {"fileData": {"fileUri": "gs://b/f.pdf", "mimeType": "application/pdf"}},
                    {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
                    {"inlineData": {"mimeType": "text/plain", "data": "aMOp"}},
                )
            ]
        )
        .turns[0]
        .parts
    )
    assert [type(part) for part in parts] == [Media, Media, Media, Media, Document]
    assert [(part.kind, part.source) for part in parts if isinstance(part, Media)] == [
        ("image", Url("https://x.example/cat.png", "image/png")),
        ("video", Url("https://youtu.be/abc", None)),
        ("file", FileRef("gs://b/f.pdf", "google/generate-content", "application/pdf")),
        ("file", FileRef("https://generativelanguage.googleapis.com/v1beta/files/abc", "google/generate-content")),
    ]
    assert parts[4] == Document(text="hé")


def test_the_resolution_is_a_detail_of_the_part_or_of_all() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    own = {**image, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}}
    found = read(contents=[said(image, own)], generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW"}).turns[0]
    assert [part.detail for part in found.parts if isinstance(part, Media)] == ["low", "high"]


def test_what_only_google_has_is_kept_whole() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    (part,) = read(contents=[said(code, role="model")]).turns[0].parts
    assert isinstance(part, Unknown)
    assert (part.type, json.loads(bytes(part.raw))) == ("executableCode", code)


def test_parameters_and_their_spelling() -> None:
    found = read(
        generationConfig={
            "temperature": 0,
            "topP": 0.5,
            "topK": 40,
            "maxOutputTokens": 9,
            "candidateCount": 2,
            "stopSequences": ["a", "b"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "responseModalities": ["TEXT", "IMAGE"],
        },
        labels={"k": "v"},
        serviceTier="standard",
        store=True,
    )
    sampling = found.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed) == (0, 0.5, 40, 7)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0.1, 0.2)
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 3)
    assert (found.max_tokens, found.n, found.stop) == (9, 2, ("a", "b"))
    assert (found.modalities, found.metadata, found.tier, found.store) == (
        ("text", "image"),
        {"k": "v"},
        "default",
        True,
    )
    assert found.spelled("max_tokens") == "generationConfig.maxOutputTokens"
    assert found.ext is None


@pytest.mark.parametrize(
    ("config", "effort", "budget", "expose"),
    [
        ({}, None, None, "none"),
        ({"includeThoughts": True}, None, None, "summary"),
        ({"include_thoughts": True, "thinking_budget": 0}, None, 0, "summary"),
        ({"thinkingLevel": "XHIGH"}, "xhigh", None, "none"),
        ({"thinkingLevel": "minimal"}, "minimal", None, "none"),
    ],
)
def test_T98_thinking_by_level_or_budget(config: Any, effort: Any, budget: Any, expose: Any) -> None:
    found = read(generationConfig={"thinkingConfig": config}).reasoning
    assert (found.effort, found.budget, found.expose) == (effort, budget, expose)


def test_T98_a_level_and_a_budget_are_one_too_many() -> None:
    both = {"thinkingLevel": "LOW", "thinkingBudget": 5}
    assert refusal(generationConfig={"thinkingConfig": both}).param == "generationConfig.thinkingConfig"
    assert read().reasoning == Reasoning(expose="none")


def test_T84_forms_of_the_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    found = read(generationConfig={"responseMimeType": "application/json", "responseJsonSchema": schema}).format
    assert found is not None
    assert (found.kind, found.schema and json.loads(bytes(found.schema))) == ("json_schema", schema)
    older = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}, "propertyOrdering": ["a"]}
    found = read(generationConfig={"responseMimeType": "application/json", "responseSchema": older}).format
    assert found is not None
    assert found.schema is not None
    assert json.loads(bytes(found.schema)) == {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    found = read(generationConfig={"responseMimeType": "application/json"}).format
    assert found is not None
    assert found.kind == "json_object"
    assert read(generationConfig={"responseMimeType": "text/plain"}).format is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"cachedContent": "c"}, "cachedContent"),
        ({"continuationToken": "dA=="}, "continuationToken"),
        ({"generationConfig": {"speechConfig": {}}}, "generationConfig.speechConfig"),
        ({"generationConfig": {"responseMimeType": "image/png"}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"responseJsonSchema": {}}}, "generationConfig.responseMimeType"),
        (
            {
                "generationConfig": {
                    "responseMimeType": "application/json",
                    "responseJsonSchema": {},
                    "responseSchema": {},
                }
            },
            "generationConfig.responseSchema",
        ),
        ({"contents": [said({"inlineData": {"mimeType": "image/png"}})]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [said({"fileData": {}})]}, "contents[0].parts[0].fileData.fileUri"),
        ({"contents": [said({"functionCall": {}})]}, "contents[0].parts[0].functionCall.name"),
        ({"contents": [said({"text": 3})]}, "contents[0].parts[0].text"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "X"}}}, "toolConfig.functionCallingConfig.mode"),
    ],
)
def test_what_cannot_be_carried_over_is_named(body: Any, param: str) -> None:
    assert refusal(**body).param == param


def test_contents_are_required() -> None:
    with pytest.raises(RequestRefused) as refused:
        read_request.read(b"{}", model="m", stream=False)
    assert refused.value.problem.param == "contents"


def test_T71_tools_alone_and_several_become_one_list() -> None:
    older = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}
    one = {"functionDeclarations": [{"name": "f", "description": "F", "parameters": older}]}
    for tools in (one, [one], [{"functionDeclarations": one["functionDeclarations"][0]}]):
        (tool,) = read(tools=tools).tools
        assert isinstance(tool, Tool)
        assert tool.parameters is not None
        assert json.loads(bytes(tool.parameters)) == {"type": "object", "properties": {"n": {"type": "integer"}}}
        assert (tool.name, tool.description, tool.strict) == ("f", "F", None)
    found = read(
        tools=[one, {"functionDeclarations": [{"name": "g"}]}, {"googleSearch": {}, "codeExecution": {}}]
    ).tools
    assert [tool.name for tool in found if isinstance(tool, Tool)] == ["f", "g"]
    assert [(tool.type, tool.kind) for tool in found if isinstance(tool, HostedTool)] == [
        ("googleSearch", "web_search"),
        ("codeExecution", "code_execution"),
    ]


@pytest.mark.parametrize(
    ("config", "mode", "names", "strict"),
    [
        ({"mode": "AUTO"}, "auto", (), None),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, "required", ("f",), None),
        ({"mode": "NONE"}, "none", (), None),
        ({"mode": "VALIDATED", "allowed_function_names": ["f"]}, "auto", ("f",), True),
    ],
)
def test_T65_the_choice_of_tools(config: Any, mode: str, names: tuple[str, ...], strict: bool | None) -> None:
    found = read(tools=[{"functionDeclarations": [{"name": "f"}]}], toolConfig={"functionCallingConfig": config})
    assert found.tool_choice is not None
    assert (found.tool_choice.mode, found.tool_choice.names) == (mode, names)
    assert isinstance(found.tools[0], Tool)
    assert found.tools[0].strict is strict


def test_safety_settings_that_only_switch_off_are_no_loss() -> None:
    off = [{"category": "A", "threshold": "OFF"}, {"category": "B", "threshold": "BLOCK_NONE"}]
    assert read(safetySettings=off).ext is None
    kept = read(safetySettings=[*off, {"category": "C", "threshold": "BLOCK_ONLY_HIGH"}], newField=1)
    assert set(kept.ext or {}) == {"safetySettings", "newField"}


def test_thoughts_are_thoughts_and_signatures_googles_own() -> None:
    parts = (
        read(
            contents=[
                said(
                    {"text": "Hm", "thought": True, "thoughtSignature": "dA=="},
                    {"text": "", "thoughtSignature": "cw=="},
                    {"thoughtSignature": "eA=="},
                    {**call("f"), "thoughtSignature": "Yw=="},
                    role="model",
                )
            ]
        )
        .turns[0]
        .parts
    )
    assert [type(part) for part in parts] == [Thinking, Text, Text, ToolCall]
    found = [part.signature for part in parts if isinstance(part, Thinking | Text | ToolCall)]
    assert [one and (one.family, one.payload) for one in found] == [
        ("", "dA=="),
        ("", "cw=="),
        ("", "eA=="),
        ("", "Yw=="),
    ]
