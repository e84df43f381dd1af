"""Streams as one JSON array: read from an upstream in any pieces, and written for a client without `alt=sse`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.gemini.identity_stream import IdentityStream
from nexusflow.protocols.gemini.json_array import KEEP_ALIVE, ArrayTap, Elements
from nexusflow.wire import sse
from tests.support.generate import answer, candidate, frames

FIRST, LAST = answer(candidate("a", finish=None)), answer(candidate("b"))
values: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.text('{}[]"\\,é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}"\\k', max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=4), st.integers(1, 40))
def test_T13_elements_are_found_in_any_pieces(found: list[dict[str, Any]], size: int) -> None:
    for indent in (None, 2):
        body = json.dumps(found, indent=indent, ensure_ascii=False).encode()
        reader = Elements()
        seen = [one for at in range(0, len(body), size) for one in reader.feed(body[at : at + size])]
        assert [json.loads(one) for one in seen] == found


def test_U14_an_endless_element_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    reader = Elements()
    with pytest.raises(sse.EventTooLarge):
        reader.feed(b'[{"a":"' + b"x" * 200)


def array(*pieces: bytes) -> tuple[ArrayTap, list[bytes]]:
    tap = ArrayTap(IdentityStream(Raw(b'"public"')))
    return tap, [*(tap.feed(piece) for piece in pieces), tap.close()]


def test_a_stream_becomes_one_array_element_by_element() -> None:
    tap, out = array(frames(FIRST), frames(LAST))
    assert out[0].startswith(b"[{")
    assert out[1].startswith(b",\r\n{")
    assert out[2] == b"]"
    assert json.loads(KEEP_ALIVE + out[0] + KEEP_ALIVE + out[1] + KEEP_ALIVE + out[2]) == [
        {**FIRST, "modelVersion": "public"},
        {**LAST, "modelVersion": "public"},
    ]
    assert tap.done
    assert tap.meaningful


def test_an_upstream_that_says_done_closes_the_array_at_once() -> None:
    _, out = array(frames(LAST) + b"data: [DONE]\n\n")
    assert json.loads(b"".join(out)) == [{**LAST, "modelVersion": "public"}]


def test_a_failure_is_the_last_element() -> None:
    tap, out = array(frames(FIRST))
    assert tap.problem is not None
    problem = Problem(kind=Kind.UPSTREAM, message="It broke.")
    found = json.loads(b"".join(out) + tap.event(problem, "id1"))
    assert [next(iter(one)) for one in found] == ["candidates", "error"]
    assert found[1]["error"]["status"] == "UNAVAILABLE"
