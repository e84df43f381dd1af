"""Errors in Google's form, both ways (reliability 1.7)."""

import json
from typing import Any

import pytest

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.gemini import errors


def told(problem: Problem, request_id: str = "") -> Any:
    body = errors.envelope(problem, request_id)
    assert body.startswith(b'{"error":{')  # the official SDK looks for this very prefix
    return json.loads(body)["error"]


def details(error: Any) -> dict[str, Any]:
    return {entry["@type"].removeprefix("type.googleapis.com/google.rpc."): entry for entry in error["details"]}


def test_every_kind_has_its_row() -> None:
    assert set(errors.TABLE) == set(Kind)


def test_T105_a_named_field_a_wait_and_an_id_are_details_of_their_own() -> None:
    problem = Problem(kind=Kind.RATE, message="Too fast.", retry_after=37)
    error = told(problem, "01REQ")
    assert (error["code"], error["status"], error["message"]) == (429, "RESOURCE_EXHAUSTED", "Too fast.")
    found = details(error)
    assert found["RetryInfo"]["retryDelay"] == "37s"
    assert found["RequestInfo"]["requestId"] == "01REQ"
    assert found["ErrorInfo"]["reason"] == "RATE_LIMIT_EXCEEDED"
    found = details(told(Problem(kind=Kind.PARAM, message="`x` is wrong", param="x", code="invalid_type")))
    assert found["BadRequest"]["fieldViolations"] == [{"field": "x", "description": "`x` is wrong"}]
    assert found["ErrorInfo"]["reason"] == "INVALID_TYPE"
    assert "RetryInfo" not in found


@pytest.mark.parametrize(
    ("kind", "status", "word", "reason", "wait"),
    [
        (Kind.FUNDS, 403, "PERMISSION_DENIED", "INSUFFICIENT_QUOTA", None),
        (Kind.INFLIGHT, 429, "RESOURCE_EXHAUSTED", "INFLIGHT_BUDGET_EXHAUSTED", "1s"),
        (Kind.CONFLICT, 409, "ABORTED", "IDEMPOTENCY_IN_PROGRESS", "2s"),
        (Kind.REUSE, 422, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED", None),
        (Kind.UNKNOWN, 502, "UNKNOWN", "OUTCOME_UNKNOWN", None),
    ],
)
def test_L53_problems_of_money_and_repetition(
    kind: Kind, status: int, word: str, reason: str, wait: str | None
) -> None:
    error = told(Problem(kind=kind, message="No."))
    assert (error["code"], error["status"]) == (status, word)
    found = details(error)
    assert found["ErrorInfo"]["reason"] == reason
    assert found.get("RetryInfo", {}).get("retryDelay") == wait


def test_a_bad_key_is_a_401_with_googles_own_reason() -> None:
    error = told(Problem(kind=Kind.AUTH, message="No.", code="missing_key"))
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert details(error)["ErrorInfo"]["reason"] == "API_KEY_INVALID"


def test_in_a_stream_it_is_one_frame() -> None:
    frame = errors.event(Problem(kind=Kind.BUSY, message="Later."), "id")
    assert frame.startswith(b'data: {"error":{')
    assert frame.endswith(b"}\r\n\r\n")
    assert frame.count(b"\n") == 2


def google(code: int, status: str, *found: dict[str, Any], message: str = "No.") -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": found}}).encode()


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


def test_U24_googles_400_for_a_bad_key_is_not_the_callers_fault() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    problem = errors.read(400, google(400, "INVALID_ARGUMENT", info, message="API key not valid: AIzaSy123"))
    assert problem.kind is Kind.UPSTREAM
    assert "AIza" not in problem.message


def test_T104_a_wait_is_kept_and_a_used_up_quota_is_told_apart() -> None:
    problem = errors.read(429, google(429, "RESOURCE_EXHAUSTED", quota("RequestsPerMinute"), RETRY))
    assert (problem.kind, problem.retry_after, problem.should_retry) == (Kind.RATE, 35, None)
    problem = errors.read(429, google(429, "RESOURCE_EXHAUSTED", RETRY), retry_after=4)
    assert problem.retry_after == 4
    problem = errors.read(429, google(429, "RESOURCE_EXHAUSTED", quota("RequestsPerDayPerProject"), RETRY))
    assert problem.should_retry is False
    problem = errors.read(429, google(429, "RESOURCE_EXHAUSTED", {**RETRY, "retryDelay": "3600s"}))
    assert (problem.retry_after, problem.should_retry) == (120, False)
    assert errors.read(429, google(429, "X", {**RETRY, "retryDelay": "soon"})).retry_after == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Kind.PARAM), (403, Kind.UPSTREAM), (404, Kind.UPSTREAM), (503, Kind.BUSY), (504, Kind.TIMEOUT)],
)
def test_a_providers_status_decides_the_class(status: int, kind: Kind) -> None:
    assert errors.read(status, google(status, "X")).kind is kind


def test_a_400_keeps_its_words_and_field_redacted() -> None:
    bad = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0].role"}]}
    problem = errors.read(400, google(400, "INVALID_ARGUMENT", bad, message="See https://x.example/k?key=1"))
    assert (problem.param, problem.status) == ("contents[0].role", 400)
    assert "https" not in problem.message


def test_a_prompt_that_is_too_long_is_its_own_class() -> None:
    message = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    assert errors.read(400, google(400, "INVALID_ARGUMENT", message=message)).kind is Kind.CONTEXT


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"3", b'{"error":"no"}', b'{"error":{"details":3,"message":4}}', b"\xff"]
)
def test_T106_any_body_is_read_without_harm(body: bytes) -> None:
    assert errors.read(400, body).kind is Kind.PARAM
    assert errors.read(500, body).kind is Kind.UPSTREAM


def test_an_error_in_a_list_of_one_is_found() -> None:
    body = b"[" + google(400, "INVALID_ARGUMENT", message="Wrong.") + b"]"
    assert errors.read(400, body).message == "Wrong."


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"code":429}', Kind.RATE),
        (b'{"status":"UNAVAILABLE"}', Kind.BUSY),
        (b'{"status":"NEW"}', Kind.UPSTREAM),
        (b'"broken"', Kind.UPSTREAM),
        (b"3", Kind.UPSTREAM),
    ],
)
def test_U16_an_error_in_a_200_goes_by_its_own_code(raw: bytes, kind: Kind) -> None:
    assert errors.read_in_band(raw).kind is kind
