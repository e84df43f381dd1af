"""Errors in OpenAI's envelope, ours and the providers' (reliability table 1.7, U-16, U-20 to U-26, G56)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common import provider_text
from nexusflow.protocols.openai_chat import errors

# The OpenAI column of the table.
ROWS = [
    (Kind.PARSE, 400, "invalid_request_error", "invalid_json"),
    (Kind.CONTEXT, 400, "invalid_request_error", "context_length_exceeded"),
    (Kind.CONTENT, 400, "invalid_request_error", "content_policy_violation"),
    (Kind.AUTH, 401, "invalid_request_error", "invalid_api_key"),
    (Kind.FUNDS, 403, "invalid_request_error", "insufficient_quota"),
    (Kind.INFLIGHT, 429, "requests", "inflight_budget_exhausted"),
    (Kind.PERMISSION, 403, "permission_error", "model_not_allowed"),
    (Kind.MODEL, 404, "invalid_request_error", "model_not_found"),
    (Kind.CONFLICT, 409, "invalid_request_error", "idempotency_in_progress"),
    (Kind.REUSE, 422, "invalid_request_error", "idempotency_key_reused"),
    (Kind.CLIENT_TIMEOUT, 408, "invalid_request_error", "request_timeout"),
    (Kind.SIZE, 413, "invalid_request_error", "request_too_large"),
    (Kind.ENCODING, 415, "invalid_request_error", "unsupported_encoding"),
    (Kind.RATE, 429, "requests", "rate_limit_exceeded"),
    (Kind.INTERNAL, 500, "server_error", "internal_error"),
    (Kind.UPSTREAM, 502, "server_error", "upstream_error"),
    (Kind.BUSY, 503, "server_error", "overloaded"),
    (Kind.DRAIN, 503, "server_error", "draining"),
    (Kind.STORE, 503, "server_error", "store_unavailable"),
    (Kind.TIMEOUT, 504, "server_error", "upstream_timeout"),
    (Kind.UNKNOWN, 502, "server_error", "outcome_unknown"),
]
SECRETS = ("sk-live-abc123456", "https://internal.example/v1")


def body(message: Any = "no", **error: Any) -> bytes:
    return json.dumps({"error": {"message": message, **error}}).encode()


@pytest.mark.parametrize(("kind", "status", "type_", "code"), ROWS)
def test_the_table(kind: Kind, status: int, type_: str, code: str) -> None:
    problem = Problem(kind=kind, message="m")
    assert errors.status(problem) == status
    found = json.loads(errors.envelope(problem))
    assert found == {"error": {"message": "m", "type": type_, "param": None, "code": code}}
    assert errors.event(problem) == b"data: " + errors.envelope(problem) + b"\n\n"


def test_every_kind_has_a_row() -> None:
    assert set(errors.TABLE) == set(Kind)


def test_L53_the_status_of_an_empty_balance_can_be_changed() -> None:
    assert errors.status(Problem(kind=Kind.FUNDS, message="m", status=402)) == 402


@pytest.mark.parametrize(
    ("kind", "wait", "again"),
    [
        (Kind.FUNDS, None, False),
        (Kind.INFLIGHT, 1, None),
        (Kind.CONFLICT, 2, None),
        (Kind.REUSE, None, None),
        (Kind.UNKNOWN, None, False),
        (Kind.RATE, None, None),
    ],
)
def test_the_kind_alone_tells_whether_and_when_to_try_again(kind: Kind, wait: int | None, again: bool | None) -> None:
    """Clients sleep and stop by these two, so nobody who raises such a problem may forget them."""
    problem = Problem(kind=kind, message="m")
    assert (problem.retry_after, problem.should_retry) == (wait, again)
    given = Problem(kind=kind, message="m", retry_after=4, should_retry=True)
    assert (given.retry_after, given.should_retry) == (4, True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.PARAM),
        (422, Kind.PARAM),
        (413, Kind.SIZE),
        (401, Kind.UPSTREAM),
        (402, Kind.UPSTREAM),
        (403, Kind.UPSTREAM),
        (404, Kind.UPSTREAM),
        (408, Kind.TIMEOUT),
        (418, Kind.UPSTREAM),
        (429, Kind.RATE),
        (500, Kind.UPSTREAM),
        (502, Kind.UPSTREAM),
        (503, Kind.BUSY),
        (504, Kind.TIMEOUT),
        (529, Kind.BUSY),
        (301, Kind.UPSTREAM),
        (204, Kind.UPSTREAM),
    ],
)
@pytest.mark.parametrize("text", [body(f"key {SECRETS[0]} at {SECRETS[1]}"), b"", b"<html>", b'{"error":[]}', b"\xff"])
def test_U20_to_U26_by_status(status: int, kind: Kind, text: bytes) -> None:
    problem = errors.read(status, text)
    assert problem.kind is kind
    shown = errors.envelope(problem).decode()
    assert not any(secret in shown for secret in SECRETS)
    assert errors.status(problem) != 401


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"code": "context_length_exceeded"}, Kind.CONTEXT),
        ({"message": "This model's maximum context length is 8"}, Kind.CONTEXT),
        ({"message": "prompt is too long: 300000 tokens"}, Kind.CONTEXT),
        ({"code": "content_policy_violation"}, Kind.CONTENT),
        ({"code": "content_filter"}, Kind.CONTENT),
        ({"code": "anything_else"}, Kind.PARAM),
    ],
)
def test_U26_the_callers_fault(fields: dict[str, Any], kind: Kind) -> None:
    problem = errors.read(400, body(**fields))
    assert (problem.kind, errors.status(problem)) == (kind, 400)


def test_the_providers_words_about_the_request_are_kept() -> None:
    problem = errors.read(422, body("`x` is odd", param="x", code="odd", type="bad"))
    assert json.loads(errors.envelope(problem))["error"] == {
        "message": "`x` is odd",
        "type": "bad",
        "param": "x",
        "code": "odd",
    }
    assert errors.status(problem) == 422


@pytest.mark.parametrize("text", [b'{"error":"plain"}', b'{"message":"plain"}', b'{"detail":"plain"}'])
def test_other_shapes_of_an_error(text: bytes) -> None:
    assert errors.read(400, text).message == "plain"


@pytest.mark.parametrize(("given", "told"), [(None, 1), (0, 1), (-4, 1), (30, 30), (120, 120), (10**9, 120)])
def test_U21_retry_after_is_clamped(given: int | None, told: int) -> None:
    assert errors.read(429, b"", given).retry_after == told


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"code":429}', Kind.RATE),
        (b'{"code":"429"}', Kind.RATE),
        (b'{"code":"rate_limit_exceeded"}', Kind.RATE),
        (b'{"type":"overloaded_error"}', Kind.BUSY),
        (b'{"type":"authentication_error"}', Kind.UPSTREAM),
        (b'{"type":"invalid_request_error","message":"bad"}', Kind.PARAM),
        (b'{"code":9999}', Kind.UPSTREAM),
        (b'"words"', Kind.UPSTREAM),
        (b"[1]", Kind.UPSTREAM),
        (b"7", Kind.UPSTREAM),
    ],
)
def test_U16_errors_in_band_by_their_inner_code(raw: bytes, kind: Kind) -> None:
    assert errors.read_in_band(raw).kind is kind


@given(
    st.text(),
    st.sampled_from(["sk-abcdef123456", "Bearer abc.def", "https://x.example/?k=1", "gsk_abcdefgh"]),
    st.text(),
)
def test_G56_redaction(before: str, secret: str, after: str) -> None:
    """Whatever stands around it, set apart by a space; one line, and bounded."""
    shown = provider_text.redact(f"{before} {secret} {after}")
    assert secret.removeprefix("Bearer ") not in shown
    assert len(shown) <= 500
    assert "\n" not in shown
    assert "\r" not in shown
