"""Small readers that name the path of what does not fit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.common import raw

READERS: list[tuple[Callable[[Raw, str], Any], bytes, Any, str]] = [
    (raw.obj, b'{"a": 1 }', {"a": b"1"}, "an object"),
    (raw.items, b'[1, "x"]', [b"1", b'"x"'], "an array"),
    (raw.string, b'"a\\n"', "a\n", "a string"),
    (raw.integer, b"7", 7, "an integer"),
    (raw.number, b"7.5", 7.5, "a number"),
    (raw.number, b"7", 7.0, "a number"),
    (raw.boolean, b"true", True, "true or false"),
]


@pytest.mark.parametrize(("read", "text", "value", "what"), READERS)
def test_a_value_that_fits_is_read(read: Callable[[Raw, str], Any], text: bytes, value: Any, what: str) -> None:
    found = read(Raw(text), "a.b")
    if isinstance(found, dict):
        found = {name: bytes(inner) for name, inner in found.items()}
    if isinstance(found, list):
        found = [bytes(inner) for inner in found]
    assert found == value


WRONG = (b"null", b'{"a":}', b"[1,]", b'"\xff"', b"nul", b"1.2.3", b"", b"[" * 100_000)


@pytest.mark.parametrize(("read", "text", "value", "what"), READERS)
def test_any_other_value_is_refused_by_its_path(
    read: Callable[[Raw, str], Any], text: bytes, value: Any, what: str
) -> None:
    others = [other for reader, other, _, _ in READERS if reader is not read]
    if read in (raw.number, raw.integer):
        others.remove(b"7")
    for wrong in (*others, *WRONG):
        with pytest.raises(RequestRefused) as refused:
            read(Raw(wrong), "a.b")
        problem = refused.value.problem
        assert (problem.kind, problem.param, problem.code) == (Kind.PARAM, "a.b", "invalid_type")
        assert problem.message == f"`a.b` must be {what}"


def test_absent_and_null_are_the_same() -> None:
    fields = {"a": Raw(b"null"), "b": Raw(b"0")}
    assert raw.optional(fields, "a") is raw.optional(fields, "c") is None
    assert bytes(raw.optional(fields, "b") or b"") == b"0"


def test_the_rest_is_what_nobody_knows() -> None:
    fields = {"a": Raw(b"1"), "b": Raw(b"2"), "c": Raw(b"null")}
    assert raw.rest(fields, frozenset("a")) == {"b": Raw(b"2")}
    assert raw.rest(fields, frozenset("ab")) is None
