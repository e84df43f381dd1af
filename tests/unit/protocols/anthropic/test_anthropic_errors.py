"""Errors of Anthropic Messages: ours as its SDK reads them, a provider's as we do."""

import json

import anthropic
import pytest

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.anthropic import errors
from tests.support.messages import accumulated, frames, message_start, sdk, text_block

# reliability 1.7, column Anthropic, with the class of the official SDK (protocols 1.10.2).
CLASSES = {
    Kind.PARSE: (400, anthropic.BadRequestError, "invalid_request_error"),
    Kind.PARAM: (400, anthropic.BadRequestError, "invalid_request_error"),
    Kind.CONTEXT: (400, anthropic.BadRequestError, "invalid_request_error"),
    Kind.CONTENT: (400, anthropic.BadRequestError, "invalid_request_error"),
    Kind.AUTH: (401, anthropic.AuthenticationError, "authentication_error"),
    Kind.FUNDS: (403, anthropic.PermissionDeniedError, "billing_error"),
    Kind.INFLIGHT: (429, anthropic.RateLimitError, "rate_limit_error"),
    Kind.PERMISSION: (403, anthropic.PermissionDeniedError, "permission_error"),
    Kind.MODEL: (404, anthropic.NotFoundError, "not_found_error"),
    Kind.ROUTE: (404, anthropic.NotFoundError, "not_found_error"),
    Kind.CONFLICT: (409, anthropic.ConflictError, "conflict_error"),
    Kind.REUSE: (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
    Kind.SIZE: (413, anthropic.APIStatusError, "request_too_large"),
    Kind.RATE: (429, anthropic.RateLimitError, "rate_limit_error"),
    Kind.INTERNAL: (500, anthropic.InternalServerError, "api_error"),
    Kind.UPSTREAM: (502, anthropic.InternalServerError, "api_error"),
    Kind.UNAVAILABLE: (503, anthropic.APIStatusError, "api_error"),
    Kind.BUSY: (529, anthropic.APIStatusError, "overloaded_error"),
    Kind.DRAIN: (529, anthropic.APIStatusError, "overloaded_error"),
    Kind.STORE: (503, anthropic.APIStatusError, "api_error"),
    Kind.TIMEOUT: (504, anthropic.APIStatusError, "timeout_error"),
    Kind.UNKNOWN: (502, anthropic.InternalServerError, "api_error"),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_T105_every_problem_is_the_right_exception_of_the_sdk(kind: Kind) -> None:
    problem = Problem(kind=kind, message="What happened.", code="some_code", param="messages[0]")
    status, expected, type_ = CLASSES[kind]
    assert errors.status(problem) == status
    client = sdk(errors.envelope(problem, "01ABC"), status=status)
    with pytest.raises(expected) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    body = json.loads(caught.value.response.content)
    assert body == {
        "type": "error",
        "error": {
            "type": type_,
            "message": "What happened.",
            "details": {"error_code": "some_code", "param": "messages[0]"},
        },
        "request_id": "01ABC",
    }


def test_every_kind_has_a_row() -> None:
    assert set(errors.TABLE) == set(Kind)


def test_T105_an_error_in_a_stream_raises_in_the_sdk() -> None:
    begun = frames(message_start(), *text_block(0, "x")) + errors.event(Problem(kind=Kind.BUSY, message="Busy."), "01")
    with pytest.raises(anthropic.APIStatusError) as caught:
        accumulated(begun)
    assert caught.value.type == "overloaded_error"


def test_another_protocols_type_is_not_shown() -> None:
    body = json.loads(errors.envelope(Problem(kind=Kind.PARAM, message="x", type="BadRequest")))
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (400, "invalid_request_error", Kind.PARAM),
        (413, "request_too_large", Kind.SIZE),
        (401, "authentication_error", Kind.UPSTREAM),
        (402, "billing_error", Kind.UPSTREAM),
        (403, "permission_error", Kind.UPSTREAM),
        (404, "not_found_error", Kind.UPSTREAM),
        (429, "rate_limit_error", Kind.RATE),
        (500, "api_error", Kind.UPSTREAM),
        (504, "timeout_error", Kind.TIMEOUT),
        (529, "overloaded_error", Kind.BUSY),
    ],
)
def test_a_providers_refusal_keeps_its_class(status: int, type_: str, kind: Kind) -> None:
    body = json.dumps({"type": "error", "error": {"type": type_, "message": "secret words"}}).encode()
    problem = errors.read(status, body)
    assert problem.kind is kind
    assert (problem.message == "secret words") is (status in (400, 413))
    assert errors.read_in_band(json.dumps({"type": type_, "message": "secret words"}).encode()).kind is kind


def test_T104_a_wait_is_passed_on() -> None:
    assert errors.read(429, b"{}", 17).retry_after == 17


def test_a_prompt_that_is_too_long_is_a_class_of_its_own() -> None:
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8"}}'
    assert errors.read(400, body).kind is Kind.CONTEXT


def test_U24_the_gateways_own_account_is_never_the_callers_fault() -> None:
    told = "Your credit balance is too low to access the Anthropic API."
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": told}}).encode()
    problem = errors.read(400, body)
    assert problem.kind is Kind.UPSTREAM
    assert "credit" not in problem.message


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"null", b'{"error":7}', b'"x"', b"\xff", b"[" * 5000])
def test_T106_any_body_is_read(body: bytes) -> None:
    assert errors.read(500, body).kind is Kind.UPSTREAM
    assert errors.read(400, body).kind is Kind.PARAM
    assert errors.read_in_band(body).kind is Kind.UPSTREAM
