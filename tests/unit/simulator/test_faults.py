"""Faults on all four wire forms: each vendor fails in its own words (protocols 1.10)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nexusflow.simulator.models import HUGE_BYTES
from tests.support import sse
from tests.support.simulated import Answer, Simulated

HELLO = "Hello wörld 漢字"
SAID = f"[simulated] You said: {HELLO}."
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": HELLO}]}
GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": HELLO}]}]}

Ask = Callable[[str, bool], Answer]


def ask_chat(model: str, stream: bool) -> Answer:
    more = {"stream_options": {"include_usage": True}} if stream else {}
    return Simulated().chat(CHAT, model=model, stream=stream, **more)


def ask_responses(model: str, stream: bool) -> Answer:
    return Simulated().respond({"input": HELLO}, model=model, stream=stream)


def ask_messages(model: str, stream: bool) -> Answer:
    return Simulated().message(CHAT, model=model, stream=stream)


def ask_gemini(model: str, stream: bool) -> Answer:
    return Simulated().stream(GEMINI, model) if stream else Simulated().generate(GEMINI, model)


FORMS: dict[str, Ask] = {"chat": ask_chat, "responses": ask_responses, "messages": ask_messages, "gemini": ask_gemini}
BOTH = pytest.mark.parametrize("stream", [False, True])
EACH = pytest.mark.parametrize("form", FORMS)


def error_of(body: Any) -> tuple[Any, Any]:
    """The class of an error in its vendor's words, and OpenAI's code."""
    error = body["error"]
    return error.get("status") or error["type"], error.get("code")


def texts(form: str, body: bytes) -> list[str]:
    """The text deltas of a stream."""
    events = [event for event in sse.events(body) if event != "[DONE]"]
    if form == "chat":
        found = [event["choices"][0]["delta"] for event in events if event.get("choices")]
        return [delta["content"] for delta in found if delta.get("content")]
    if form == "responses":
        return [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    if form == "messages":
        return [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    candidates = [event["candidates"][0] for event in events if event.get("candidates")]
    return [text for one in candidates if (text := one["content"]["parts"][0]["text"])]


def text(form: str, body: bytes) -> str:
    """The text of a plain answer."""
    answer = json.loads(body)
    if form == "chat":
        return str(answer["choices"][0]["message"]["content"])
    if form == "responses":
        return str(answer["output"][0]["content"][0]["text"])
    if form == "messages":
        return str(answer["content"][0]["text"])
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])


def usages(form: str, answer: Answer, stream: bool) -> list[dict[str, Any]]:
    """All usage objects of an answer."""
    found = []
    for event in [one for one in answer.events if one != "[DONE]"] if stream else [answer.json]:
        inside = event.get("response") or event.get("message") or event
        usage = event.get("usageMetadata") or event.get("usage") or inside.get("usage")
        found += [usage] if usage else []
    return found


OPENAI = "invalid_request_error"
# OpenAI's status, type and code; Anthropic's status and type; Google's status and its name.
REFUSALS: dict[str, tuple[tuple[int, str, str | None], tuple[int, str], tuple[int, str]]] = {
    "400": ((400, OPENAI, "context_length_exceeded"), (400, "invalid_request_error"), (400, "INVALID_ARGUMENT")),
    "401": ((401, OPENAI, "invalid_api_key"), (401, "authentication_error"), (400, "INVALID_ARGUMENT")),
    "402": ((429, "insufficient_quota", "insufficient_quota"), (402, "billing_error"), (400, "FAILED_PRECONDITION")),
    "403": ((403, "permission_error", None), (403, "permission_error"), (403, "PERMISSION_DENIED")),
    "404": ((404, OPENAI, "model_not_found"), (404, "not_found_error"), (404, "NOT_FOUND")),
    "413": ((413, OPENAI, "request_too_large"), (413, "request_too_large"), (413, "INVALID_ARGUMENT")),
    "429": ((429, "requests", "rate_limit_exceeded"), (429, "rate_limit_error"), (429, "RESOURCE_EXHAUSTED")),
    "quota": (
        (429, "insufficient_quota", "insufficient_quota"),
        (429, "rate_limit_error"),
        (429, "RESOURCE_EXHAUSTED"),
    ),
    "500": ((500, "server_error", None), (500, "api_error"), (500, "INTERNAL")),
    "502": ((502, "server_error", None), (502, "api_error"), (502, "UNAVAILABLE")),
    "503": ((503, "server_error", "overloaded"), (503, "api_error"), (503, "UNAVAILABLE")),
    "504": ((504, "server_error", "timeout"), (504, "timeout_error"), (504, "DEADLINE_EXCEEDED")),
    "529": ((503, "server_error", "overloaded"), (529, "overloaded_error"), (503, "UNAVAILABLE")),
    "policy": ((400, OPENAI, "content_policy_violation"), (400, "invalid_request_error"), (400, "INVALID_ARGUMENT")),
}


@BOTH
@pytest.mark.parametrize("fault", REFUSALS)
def test_U20_to_U26_refusals(fault: str, stream: bool) -> None:
    openai, anthropic, google = REFUSALS[fault]
    for form in ("chat", "responses"):
        answer = FORMS[form](f"fault-{fault}", stream)
        assert (answer.status, *error_of(answer.json)) == openai
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    answer = FORMS["messages"](f"fault-{fault}", stream)
    assert (answer.status, error_of(answer.json)[0]) == anthropic
    assert (answer.json["type"], answer.json["request_id"]) == ("error", answer.headers["request-id"])
    answer = FORMS["gemini"](f"fault-{fault}", stream)
    assert (answer.status, error_of(answer.json)[0]) == google
    assert answer.json["error"]["code"] == answer.status


def test_U20_when_to_come_again() -> None:
    for form in ("chat", "responses", "messages"):
        assert FORMS[form]("fault-429@retry=9", False).headers["retry-after"] == "9"
    google = FORMS["gemini"]("fault-429@retry=9", False)
    assert "retry-after" not in google.headers
    (info,) = google.json["error"]["details"]
    assert (info["@type"], info["retryDelay"]) == ("type.googleapis.com/google.rpc.RetryInfo", "9s")
    (wrong_key,) = FORMS["gemini"]("fault-401", False).json["error"]["details"]
    assert wrong_key["reason"] == "API_KEY_INVALID"


@EACH
def test_U15_U29_answers_that_are_no_providers(form: str) -> None:
    assert FORMS[form]("fault-html", True).body.startswith(b"<html>")
    redirect = FORMS[form]("fault-redirect@status=307", True)
    assert (redirect.status, redirect.headers["location"].startswith("http://elsewhere.invalid/")) == (307, True)


@EACH
@BOTH
def test_U16_an_error_with_status_200(form: str, stream: bool) -> None:
    for fault in ("fault-error-200", *(() if stream else ("fault-error-first", "fault-error-event"))):
        answer = FORMS[form](fault, stream)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert error_of(answer.json)[0] in ("server_error", "overloaded_error", "UNAVAILABLE")


def test_U17_errors_as_first_events() -> None:
    (chat,) = FORMS["chat"]("fault-error-first", True).events
    assert error_of(chat) == ("server_error", "overloaded")
    (response,) = FORMS["responses"]("fault-error-first", True).events
    assert (response["type"], response["code"], response["sequence_number"]) == ("error", "overloaded", 0)
    message = FORMS["messages"]("fault-error-first", True)
    assert message.body.startswith(b"event: error\ndata: ")
    assert error_of(message.events[0])[0] == "overloaded_error"
    gemini = FORMS["gemini"]("fault-error-first", True)
    assert gemini.body.startswith(b'data: {"error":')
    assert error_of(gemini.events[0])[0] == "UNAVAILABLE"


@EACH
def test_U18_errors_after_content(form: str) -> None:
    """Protocols 1.10.3: the last event is the error, and nothing says that all went well."""
    answer = FORMS[form]("fault-error-event@after=2", True)
    *before, last = answer.events
    assert texts(form, answer.body.rpartition(b"data: ")[0]) == ["[", "simulated"]
    assert answer.ended == "end"
    if form == "responses":
        assert [event["sequence_number"] for event in (*before, last)] == list(range(len(before) + 1))
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"]["code"] == "overloaded"
        assert last["response"]["id"] == before[0]["response"]["id"]
    else:
        assert error_of(last)[0] in ("server_error", "overloaded_error", "UNAVAILABLE")


ENDS = {"chat": "[DONE]", "responses": '"type":"response.completed"', "messages": '"type":"message_stop"'}


@EACH
def test_U08_U09_streams_without_their_end(form: str) -> None:
    whole = FORMS[form]("chat", True)
    short = FORMS[form]("fault-truncate@after=2", True)
    assert (texts(form, short.body), short.ended) == (["[", "simulated"], "end")
    no_done = FORMS[form]("fault-no-done", True)
    assert "".join(texts(form, no_done.body)) == SAID
    missing = len(whole.events) - len(no_done.events)
    assert missing == (0 if form == "gemini" else 1)
    if form in ENDS:
        assert ENDS[form] in sse.data_of(whole.body)[-1]
        assert not any(ENDS[form] in data for data in sse.data_of(no_done.body) + sse.data_of(short.body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(FORMS[form]("fault-truncate", False).body)


@EACH
@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_U10_connections_that_end_within_an_event(form: str, fault: str) -> None:
    answer = FORMS[form](f"fault-{fault}", True)
    assert answer.ended == fault
    assert texts(form, answer.body) == ["[", "simulated", "]"]
    assert not answer.body.endswith(b"\n")
    assert FORMS[form](f"fault-{fault}", False).ended == fault


@EACH
def test_U11_U12_one_event_is_no_json(form: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(FORMS[form]("fault-malformed", False).body)
    answer = FORMS[form]("fault-malformed", True)
    data = sse.data_of(answer.body)
    broken = [at for at, one in enumerate(data) if one == '{"half']
    assert len(broken) == 1
    assert len(data) == len(FORMS[form]("chat", True).events) + 1


@EACH
def test_U13_framing_changes_no_content(form: str) -> None:
    answer, good = FORMS[form]("fault-framing@comments=50", True), FORMS[form]("chat", True)
    assert b"\n" not in answer.body
    assert answer.body.count(b": comment\r") > 50
    assert texts(form, answer.body) == texts(form, good.body)
    assert len(answer.events) == len(good.events)
    names = [line for line in good.body.split(b"\n") if line.startswith(b"event:")]
    assert answer.body.count(b"event:") == len(names)
    assert text(form, FORMS[form]("fault-framing", False).body) == SAID


@EACH
def test_U14_huge_events(form: str) -> None:
    (whole,) = texts(form, FORMS[form]("fault-huge-event", True).body)
    assert len(whole.encode()) == HUGE_BYTES


@EACH
@BOTH
def test_U27_the_kept_connection_is_closed_behind_a_good_answer(form: str, stream: bool) -> None:
    answer = FORMS[form]("fault-stale", stream)
    assert answer.ended == "cut"
    assert ("".join(texts(form, answer.body)) if stream else text(form, answer.body)) == SAID


@EACH
@BOTH
def test_U30_to_U33_usage(form: str, stream: bool) -> None:
    good = usages(form, FORMS[form]("chat", stream), stream)
    assert usages(form, FORMS[form]("fault-no-usage", stream), stream) == []
    for kind, word in (("negative", "-5"), ("absurd", str(10**12)), ("text", "NaN"), ("cached", "500")):
        untrue = usages(form, FORMS[form](f"fault-bad-usage@kind={kind}", stream), stream)
        assert len(untrue) == len(good)
        assert word in json.dumps(untrue[-1])
    zero = usages(form, FORMS[form]("fault-zero-usage", stream), stream)
    assert not [number for number in numbers(zero) if number]
    repeated = usages(form, FORMS[form]("fault-repeated-usage", stream), stream)
    assert repeated[-1] == good[-1]
    if stream:
        assert len(repeated) > (len(good) if form != "gemini" else 5)


def numbers(value: Any) -> list[int]:
    """All numbers in a value."""
    if isinstance(value, dict | list):
        return [number for one in (value.values() if isinstance(value, dict) else value) for number in numbers(one)]
    return [value] if isinstance(value, int) else []


EMPTY = {"chat": "choices", "responses": "output", "messages": "content", "gemini": "candidates"}


@EACH
def test_U34_U35_nothing_said_and_another_model(form: str) -> None:
    assert not FORMS[form]("fault-empty", False).json.get(EMPTY[form])
    stream = FORMS[form]("fault-empty", True)
    assert texts(form, stream.body) == []
    assert b'"end_turn"' not in stream.body
    assert b'"STOP"' not in stream.body
    for streams in (False, True):
        assert b'"another-model-entirely"' in FORMS[form]("fault-other-model", streams).body
        assert b'"fault-other-model"' not in FORMS[form]("fault-other-model", streams).body


def test_faults_of_arrays() -> None:
    """Gemini's streams without `alt=sse` fail in their own shape."""

    def ask(model: str) -> bytes:
        return Simulated().generate(GEMINI, model, "streamGenerateContent").body

    assert error_of(json.loads(ask("fault-error-first") + b"]")[0])[0] == "UNAVAILABLE"
    *frames, last = json.loads(ask("fault-error-event@after=2") + b"]")
    assert (len(frames), error_of(last)[0]) == (2, "UNAVAILABLE")
    assert ask("fault-truncate").endswith(b"}")
    assert json.loads(ask("fault-no-done") + b"]") == json.loads(ask("chat@").replace(b'"chat"', b'"fault-no-done"'))
    assert json.loads(ask("fault-framing"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask("fault-malformed"))


def test_counting_fails_too() -> None:
    refused = Simulated().ask(
        "/v1/messages/count_tokens", {"model": "fault-529", **CHAT}, {"anthropic-version": "2023-06-01"}
    )
    assert refused.status == 529
    assert Simulated().generate(GEMINI, "fault-503", "countTokens").status == 503
