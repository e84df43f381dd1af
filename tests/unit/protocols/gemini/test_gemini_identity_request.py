"""The identity lane's requests: what is checked, and that nothing else changes."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Raw

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.gemini import identity_request
from nexusflow.protocols.gemini.wire import GenerateRequest, GenerationConfig

MODEL = Model(id="public", title="t", owner="o", category="language", lanes=(), protocols=())
BOUNDS = RequestBounds(max_messages=3, max_tools=2, max_images=1)
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}


class Narrow(GenerationConfig, frozen=True, kw_only=True):
    """What an artifact makes of a model without penalties and with short answers."""

    presencePenalty: None = None
    maxOutputTokens: Annotated[int, Meta(ge=1, le=10)] | None = None


class NarrowRequest(GenerateRequest, frozen=True, kw_only=True):
    """The request around it."""

    generationConfig: Narrow | None = None


def validated(body: object, model: Model = MODEL, kind: type[GenerateRequest] = GenerateRequest) -> GenerateRequest:
    text, _ = identity_request.parse(json.dumps(body).encode())
    return identity_request.validate(text, msgspec.json.Decoder(kind), model, BOUNDS)


def refusal(body: object, model: Model = MODEL, kind: type[GenerateRequest] = GenerateRequest) -> Any:
    with pytest.raises(RequestRefused) as refused:
        validated(body, model, kind)
    return refused.value.problem


def prepared(body: bytes, model: Model = MODEL) -> bytes:
    _, fields = identity_request.parse(body)
    return identity_request.prepare(fields, model, Raw(b'"gemini-up"'), stream=False, usage="option")


@pytest.mark.parametrize(
    "body",
    [
        {"contents": "Hello"},
        {"contents": {"parts": {"text": "Hello"}}},
        {"contents": [{"parts": [{"text": "Hello"}]}], "tools": {"function_declarations": {"name": "f"}}},
        {"contents": [{"parts": [{"text": "x"}]}], "system_instruction": "Be brief."},
        {"contents": [{"parts": [IMAGE]}]},
    ],
)
def test_T62_T71_loose_forms_are_taken(body: object) -> None:
    """A lone object where a list is meant, a bare string, and a turn of an image alone."""
    validated(body, msgspec.structs.replace(MODEL, input=("text", "image")))


@pytest.mark.parametrize(
    ("config", "param", "status"),
    [
        ({"temperature": 3}, "generationConfig.temperature", 422),
        ({"max_output_tokens": 11}, "generationConfig.maxOutputTokens", 422),
        ({"presencePenalty": 1}, "generationConfig.presencePenalty", None),
        ({"seed": 1 << 40}, "generationConfig.seed", 422),
        ({"topP": "x"}, "generationConfig.topP", 400),
    ],
)
def test_a_narrowed_config_names_the_field_that_does_not_fit(config: Any, param: str, status: int | None) -> None:
    problem = refusal({"contents": "x", "generation_config": config}, kind=NarrowRequest)
    assert (problem.param, problem.status) == (param, status)


def test_C18_too_much_of_anything_is_refused() -> None:
    seeing = msgspec.structs.replace(MODEL, input=("text", "image"))
    turns = [{"parts": [{"text": "x"}]}] * 4
    tools = [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"functionDeclarations": [{"name": "c"}]}]
    assert refusal({"contents": turns}).param == "contents"
    assert refusal({"contents": "x", "tools": tools}).param == "tools"
    assert refusal({"contents": [{"parts": [IMAGE, IMAGE]}]}, seeing).param == "images"


@pytest.mark.parametrize(
    ("mime", "taken"), [("image/png", False), ("application/pdf", False), ("text/plain", True), ("", True)]
)
def test_media_only_where_the_model_takes_them(mime: str, taken: bool) -> None:
    body = {"contents": [{"parts": [{"text": "x"}, {"fileData": {"fileUri": "u", "mimeType": mime}}]}]}
    if taken:
        validated(body)
    else:
        assert refusal(body).param == "contents[0].parts[1]"


def test_only_the_model_changes_in_a_body_that_names_it() -> None:
    body = b'{ "model": "models/public", "contents":[{"parts": [{"text":"\\u00e9 1.0"}]}], "new": 1.50 }'
    text = b'{"model":"models/gemini-up","contents":[{"parts": [{"text":"\\u00e9 1.0"}]}],"new":1.50}'
    assert prepared(body) == text
    assert prepared(b'{"contents":[]}') == b'{"contents":[]}'


def test_bare_strings_are_spelled_out_for_google() -> None:
    assert json.loads(prepared(b'{"contents":"Hi","systemInstruction":"Be brief."}')) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }


def test_defaults_stand_where_the_caller_says_nothing() -> None:
    defaults = {"temperature": Raw(b"0.5"), "stopSequences": Raw(b'"END"'), "serviceTier": Raw(b'"flex"')}
    model = msgspec.structs.replace(MODEL, defaults=defaults)
    assert json.loads(prepared(b'{"contents":[],"generationConfig":{"temperature":1}}', model)) == {
        "contents": [],
        "generationConfig": {"temperature": 1, "stopSequences": ["END"]},
        "serviceTier": "flex",
    }


def test_unknown_parameters_can_be_dropped() -> None:
    model = msgspec.structs.replace(MODEL, unknown_params="drop")
    assert prepared(b'{"contents":[],"other":1}', model) == b'{"contents":[]}'


def test_a_model_without_json_refuses_it() -> None:
    model = msgspec.structs.replace(MODEL, response_formats=("text",))
    body = {"contents": "x", "generationConfig": {"responseMimeType": "application/json"}}
    assert refusal(body, model).param == "generationConfig.responseMimeType"


def test_an_allowed_list_is_kept_at_both_levels() -> None:
    model = msgspec.structs.replace(MODEL, allowed={"serviceTier": ("flex",), "responseMimeType": ("text/plain",)})
    validated({"contents": "x", "serviceTier": "flex"}, model)
    assert refusal({"contents": "x", "serviceTier": "priority"}, model).status == 422
    body = {"contents": "x", "generationConfig": {"responseMimeType": "application/json"}}
    assert refusal(body, model).param == "responseMimeType"
