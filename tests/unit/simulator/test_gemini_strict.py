"""What Gemini refuses is refused, and a signature holds on the very part that it came on."""

import json
from typing import Any

import pytest

from tests.support.simulated import Simulated

HELLO = {"role": "user", "parts": [{"text": "x"}]}
TOOL = {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}]}
CALL = {"functionCall": {"name": "f", "args": {}}}
ANSWER = {"functionResponse": {"name": "f", "response": {"output": "y"}}}
SCHEMA = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def config(**more: Any) -> dict[str, Any]:
    return {"generationConfig": more}


def declared(**more: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **more}]}]}


def calling(**more: Any) -> dict[str, Any]:
    return {"tools": [TOOL], "toolConfig": {"functionCallingConfig": more}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "messages": ({"messages": []}, 'Unknown name "messages": Cannot find field.'),
    "a bound of chat": ({"max_tokens": 5}, 'Unknown name "max_tokens": Cannot find field.'),
    "a part of chat": (
        {"contents": [user({"type": "text", "text": "x"})]},
        "Unknown name \"type\" at 'contents[0].parts[0]'",
    ),
    "a setting of chat": (config(n=2), "Unknown name \"n\" at 'generationConfig'"),
    "no contents": ({"contents": []}, "GenerateContentRequest.contents: contents is not specified"),
    "no parts": ({"contents": [user()]}, "contents.parts must not be empty"),
    "an empty part": ({"contents": [user({})]}, "required oneof field 'data'"),
    "two in one part": ({"contents": [user({"text": "x", **CALL})]}, "oneof field 'data' is already set"),
    "both cases at once": (config(topP=1, top_p=1), "oneof field is set twice"),
    "a role of chat": ({"contents": [{**HELLO, "role": "assistant"}]}, "Please use a valid role: user, model."),
    "a role of system": ({"contents": [{**HELLO, "role": "system"}]}, "Please use a valid role: user, model."),
    "no base64": (
        {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "?"}})]},
        "Base64 decoding failed",
    ),
    "a call first": ({"contents": [model(CALL), user(ANSWER)]}, "comes immediately after a user turn"),
    "an unanswered call": ({"contents": [HELLO, model(CALL), HELLO]}, "number of function response parts"),
    "too few answers": ({"contents": [HELLO, model(CALL, CALL), user(ANSWER)]}, "number of function response parts"),
    "an answer to another": (
        {"contents": [HELLO, model(CALL), user({"functionResponse": {"name": "g", "response": {}}})]},
        "number of function",
    ),
    "an answer to nothing": ({"contents": [user(ANSWER)]}, "immediately after a function call turn"),
    "a call by the user": ({"contents": [user(CALL)]}, "function call turn"),
    "an answer that is text": (
        {"contents": [HELLO, model(CALL), user({"functionResponse": {"name": "f", "response": "y"}})]},
        "Invalid value at",
    ),
    "arguments of chat": (
        {"contents": [HELLO, model({"functionCall": {"name": "f", "args": "{}"}})]},
        "Invalid value at",
    ),
    "a name of blanks": ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]}, "Invalid value at"),
    "a name twice": ({"tools": [TOOL, TOOL]}, "Duplicate function declaration"),
    "JSON Schema as parameters": (
        declared(parameters={"type": "OBJECT", "additionalProperties": False}),
        "additionalProp",
    ),
    "a constant": (declared(parameters={"type": "OBJECT", "properties": {"a": {"const": 1}}}), 'Unknown name "const"'),
    "a kind or null": (declared(parameters={"type": ["STRING", "NULL"]}), "Invalid value at"),
    "both schemas": (declared(parameters=SCHEMA, parametersJsonSchema={}), "only one of parameters"),
    "no such mode": (calling(mode="required"), "Invalid value at"),
    "names for auto": (calling(mode="AUTO", allowedFunctionNames=["f"]), "must be unset when mode is not ANY"),
    "other names": (calling(mode="ANY", allowedFunctionNames=["g"]), "is not in the function declarations"),
    "any of none": ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
    "search beside functions": (
        {"tools": [{**TOOL, "googleSearch": {}}, {"googleSearch": {"x": 1}}]},
        "cannot be combined",
    ),
    "JSON beside functions": ({"tools": [TOOL], **config(responseMimeType="application/json")}, "is unsupported"),
    "too hot": (config(temperature=2.5), "Invalid value at 'generationConfig.temperature'"),
    "too many stops": (config(stopSequences=list("abcdef")), "Invalid value at"),
    "too much": (config(maxOutputTokens=1_000_000), "supported range is from 1"),
    "a large seed": (config(seed=2**31), "Invalid value at"),
    "a schema of text": (config(responseSchema=SCHEMA), "only supported with response_mime_type"),
    "two schemas": (
        config(responseMimeType="application/json", responseSchema=SCHEMA, responseJsonSchema={}),
        "Only one of",
    ),
    "a reference with more": (
        config(responseMimeType="application/json", responseJsonSchema={"$ref": "#/$defs/A", "title": "x"}),
        "$ref",
    ),
    "an image as answer": (config(responseModalities=["IMAGE"]), "combination of response modalities (IMAGE)"),
    "a cache": ({"cachedContent": "cachedContents/a"}, "CachedContent not found"),
    "thinking of a model that cannot": (config(thinkingConfig={"thinkingBudget": 512}), "Thinking is not supported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_gemini_refuses_is_refused(name: str) -> None:
    body, words = REFUSED[name]
    answer = Simulated().generate({"contents": [HELLO], **body})
    assert words in answer.said
    assert (answer.status, answer.json["error"]["code"]) in ((400, 400), (403, 403))
    assert answer.json["error"]["status"] in ("INVALID_ARGUMENT", "PERMISSION_DENIED")


def text(body: dict[str, Any], model: str = "chat") -> str:
    """What is said."""
    (candidate,) = Simulated().generate(body, model).json["candidates"]
    return "".join(part.get("text", "") for part in candidate["content"]["parts"])


def test_both_cases_and_both_alphabets_are_read() -> None:
    """Protocols 0.10: what the SDKs send."""
    snake = {"inline_data": {"mime_type": "image/png", "data": "_-8"}}
    camel = {"inlineData": {"mimeType": "image/png", "data": "/+8="}}
    for part in (snake, camel):
        assert text({"contents": [user({"text": "x"}, part)]}).endswith("I see 1 image: image/png of 2 bytes.")
    mixed = {"contents": HELLO, "generation_config": {"thinkingConfig": {"include_thoughts": True}}}
    assert text(mixed, "reasoning").startswith("[simulated] The user asks; I echo.")
    own = {"$defs": {"any_of": {"const": "max_output_tokens"}}, "properties": {"mime_type": {"$ref": "#/$defs/any_of"}}}
    free = {"type": "object", "required": ["mime_type"], **own}
    said = text({"contents": [HELLO], **config(response_mime_type="application/json", response_json_schema=free)})
    assert json.loads(said) == {"mime_type": "max_output_tokens"}


def test_schemas_of_geminis_own_are_satisfied() -> None:
    wanted = config(responseMimeType="application/json", responseSchema=SCHEMA)
    assert json.loads(text({"contents": [HELLO], **wanted})) == {"a": 1}
    choice = {"type": "STRING", "format": "enum", "enum": ["red", "blue"]}
    assert (
        json.loads(text({"contents": [HELLO], **config(responseMimeType="text/x.enum", responseSchema=choice)}))
        == "red"
    )


def test_turns_in_a_row_are_one() -> None:
    """Recorded requests answer several calls in contents of their own."""
    body = {"contents": [HELLO, model(CALL), model(CALL), user(ANSWER), user(ANSWER)], "tools": [TOOL]}
    assert text(body) == "[simulated] The tool answered: y; y"


def test_answers_of_tools_are_read_whatever_holds_them() -> None:
    for response, said in (({"result": "a"}, "a"), ({"error": "b"}, "(failed) b"), ({"k": [1]}, '{"k":[1]}')):
        answer = {"functionResponse": {"name": "f", "response": response}}
        assert text({"contents": [HELLO, model(CALL), user(answer)]}) == f"[simulated] The tool answered: {said}"


# ---- thinking


def parts(name: str, **more: Any) -> list[Any]:
    """What the model says when it calls a tool."""
    found: list[Any] = (
        Simulated()
        .generate({"contents": [HELLO], "tools": [TOOL], **more}, name)
        .json["candidates"][0]["content"]["parts"]
    )
    return found


def go_on(name: str, *said: Any, before: tuple[Any, ...] = ()) -> Any:
    """The second turn."""
    answers = [ANSWER for part in said if "functionCall" in part]
    return Simulated().generate({"contents": [*before, HELLO, model(*said), user(*answers)], "tools": [TOOL]}, name)


def test_the_first_call_carries_a_signature_and_must_bring_it_back() -> None:
    first, second = parts("thinker", contents=[user({"text": "in parallel"})])
    assert "thoughtSignature" in first
    assert "thoughtSignature" not in second
    bare = {"functionCall": first["functionCall"]}
    assert go_on("thinker", first, second).status == 200
    assert "missing a thought_signature" in go_on("thinker", bare, second).said
    assert "missing a thought_signature" in go_on("thinker", bare, first).said
    assert go_on("reasoning", bare, second).status == 200
    assert go_on("chat", bare).status == 200


@pytest.mark.parametrize(
    "placeholder", ["skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="]
)
def test_the_placeholder_stands_in_for_a_signature(placeholder: str) -> None:
    assert go_on("thinker", {**CALL, "thoughtSignature": placeholder}).status == 200


def test_signatures_hold_where_they_came_and_nowhere_else() -> None:
    (call,) = parts("thinker")
    signature = call["thoughtSignature"]
    snake = {"function_call": call["functionCall"], "thought_signature": signature.replace("+", "-").replace("/", "_")}
    assert (
        Simulated().generate({"contents": [HELLO, model(snake), user(ANSWER)], "tools": [TOOL]}, "thinker").status
        == 200
    )
    moved = {"functionCall": {"name": "f", "args": {"other": 1}}, "thoughtSignature": signature}
    assert "Corrupted thought signature" in go_on("thinker", moved).said
    flipped = f"{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert "Corrupted thought signature" in go_on("thinker", {**call, "thoughtSignature": flipped}).said
    on_text = Simulated().generate(
        {"contents": [HELLO, model({"text": "y", "thoughtSignature": signature}), HELLO]}, "chat"
    )
    assert "Corrupted thought signature" in on_text.said


def test_only_the_turn_under_way_must_be_signed() -> None:
    earlier = (HELLO, model(CALL), user(ANSWER), model({"text": "y"}))
    (call,) = parts("thinker")
    assert go_on("thinker", call, before=earlier).status == 200
    two_steps = [HELLO, model(call), user(ANSWER), model(CALL), user(ANSWER)]
    refused = Simulated().generate({"contents": two_steps, "tools": [TOOL]}, "thinker")
    assert "position 4" in refused.said


def test_answers_without_calls_are_signed_on_their_last_part() -> None:
    (part,) = parts("thinker", tools=[])
    contents = [HELLO, model(part), HELLO]
    assert Simulated().generate({"contents": contents}, "thinker").status == 200
    frames = Simulated().stream({"contents": [HELLO]}, "thinker").events
    last = frames[-1]["candidates"][0]
    assert last["content"]["parts"] == [{"text": "", "thoughtSignature": part["thoughtSignature"]}]
    assert last["finishReason"] == "STOP"
    assert not any("finishReason" in frame["candidates"][0] for frame in frames[:-1])


def test_thoughts_are_shown_where_asked_and_counted_anyhow() -> None:
    provider = Simulated()

    def thinking(name: str, **wanted: Any) -> tuple[bool, int]:
        answer = provider.generate({"contents": [HELLO], **config(thinkingConfig=wanted)}, name).json
        shown = any(part.get("thought") for part in answer["candidates"][0]["content"]["parts"])
        return shown, answer["usageMetadata"].get("thoughtsTokenCount", 0)

    assert thinking("reasoning") == (False, 10)
    assert thinking("reasoning", includeThoughts=True) == (True, 10)
    assert thinking("reasoning", thinkingBudget=0) == (False, 0)
    assert thinking("thinker", thinkingLevel="low", includeThoughts=True) == (True, 10)


def test_levels_and_budgets_are_the_models() -> None:
    provider = Simulated()

    def refusal(name: str, **wanted: Any) -> str:
        return provider.generate({"contents": [HELLO], **config(thinkingConfig=wanted)}, name).said

    assert "budget and thinking level" in refusal("thinker", thinkingBudget=512, thinkingLevel="LOW")
    assert "Thinking level is not supported" in refusal("reasoning", thinkingLevel="LOW")
    assert "MINIMAL is not supported" in refusal("thinker", thinkingLevel="MINIMAL")
    assert "Budget 0 is invalid" in refusal("thinker", thinkingBudget=0)


@pytest.mark.parametrize("field", ["temperature", "topP", "topK", "presencePenalty", "frequencyPenalty"])
def test_the_newest_models_refuse_samplers(field: str) -> None:
    body = {"contents": [HELLO], **config(**{field: 1})}
    assert Simulated().generate(body, "reasoning").status == 200
    assert "is not supported for this model" in Simulated().generate(body, "thinker").said


def test_ids_of_calls_are_the_newest_models() -> None:
    assert "id" not in parts("reasoning")[0]["functionCall"]
    assert parts("thinker")[0]["functionCall"]["id"].startswith("sim")


# ---- paths and streams


def test_paths() -> None:
    provider, body = Simulated(), {"contents": [HELLO]}
    for path in ("/v1/models/chat:generateContent", "/v1beta/models/chat%40size=20:generateContent"):
        assert provider.ask(path, body).status == 200
    assert provider.ask("/v1beta/models/none:generateContent", body).json["error"]["status"] == "NOT_FOUND"
    assert provider.ask("/v1beta/models/chat:draw", body).status == 404
    assert provider.ask("/v1beta/models/embedding:generateContent", body).status == 404


def test_without_alt_a_stream_is_one_array() -> None:
    """Protocols 1.5.3."""
    provider, body = Simulated(), {"contents": [HELLO]}
    array = provider.generate(body, method="streamGenerateContent")
    assert array.headers["content-type"] == "application/json"
    frames = provider.stream(body)
    assert array.json == frames.events
    assert array.body.startswith(b"[{")
    assert b"\n,\r\n" not in array.body
    assert frames.body.endswith(b"}\r\n\r\n")
    assert all(line.startswith(b"data: {") for line in frames.body.split(b"\r\n") if line)


def test_usage_is_on_every_frame_and_cumulative() -> None:
    frames = Simulated().stream({"contents": [HELLO]}, "reasoning").events
    totals = [frame["usageMetadata"]["totalTokenCount"] for frame in frames]
    assert totals == sorted(totals)
    assert (
        totals[-1] == Simulated().generate({"contents": [HELLO]}, "reasoning").json["usageMetadata"]["totalTokenCount"]
    )


def test_several_candidates() -> None:
    body = {"contents": [HELLO], **config(candidateCount=2)}
    found = Simulated().generate(body).json["candidates"]
    assert [one["index"] for one in found] == [0, 1]
    assert found[0]["content"] != found[1]["content"]
    ends = [
        frame["candidates"][0] for frame in Simulated().stream(body).events if "finishReason" in frame["candidates"][0]
    ]
    assert [end["index"] for end in ends] == [0, 1]
    assert "Multiple candidates" in Simulated().generate(body, "thinker").said


def test_a_prompt_that_is_not_let_through() -> None:
    """Protocols 1.5.2: 200 without candidates."""
    for answer in (
        Simulated().generate({"contents": [HELLO]}, "blocked").json,
        *Simulated().stream({"contents": [HELLO]}, "blocked").events,
    ):
        assert answer["promptFeedback"]["blockReason"] == "SAFETY"
        assert "candidates" not in answer
    for other in (Simulated().chat, Simulated().message):
        refused = other({"messages": [{"role": "user", "content": "x"}]}, model="blocked")
        assert refused.status == 400


def test_a_call_that_is_cut_off_is_no_call() -> None:
    body = {"contents": [HELLO], "tools": [TOOL], **config(maxOutputTokens=2)}
    (candidate,) = Simulated().generate(body).json["candidates"]
    assert (candidate["finishReason"], candidate["content"]["parts"]) == ("MAX_TOKENS", [])


def test_count_tokens() -> None:
    provider = Simulated()
    body = {"contents": [HELLO], "systemInstruction": {"parts": [{"text": "Be brief."}]}, "tools": [TOOL]}
    used = provider.generate(body).json["usageMetadata"]["promptTokenCount"]
    whole = {"generateContentRequest": {"model": "models/chat", **body}}
    assert provider.generate(whole, method="countTokens").json["totalTokens"] == used
    assert provider.generate({"contents": [HELLO]}, method="countTokens").json["totalTokens"] == 4
