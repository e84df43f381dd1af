"""`:countTokens`, as a client asks and as a provider is asked (protocols 1.9)."""

import json
from typing import Any

import pytest

from nexusflow.ir.chat import Text
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import count_tokens
from tests.support.generate import chat, destination, turn

CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]


@pytest.mark.parametrize(
    "body",
    [
        {"contents": CONTENTS},
        {"contents": "Hi", "generationConfig": {"speechConfig": {}}},
        {"generateContentRequest": {"model": "models/public", "contents": CONTENTS}},
        {"generate_content_request": {"model": "models/public", "contents": CONTENTS, "safety_settings": []}},
    ],
)
def test_both_forms_of_the_request_are_read(body: Any) -> None:
    call = count_tokens.read(json.dumps(body).encode(), model="public")
    assert [found.parts for found in call.turns] == [(Text(text="Hi"),)]


def test_one_form_at_a_time() -> None:
    body = {"contents": CONTENTS, "generateContentRequest": {"contents": CONTENTS}}
    with pytest.raises(RequestRefused) as refused:
        count_tokens.read(json.dumps(body).encode(), model="m")
    assert refused.value.problem.param == "contents"


def test_instructions_and_tools_count_too() -> None:
    whole = {"contents": CONTENTS, "system_instruction": "Be brief.", "tools": {"functionDeclarations": {"name": "f"}}}
    call = count_tokens.read(json.dumps({"generateContentRequest": whole}).encode(), model="public")
    sent = json.loads(count_tokens.write(call, destination(), Losses()))
    assert sent == {
        "generateContentRequest": {
            "model": "models/gemini-upstream",
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": CONTENTS,
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        }
    }


def test_a_provider_is_asked_for_the_prompt_alone() -> None:
    call = chat(turn("user", Text(text="Hi")), max_tokens=5, verbosity="low")
    losses = Losses()
    sent = json.loads(count_tokens.write(call, destination(), losses))
    assert sent == {"generateContentRequest": {"model": "models/gemini-upstream", "contents": CONTENTS}}
    assert not losses
    assert count_tokens.path(destination()) == "/v1beta/models/gemini-upstream:countTokens"


def test_the_count_goes_both_ways() -> None:
    body = json.dumps(
        {
            "totalTokens": 31,
            "cachedContentTokenCount": 10,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}, {"modality": "IMAGE", "tokenCount": 20}],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
        }
    ).encode()
    found = count_tokens.read_answer(body)
    assert (found.total_input, found.cache_read, found.input_image) == (31, 10, 20)
    assert json.loads(count_tokens.write_answer(found)) == json.loads(body)
    assert json.loads(count_tokens.write_answer(Usage(input_text=7))) == {
        "totalTokens": 7,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.UPSTREAM),
        (b"{}", Kind.UPSTREAM),
        (b'{"totalTokens":"x"}', Kind.UPSTREAM),
        (b'{"error":{"code":429}}', Kind.RATE),
    ],
)
def test_anything_but_a_count_is_refused(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as refused:
        count_tokens.read_answer(body)
    assert refused.value.problem.kind is kind
