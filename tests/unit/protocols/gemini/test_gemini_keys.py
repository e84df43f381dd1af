"""One spelling of keys: both are taken, what the caller made up is left alone, and nothing counts twice (C-14)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.errors import RequestRefused
from nexusflow.protocols.gemini import keys
from nexusflow.protocols.gemini.identity_request import MONEY_FIELDS


def normal(body: object) -> Any:
    text, fields = keys.normalise(json.dumps(body).encode(), MONEY_FIELDS)
    assert json.loads(text) == {name: json.loads(bytes(value)) for name, value in fields.items()}
    return json.loads(text)


def test_every_key_of_the_protocol_is_taken_in_snake_case() -> None:
    body = {
        "system_instruction": {"parts": [{"text": "x"}]},
        "contents": [
            {"parts": [{"inline_data": {"mime_type": "image/png", "data": "AA=="}}]},
            {"parts": [{"file_data": {"file_uri": "u", "mime_type": "m"}, "thought_signature": "cw=="}]},
        ],
        "generation_config": {
            "max_output_tokens": 5,
            "thinking_config": {"include_thoughts": True},
            "response_json_schema": {"a_b": 1},
        },
        "tools": {"function_declarations": [{"name": "f", "parameters_json_schema": {"a_b": {}}}]},
        "tool_config": {"function_calling_config": {"allowed_function_names": ["a_b"]}},
        "safety_settings": [{"category": "HARM_CATEGORY_X", "threshold": "OFF"}],
    }
    assert normal(body) == {
        "systemInstruction": {"parts": [{"text": "x"}]},
        "contents": [
            {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]},
            {"parts": [{"fileData": {"fileUri": "u", "mimeType": "m"}, "thoughtSignature": "cw=="}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 5,
            "thinkingConfig": {"includeThoughts": True},
            "responseJsonSchema": {"a_b": 1},
        },
        "tools": {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": {}}}]},
        "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["a_b"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_X", "threshold": "OFF"}],
    }


def test_what_the_caller_made_up_keeps_its_keys_and_its_bytes() -> None:
    args = b'{"mime_type": 1.50, "file_uri": {"inline_data":[ ]}}'
    body = (
        b'{"contents":[{"parts":[{"function_call":{"name":"f","args":'
        + args
        + b'}},{"function_response":{"name":"f","response":'
        + args
        + b'}}]}],"labels":'
        + args
        + b"}"
    )
    text, _ = keys.normalise(body, MONEY_FIELDS)
    assert text.count(args) == 3
    assert b"function_" not in text


def test_a_body_in_camel_case_is_returned_as_it_came() -> None:
    body = b'{ "contents" : [{"parts":[{"text":"say \\"snake_case\\": please"}]}] }'
    assert keys.normalise(body, MONEY_FIELDS)[0] is body


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"generationConfig":{},"generation_config":{}}', "generationConfig"),
        ('{"generationConfig":{},"generationConfig":{"maxOutputTokens":9}}', "generationConfig"),
        ('{"generationConfig":{"maxOutputTokens":9,"max_output_tokens":1}}', "generationConfig.maxOutputTokens"),
        ('{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}', "generationConfig.maxOutputTokens"),
        ('{"generation_config":{"candidate_count":1,"candidate_count":9}}', "generationConfig.candidateCount"),
        ('{"contents":[{"parts":[{"file_data":{},"fileData":{}}]}]}', "contents[0].parts[0].fileData"),
    ],
)
def test_C14_a_key_in_both_spellings_or_a_price_given_twice_is_refused(body: str, path: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        keys.normalise(body.encode(), MONEY_FIELDS)
    assert (refused.value.problem.param, refused.value.problem.code) == (path, "duplicate_key")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["file_uri", "a_b", "parts", "text", "contents"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["args", "response", "parametersJsonSchema"]))
def test_normalising_twice_changes_nothing_more(value: Any, where: str) -> None:
    body = {"contents": [{"parts": [{"function_call": {"name": "f", where: value}}]}], "un_known": value}
    once = normal(body)
    assert normal(once) == once
    assert once["contents"][0]["parts"][0]["functionCall"][where] == value
    assert once["unKnown"] == value
