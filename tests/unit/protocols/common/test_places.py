"""A refusal of a writer names the field in the caller's own protocol (contract 3 row 10)."""

import json
from typing import Any

import pytest

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES

WAV = "UklGRgAAAABXQVZF"
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {}}

Body = dict[str, Any]


def chat(*messages: Body) -> Body:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    return {"model": "m", "messages": list(messages), "tools": [tool]}


def messages(*turns: Body) -> Body:
    return {"model": "m", "max_tokens": 9, "messages": list(turns), "tools": [{"name": "f", "input_schema": SCHEMA}]}


def responses(*items: Body) -> Body:
    return {"model": "m", "input": list(items), "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]}


def gemini(*contents: Body) -> Body:
    return {"contents": list(contents), "tools": [{"functionDeclarations": [{"name": "f"}]}]}


HI: Body = {"role": "user", "content": "Hi"}
AT = "https://x.example/a.png"
SAID: Body = {"role": "assistant", "content": "Yes", "reasoning_content": "hm"}


def called(*ids: str, arguments: str = "{}") -> Body:
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def told(id: str, *parts: Body) -> Body:
    return {"role": "tool", "tool_call_id": id, "content": list(parts) or "ok"}


def asked(*parts: Body) -> Body:
    return {"role": "user", "content": list(parts)}


SOUND: Body = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
PICTURE: Body = {"type": "image_url", "image_url": {"url": AT, "detail": "low"}}
FILE: Body = {"type": "file", "file": {"file_id": "file-1"}}
SEE: Body = {"type": "text", "text": "See"}

FORMS: dict[str, tuple[Any, Body, str]] = {
    "sound of a chat": (CHAT, chat(HI, SAID, asked(SEE, SOUND)), "messages[2].content[1].input_audio.data"),
    "image of a chat": (CHAT, chat(HI, SAID, asked(PICTURE)), "messages[2].content[0].image_url.url"),
    "file of a chat": (CHAT, chat(asked(SEE, FILE)), "messages[0].content[1].file.file_id"),
    "second of two messages in a row": (CHAT, chat(HI, asked(SEE, PICTURE)), "messages[1].content[1].image_url.url"),
    "results in another order": (
        CHAT,
        chat(HI, called("a", "b"), told("b", SEE, PICTURE), told("a")),
        "messages[2].content[1].image_url.url",
    ),
    "arguments of a chat": (
        CHAT,
        chat(HI, called("a", "b", arguments="[1]"), told("a"), told("b")),
        "messages[1].tool_calls[0].function.arguments",
    ),
    "image of a message": (
        MESSAGES,
        messages(asked(SEE, {"type": "image", "source": {"type": "url", "url": AT}})),
        "messages[0].content[1].source",
    ),
    "image in a result of a message": (
        MESSAGES,
        messages(
            HI,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [SEE, {"type": "image", "source": {"type": "url", "url": AT}}],
                    }
                ],
            },
        ),
        "messages[2].content[0].content[1].source",
    ),
    "sound of Gemini": (
        GEMINI,
        gemini({"parts": [{"text": "See"}, {"inlineData": {"mimeType": "audio/wav", "data": WAV}}]}),
        "contents[0].parts[1].inlineData",
    ),
    "file of Gemini": (
        GEMINI,
        gemini({"parts": [{"fileData": {"mimeType": "image/png", "fileUri": AT}}]}),
        "contents[0].parts[0].fileData",
    ),
    "image in a response to Gemini's call": (
        GEMINI,
        gemini(
            {"parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "name": "f",
                            "response": {"output": "ok"},
                            "parts": [{"fileData": {"mimeType": "image/png", "fileUri": AT}}],
                        }
                    }
                ],
            },
        ),
        "contents[2].parts[0].functionResponse.parts[0].fileData",
    ),
    "image of a response": (
        RESPONSES,
        responses(HI, asked({"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": AT})),
        "input[1].content[1].image_url",
    ),
    "image in the second result of a response": (
        RESPONSES,
        responses(
            HI,
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "ok"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_image", "image_url": AT}]},
        ),
        "input[4].output[0].image_url",
    ),
}
"""What a client of a protocol sends, and the field in it that a model without eyes and ears cannot take."""


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_refusal_names_the_callers_own_field(form: str, upstream: Any) -> None:
    client, body, path = FORMS[form]
    if upstream == client:
        return
    call = DIALECTS[client].read_request.read(json.dumps(body).encode(), model="m", stream=False)
    flags = Capabilities(image_url=False, pdf=False, input=("text",), function_response_media=True)
    with pytest.raises(RequestRefused) as caught:
        DIALECTS[upstream].write_request.write(call, Destination(model="m", family="m", capabilities=flags), Losses())
    assert caught.value.problem.param == path


def test_a_loss_names_the_callers_own_field() -> None:
    for client, body, path in (
        (CHAT, chat(HI, asked(SEE, PICTURE)), "messages[1].content[1].image_url.detail"),
        (
            RESPONSES,
            responses(asked({"type": "input_image", "image_url": AT, "detail": "low"})),
            "input[0].content[0].detail",
        ),
    ):
        call = DIALECTS[client].read_request.read(json.dumps(body).encode(), model="m", stream=False)
        losses = Losses()
        to = Destination(model="m", family="m", capabilities=Capabilities(input=("text", "image")))
        DIALECTS[MESSAGES].write_request.write(call, to, losses)
        assert losses.header() == f"dropped={path}"
