"""Editing a JSON object's top level, against the standard library's parser as the judge (C-12, C-13, C-14, C-16)."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.wire import jsonedit

MONEY = ("model", "n", "max_tokens")
KEYS = st.sampled_from(["model", "n", "max_tokens", "user", "mo", "model2", ""]) | st.text(max_size=5)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SPACE = st.sampled_from(["", " ", "\n", "\t  "])


@st.composite
def spelled_keys(draw: st.DrawFn) -> str:
    """A key as JSON text, sometimes with needless escapes."""
    key = draw(KEYS)
    if draw(st.booleans()):
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in key) + '"'
    return json.dumps(key, ensure_ascii=draw(st.booleans()))


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """The text of an object, keys possibly repeated, white space anywhere."""
    members = draw(st.lists(st.tuples(spelled_keys(), VALUES), max_size=6))
    members_text = [
        f"{draw(SPACE)}{key}{draw(SPACE)}:{draw(SPACE)}{json.dumps(value)}{draw(SPACE)}" for key, value in members
    ]
    return ("{" + ",".join(members_text) + "}").encode()


def pairs(body: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = json.loads(body, object_pairs_hook=list)
    return found


def surrogates(body: bytes) -> bool:
    """Whether a lone surrogate is spelled anywhere: the standard library takes it, the gateway does not."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


@given(objects())
@example(b'{"n":1,"\\u006e":2}')
@example(b'{"model":"a","model":"a"}')
def test_C14_split_join_and_repeats_agree_with_a_plain_parser(body: bytes) -> None:
    if surrogates(body):
        return
    fields = jsonedit.split(body)
    joined = jsonedit.join(fields)
    assert json.loads(joined) == json.loads(body)
    assert list(json.loads(joined)) == list(json.loads(body))
    keys = [key for key, _ in pairs(body)]
    repeated = jsonedit.repeated_keys(body, joined, MONEY)
    expected = {key for key in MONEY if keys.count(key) > 1}
    assert repeated in expected if expected else repeated is None


@given(objects())
def test_untouched_values_keep_their_bytes(body: bytes) -> None:
    if surrogates(body):
        return
    fields = jsonedit.split(body)
    fields["model"] = jsonedit.text("new")
    joined = jsonedit.join(fields)
    assert json.loads(joined) == {**json.loads(body), "model": "new"}
    for key, value in fields.items():
        assert key == "model" or bytes(value) in body


@given(st.binary(max_size=60) | objects().flatmap(lambda body: st.sampled_from([body[:-1], body + b"x", b"[" + body])))
def test_C13_anything_else_is_invalid_and_nothing_else_is_raised(body: bytes) -> None:
    try:
        jsonedit.split(body)
    except jsonedit.InvalidJSON:
        return
    assert isinstance(json.loads(body.decode("utf-8", "replace"), strict=False), dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"1",
        b"{",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1}{"b":2}',
        b"\xef\xbb\xbf{}",
        b'{"\xff":1}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
    ],
)
def test_C12_C13_C16_invalid_texts(body: bytes) -> None:
    with pytest.raises(jsonedit.InvalidJSON) as caught:
        jsonedit.split(body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 100, "the message never quotes the body"


def _nested(depth: int, shape: str) -> bytes:
    """An object of `depth` levels, of lists, of objects or of both in turn."""
    opened = [b'{"k":' if shape == "objects" or (shape == "both" and at % 2) else b"[" for at in range(depth - 1)]
    closed = [b"]" if mark == b"[" else b"}" for mark in reversed(opened)]
    return b'{"a":' + b"".join(opened) + b"null" + b"".join(closed) + b"}"


@pytest.mark.parametrize("shape", ["lists", "objects", "both"])
def test_C12_depth_is_bounded_exactly(shape: str) -> None:
    jsonedit.split(_nested(jsonedit.MAX_DEPTH, shape))
    with pytest.raises(jsonedit.InvalidJSON, match="too deeply"):
        jsonedit.split(_nested(jsonedit.MAX_DEPTH + 1, shape))


@pytest.mark.parametrize(
    "text", [b"[" * 2000, b'[\\"' * 2000, b"[" * 600 + b"\\\\", b'\\\\\\"[' * 700, b"\\n[" * 600, b"]" * 2000]
)
def test_C12_brackets_in_strings_are_no_depth(text: bytes) -> None:
    deep = _nested(jsonedit.MAX_DEPTH, "both")[1:-1]
    around = b'{"before":"' + text + b'",%b,"after":["' + text + b'"]}'
    jsonedit.split(around % deep)
    with pytest.raises(jsonedit.InvalidJSON, match="too deeply"):
        jsonedit.split(around % _nested(jsonedit.MAX_DEPTH + 1, "both")[1:-1])


def test_C12_many_shallow_values_are_not_deep() -> None:
    jsonedit.split(b'{"a":[' + b",".join([b'{"b":["c",{}]}'] * 3000) + b"]}")


@given(TEXT)
def test_text_and_back(value: str) -> None:
    assert json.loads(bytes(jsonedit.text(value))) == value
    assert jsonedit.as_text(jsonedit.text(value)) == value


@pytest.mark.parametrize("raw", [b"1", b"null", b'["a"]', b'"\\ud800"', b'"\xff"'])
def test_as_text_of_what_is_no_string(raw: bytes) -> None:
    assert jsonedit.as_text(Raw(raw)) is None
