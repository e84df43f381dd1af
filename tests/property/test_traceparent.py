"""What is taken for a `traceparent`, and what goes on to providers (OBS-21, W3C Trace Context)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexusflow.wire import traceparent

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-%b-%b-01" % (TRACE, SPAN)
ids = st.integers(1, 2**128 - 1)
spans = st.integers(1, 2**64 - 1)


def read(value: bytes, *state: bytes) -> traceparent.Parent | None:
    return traceparent.read([(b"traceparent", value), *((b"tracestate", one) for one in state)])


@settings(deadline=None)
@given(ids, spans, st.booleans())
def test_what_we_say_is_what_others_read(trace: int, span: int, sampled: bool) -> None:
    said = traceparent.lines(trace, span, sampled)
    name, _, value = said.removesuffix(b"\r\n").partition(b": ")
    assert (name, read(value)) == (b"traceparent", traceparent.Parent(trace, span, sampled))


@settings(deadline=None)
@given(ids, spans, st.integers(0, 255), st.integers(1, 254), st.text("abc-é", max_size=5))
def test_later_versions_are_read_as_far_as_we_know_them(
    trace: int, span: int, flags: int, version: int, more: str
) -> None:
    value = b"%02x-%032x-%016x-%02x" % (version, trace, span, flags)
    expected = traceparent.Parent(trace, span, bool(flags & 1))
    assert read(value) == read(value + b"-" + more.encode()) == expected
    assert read(value + b"x") is None


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text("0123456789abcdef-", min_size=50, max_size=60).map(str.encode)))
def test_anything_else_counts_as_absent(value: bytes) -> None:
    found = read(value)
    if re.fullmatch(rb"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*", value.strip(), re.DOTALL) is None:
        assert found is None


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_single_byte_can_be_wrong_unnoticed(at: int, byte: int) -> None:
    value = GOOD[:at] + bytes((byte,)) + GOOD[at + 1 :]
    found = read(value)
    if found is not None:
        again = b"%02x-%032x-%016x" % (int(value[:2], 16), found.trace, found.span)
        assert value[:52] == again


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD.upper(),
        GOOD + b"-more",
        b"ff" + GOOD[2:],
        b"00-" + b"0" * 32 + GOOD[35:],
        GOOD[:36] + b"0" * 16 + b"-01",
        GOOD + b"\r\nx-evil: 1",
        GOOD + b"," + GOOD,
    ],
)
def test_the_cases_of_the_specification(value: bytes) -> None:
    assert read(value) is None


def test_two_parents_are_none() -> None:
    assert traceparent.read([(b"traceparent", GOOD)] * 2) is None
    assert traceparent.read([]) is None
    assert traceparent.read([(b"tracestate", b"a=1")]) is None


members = st.from_regex(r"[a-z][a-z0-9_*/-]{0,9}(@[a-z]{1,9})?=[!-+\--<>-~]{1,10}", fullmatch=True)


@settings(deadline=None)
@given(st.lists(members, max_size=12, unique_by=lambda one: one.partition("=")[0]))
def test_a_valid_state_goes_on_as_one_header(some: list[str]) -> None:
    found = read(GOOD, *(one.encode() for one in some))
    assert found is not None
    assert found.state == ",".join(some).encode()


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_a_state_never_breaks_a_header(value: bytes) -> None:
    found = read(GOOD, value)
    assert found is not None
    said = traceparent.lines(1, 2, False, found.state)
    assert said.count(b"\r\n") == (2 if found.state else 1)
    assert said.replace(b"\r\n", b"").decode("ascii").isprintable()


@pytest.mark.parametrize(
    ("states", "passed"),
    [
        ([b"a=1, b=2 ", b"c=3"], b"a=1,b=2,c=3"),
        ([b"a=1,,b=2"], b"a=1,b=2"),
        ([b"1t@sys=x"], b"1t@sys=x"),
        ([b"a=1,a=2"], b""),
        ([b"A=1"], b""),
        ([b"a"], b""),
        ([b"a=b=c"], b""),
        ([b",".join(b"k%d=1" % n for n in range(33))], b""),
        ([b"a=" + b"x" * 256, b"b=" + b"x" * 253], b""),
        ([b"a=" + b"x" * 256, b"b=" + b"x" * 250], b"a=" + b"x" * 256 + b",b=" + b"x" * 250),
    ],
)
def test_states_by_the_rules_of_the_specification(states: list[bytes], passed: bytes) -> None:
    found = read(GOOD, *states)
    assert found is not None
    assert found.state == passed
