"""The identity lane: bytes pass through, but for the model's name."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import openai
import pytest
from msgspec import Raw

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.openai_responses import errors, identity_reply, identity_request
from nexusflow.protocols.openai_responses.identity_stream import IdentityStream
from nexusflow.protocols.openai_responses.wire import ResponsesRequest
from nexusflow.wire import jsonedit

PUBLIC = Raw(b'"public"')
BOUNDS = RequestBounds()
DECODER = msgspec.json.Decoder(ResponsesRequest)
OPEN = {"id": "m", "title": "M", "owner": "o", "category": "chat", "lanes": (), "protocols": ()}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": '"model"'}],
}


def model(**members: Any) -> Model:
    return Model(**{**OPEN, **members})


def validate(bounds: RequestBounds = BOUNDS, served: Model | None = None, **members: Any) -> ResponsesRequest:
    body = json.dumps({"model": "m", "input": "hi", **members}).encode()
    return identity_request.validate(body, DECODER, served or model(), bounds)


def refused(bounds: RequestBounds = BOUNDS, served: Model | None = None, **members: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        validate(bounds, served, **members)
    return caught.value.problem


@pytest.mark.parametrize(
    ("members", "param", "status"),
    [
        ({"temperature": 3}, "temperature", 422),
        ({"top_p": -1}, "top_p", 422),
        ({"max_output_tokens": 0}, "max_output_tokens", 422),
        ({"top_logprobs": 21}, "top_logprobs", 422),
        ({"stream": "yes"}, "stream", 400),
        ({"tools": [{"name": "f"}]}, "tools[0].type", 400),
        ({"input": 5}, "input", 400),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content", 400),
    ],
)
def test_C_refusals_name_the_field(members: dict[str, Any], param: str, status: int) -> None:
    problem = refused(**members)
    assert (problem.param, errors.status(problem)) == (param, status)


def test_C18_counts() -> None:
    small = RequestBounds(max_messages=1, max_tools=1, max_images=1)
    image = {"type": "input_image", "image_url": "https://x/i.png"}
    user = {"role": "user", "content": [image]}
    assert refused(small, input=[user, user]).param == "input"
    assert refused(small, tools=[{"type": "web_search"}] * 2).param == "tools"
    seeing = model(input=("text", "image"))
    assert refused(small, seeing, input=[{"role": "user", "content": [image, image]}]).param == "images"
    output = {"type": "function_call_output", "call_id": "a", "output": [image, image]}
    assert refused(small, seeing, input=[output]).param == "images"


def test_media_that_the_model_does_not_take() -> None:
    part = {"type": "input_file", "file_id": "file_1"}
    assert refused(input=[{"role": "user", "content": [part]}]).param == "input[0].content[0]"
    assert validate(served=model(input=("text", "file")), input=[{"role": "user", "content": [part]}])


def test_values_by_the_models_own_rules() -> None:
    rules = {"reasoning_effort": ("low",), "service_tier": ("flex",), "verbosity": ("low",)}
    served = model(allowed=rules, response_formats=("text",))
    assert refused(served=served, reasoning={"effort": "high"}).param == "reasoning.effort"
    assert refused(served=served, service_tier="priority").param == "service_tier"
    assert refused(served=served, text={"verbosity": "high"}).param == "text.verbosity"
    assert refused(served=served, text={"format": {"type": "json_object"}}).param == "text.format"
    assert validate(served=served, reasoning={"effort": "low"}, text={"format": {"type": "text"}})


def prepared(body: bytes, served: Model) -> bytes:
    fields = jsonedit.split(body)
    return identity_request.prepare(fields, served, Raw(b'"up"'), stream=True, usage="option")


def test_only_the_model_name_changes() -> None:
    body = b'{"input":"\\u00e9 1.0","model":"m","temperature":1.00,"unknown":[1, 2]}'
    assert prepared(body, model()) == body.replace(b'"m"', b'"up"')
    assert b"unknown" not in prepared(body, model(unknown_params="drop"))


def test_defaults_fill_gaps_only() -> None:
    defaults = {"max_tokens": Raw(b"7"), "reasoning_effort": Raw(b'"low"'), "seed": Raw(b"1")}
    served = model(defaults=defaults)
    assert json.loads(prepared(b'{"model":"m","input":"x"}', served)) == {
        "model": "up",
        "input": "x",
        "max_output_tokens": 7,
        "reasoning": {"effort": "low"},
    }
    body = b'{"model":"m","max_output_tokens":9,"reasoning":{"summary":"auto","effort":"high"}}'
    assert prepared(body, served) == body.replace(b'"m"', b'"up"')


def response(**members: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 4}
    return {"id": "resp_up", "model": "gpt-up", "status": "completed", "output": [MESSAGE], "usage": usage, **members}


def test_L15_the_answer_bears_the_public_name() -> None:
    body = json.dumps(response(), separators=(",", ":")).encode()
    assert identity_reply.relabel(body, PUBLIC) == body.replace(b'"model":"gpt-up"', b'"model":"public"')
    assert identity_reply.relabel(body, Raw(b'"gpt-up"')) is body
    found = identity_reply.usage(body)
    assert found is not None
    assert (found.input_text, found.output_text) == (3, 4)
    assert identity_reply.usage(b"<html>") is None
    assert identity_reply.usage(b'{"usage":null}') is None


def test_T50_searches_are_counted() -> None:
    items = [
        MESSAGE,
        {"type": "web_search_call", "status": "completed"},
        {"type": "web_search_call", "status": "failed"},
    ]
    found = identity_reply.usage(json.dumps(response(output=items)).encode())
    assert found is not None
    assert found.n_web_search == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.UPSTREAM),
        (b'{"id":"x"}', Kind.UPSTREAM),
        (b'{"output":[],"status":"completed"}', Kind.UPSTREAM),
        (b'{"output":[],"status":"failed"}', Kind.UPSTREAM),
        (b'{"error":{"code":"rate_limit_exceeded","message":"x"}}', Kind.RATE),
    ],
)
def test_U11_U16_U34_answers_that_are_none(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as caught:
        identity_reply.relabel(body, PUBLIC)
    assert caught.value.problem.kind is kind
    queued = b'{"output":[],"status":"queued","model":"gpt-up"}'
    assert b'"public"' in identity_reply.relabel(queued, PUBLIC)


def frame(type_: str, **members: Any) -> bytes:
    data = json.dumps({"type": type_, **members}, separators=(",", ":"))
    return f"event: {type_}\ndata: {data}\n\n".encode()


CREATED = frame("response.created", response=response(status="in_progress", output=[]), sequence_number=0)
DELTA = frame("response.output_text.delta", delta='say "model":"gpt-up"', sequence_number=4)
ITEM = frame("response.output_item.done", item=MESSAGE, sequence_number=5)
COMPLETED = frame("response.completed", response=response(), sequence_number=6)
STREAM = CREATED + DELTA + ITEM + COMPLETED


def fed(body: bytes, size: int = 1 << 20) -> tuple[bytes, IdentityStream]:
    tap = IdentityStream(PUBLIC)
    out = b""
    for at in range(0, len(body), size):
        out += tap.feed(body[at : at + size])
        if tap.done or tap.problem is not None:
            return out, tap
    return out + tap.close(), tap


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_T13_T110_the_model_is_renamed_inside_each_response(size: int) -> None:
    out, tap = fed(STREAM, size)
    renamed = [one.replace(b'"model":"gpt-up"', b'"model":"public"') for one in (CREATED, COMPLETED)]
    assert out == renamed[0] + DELTA + ITEM + renamed[1]
    assert (tap.done, tap.problem, tap.meaningful) == (True, None, True)
    assert tap.response is not None
    assert json.loads(tap.response)["model"] == "public"
    usage = tap.usage()
    assert usage is not None
    assert usage.input_text == 3


def test_a_name_that_is_the_same_changes_nothing() -> None:
    tap = IdentityStream(Raw(b'"gpt-up"'))
    assert tap.feed(STREAM) == STREAM


def test_what_comes_first_can_still_be_refused() -> None:
    tap = IdentityStream(PUBLIC)
    tap.feed(CREATED)
    assert not tap.meaningful
    tap.feed(DELTA)
    assert tap.meaningful


def test_odd_framing_is_normalised_and_comments_pass() -> None:
    body = b": hello\r\n\r\n" + STREAM.replace(b"\n", b"\r\n").replace(b"event: response.created\r\n", b"")
    out, tap = fed(body)
    assert tap.done
    assert out.startswith(b": hello\n\ndata: ")
    assert b"\r" not in out


@pytest.mark.parametrize("tail", [b"", COMPLETED[:-30], b"data: [DONE]\n\n"])
def test_T102_a_stream_without_its_end_failed(tail: bytes) -> None:
    out, tap = fed(CREATED + DELTA + tail)
    assert not tap.done
    assert tap.problem is not None
    assert tap.problem.kind is Kind.UPSTREAM
    assert out.endswith(DELTA)
    last = json.loads(tap.failure(tap.problem).partition(b"data: ")[2])
    assert (last["type"], last["response"]["status"], last["response"]["model"]) == (
        "response.failed",
        "failed",
        "public",
    )
    assert last["sequence_number"] == 5


def test_T108_a_stream_that_fails_at_once() -> None:
    error = {"code": "rate_limit_exceeded", "message": "x"}
    failed = frame("response.failed", response=response(status="failed", error=error))
    for body in (failed, CREATED + failed, frame("error", error=error), frame("error", **error)):
        _, tap = fed(body)
        assert not tap.meaningful
        assert tap.problem is not None
        assert tap.problem.kind is Kind.RATE
    empty = frame("response.completed", response=response(output=[]))
    assert fed(CREATED + empty)[1].problem is not None


def test_T46_the_providers_own_failure_is_passed_on_and_metered() -> None:
    error = {"code": "server_error", "message": "boom"}
    failed = frame("response.failed", response=response(status="failed", error=error))
    out, tap = fed(CREATED + DELTA + failed)
    assert out.endswith(DELTA)
    assert tap.problem is not None
    ours = failed.replace(b'"model":"gpt-up"', b'"model":"public"').replace(b"boom", tap.problem.message.encode())
    ours = ours.replace(b'"server_error"', b'"upstream_error"')
    assert tap.failure(tap.problem) == ours, "in our words (G56)"
    usage = tap.usage()
    assert usage is not None
    assert usage.output_text == 4


def test_failures_before_anything_was_announced(client: Callable[[bytes], openai.OpenAI]) -> None:
    body = IdentityStream(PUBLIC).failure(Problem(kind=Kind.TIMEOUT, message="Too slow."))
    assert body.startswith(b"event: error\n")
    with (
        pytest.raises(openai.APIError, match="Too slow"),
        client(body).responses.create(model="m", input="x", stream=True) as stream,
    ):
        list(stream)


def test_events_that_are_not_json() -> None:
    out, tap = fed(CREATED + DELTA + b"event: x\ndata: {oops\n\n" + COMPLETED)
    assert tap.problem is not None
    assert "JSON" in tap.problem.message
    assert out.endswith(DELTA)


def test_an_incomplete_answer_is_an_answer() -> None:
    cut = frame("response.incomplete", response=response(status="incomplete", output=[]))
    assert fed(CREATED + cut)[1].done
