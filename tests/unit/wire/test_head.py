"""Header blocks (C-15, SEC-56) and request ids (C-24)."""

import pytest

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import Server
from nexusflow.wire.head import MAX_HEAD_BYTES, MAX_HEADER_BYTES, gemini_credential, inspect
from nexusflow.wire.ids import request_id

Headers = list[tuple[bytes, bytes]]


def refusal(headers: Headers, most: int = 64) -> tuple[Kind, str | None]:
    with pytest.raises(RequestRefused) as caught:
        inspect(headers, most)
    return caught.value.problem.kind, caught.value.problem.code


@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        ([(b"authorization", b"Bearer abc")], b"abc"),
        ([(b"authorization", b"bearer  abc ")], b"abc"),
        ([(b"x-api-key", b" abc ")], b"abc"),
        ([(b"x-goog-api-key", b"abc")], b"abc"),
        ([(b"authorization", b"Bearer abc"), (b"x-api-key", b"abc")], b"abc"),
        ([(b"authorization", b"Basic abc")], None),
        ([(b"authorization", b"Bearer")], None),
        ([(b"authorization", b"Bearer  ")], None),
        ([(b"x-api-key", b"")], None),
        ([], None),
    ],
)
def test_the_key_comes_in_three_headers(headers: Headers, credential: bytes | None) -> None:
    assert inspect(headers, 64).credential == credential


@pytest.mark.parametrize("last", range(1, 4))
def test_L02_the_first_of_several_keys_counts(last: int) -> None:
    """Protocols 1.1: x-api-key, x-goog-api-key, Authorization: Bearer; in whichever order they stand."""
    sent = [(b"x-api-key", b"one"), (b"x-goog-api-key", b"two"), (b"authorization", b"Bearer three")]
    for headers in (sent[-last:], sent[-last:][::-1]):
        assert inspect(headers, 64).credential == (b"one", b"two", b"three")[-last]
    assert inspect([(b"x-api-key", b" "), sent[2]], 64).credential == b"three"


@pytest.mark.parametrize(
    "name", [b"authorization", b"host", b"content-type", b"content-length", b"x-api-key", b"x-goog-api-key"]
)
def test_C15_a_repeated_header_that_matters_is_refused(name: bytes) -> None:
    assert refusal([(name, b"1"), (b"accept", b"*"), (name, b"1")]) == (Kind.PARAM, "duplicate_header")


def test_C15_other_headers_may_repeat() -> None:
    assert inspect([(b"accept", b"a"), (b"accept", b"b")], 64).credential is None


def test_C15_bounds_are_exact() -> None:
    name = b"x-a"
    largest = b"a" * (MAX_HEADER_BYTES - len(name))
    inspect([(name, largest)], 64)
    assert refusal([(name, largest + b"a")])[0] is Kind.HEADERS
    inspect([(name, b"")] * 64, 64)
    assert refusal([(name, b"")] * 65)[0] is Kind.HEADERS
    full = [(name, largest)] * (MAX_HEAD_BYTES // MAX_HEADER_BYTES)
    inspect(full, 64)
    assert refusal([*full, (b"x", b"")])[0] is Kind.HEADERS


@pytest.mark.parametrize(
    ("value", "length"), [(b"12", 12), (b"0", 0), (b"+5", None), (b"-1", None), (b"1e3", None), (b"", None)]
)
def test_content_length(value: bytes, length: int | None) -> None:
    assert inspect([(b"content-length", value)], 64).content_length == length


def test_content_length_beside_chunks_says_nothing() -> None:
    for order in (1, -1):
        headers = [(b"content-length", b"12"), (b"transfer-encoding", b"chunked")][::order]
        assert inspect(headers, 64).content_length is None


def test_content_encoding_is_passed_on() -> None:
    assert inspect([(b"content-encoding", b"gzip")], 64).content_encoding == b"gzip"


def test_C24_request_ids_are_ulids_in_order_of_time() -> None:
    ids = [request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(one) == 26 and not set(one) - set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for one in ids)
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


def test_headers_of_one_protocol_are_found_when_asked_for() -> None:
    head = inspect(
        [
            (b"anthropic-version", b"2023-06-01"),
            (b"anthropic-beta", b"context-1m-2025-08-07, ,fast-mode-2026-02-01"),
            (b"x-goog-api-client", b"google-genai-sdk/3.4.0"),
            (b"anthropic-beta", b"compact-2026-09-04"),
        ],
        64,
    )
    assert head.first(b"anthropic-version") == b"2023-06-01"
    assert head.first(b"x-goog-api-client") == b"google-genai-sdk/3.4.0"
    assert head.every(b"anthropic-beta") == [b"context-1m-2025-08-07", b"fast-mode-2026-02-01", b"compact-2026-09-04"]
    assert head.first(b"x-other") is None
    assert head.every(b"x-other") == []


ACCEPTS, REFUSES = Server(name="g", query_key=True), Server(name="g", query_key=False)


def from_query(query: bytes, headers: Headers, server: Server = ACCEPTS) -> bytes | None:
    return gemini_credential(inspect(headers, 64), {"query_string": query}, server)


@pytest.mark.parametrize(
    ("query", "headers", "credential"),
    [
        (b"key=abc", [], b"abc"),
        (b"alt=sse&key=a%2Bc", [], b"a+c"),
        (b"key=abc&key=abc", [], b"abc"),
        (b"key=abc", [(b"x-goog-api-key", b"abc")], b"abc"),
        (b"key=", [(b"x-goog-api-key", b"abc")], b"abc"),
        (b"alt=sse", [(b"authorization", b"Bearer abc")], b"abc"),
        (b"monkey=abc", [], None),
        (b"", [], None),
    ],
)
def test_L02_Gemini_addresses_take_the_key_in_the_query(query: bytes, headers: Headers, credential: bytes) -> None:
    assert from_query(query, headers) == credential


def test_SEC56_the_query_is_no_place_for_a_key_where_the_gateway_says_so() -> None:
    assert from_query(b"key=abc", [], REFUSES) is None
    assert from_query(b"key=abc", [(b"x-api-key", b"other")], REFUSES) == b"other"


@pytest.mark.parametrize("header", [(b"x-api-key", b"b"), (b"x-goog-api-key", b"b"), (b"authorization", b"Bearer b")])
def test_L02_a_key_in_a_header_counts_before_one_in_the_query(header: tuple[bytes, bytes]) -> None:
    assert from_query(b"key=a", [header]) == b"b"


def test_SEC56_two_different_keys_in_a_query_have_no_order() -> None:
    with pytest.raises(RequestRefused) as caught:
        from_query(b"key=a&key=b", [])
    assert caught.value.problem.code == "conflicting_credentials"
