"""A provider that bends its protocol: whatever one value of a recorded answer becomes, nothing raises or hangs.

The reader's events stay grammatical to the end, and every client's writer can say them.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexusflow.ir.chat import Origin
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.events import Failed
from nexusflow.ir.reply import ChatReply
from tests.property.test_bridge_splits import FOLDERS_WITH_STREAMS, short
from tests.support import bridge, grammar, sse
from tests.support.canonical import CHAT, FOLDERS, GEMINI, PROTOCOLS
from tests.support.corpus import Exchange, exchanges

ODD = (None, True, -1, 1.5, 2**70, "", "x", "\ud800", "a\u2028b", [], [[]], {}, {"x": None}, [None], [{}], ["x"])
FOLDERS_WITH_BODIES = ("openai-chat", "openai-responses", "anthropic-messages", "gemini-generate")


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document, and of the document itself."""
    yield before
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*before, key))


def bent(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """`value` with the value at `path` replaced, or removed when `odd` is the ellipsis."""
    if not path:
        return {} if odd is ... else odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and odd is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = bent(value[path[0]], path[1:], odd)
    return copy


def drawn(data: st.DataObject, value: Any) -> Any:
    """`value` with one change that hypothesis chooses."""
    path = data.draw(st.sampled_from(list(places(value))), label="place")
    return bent(value, path, data.draw(st.sampled_from([*ODD, ...]), label="odd"))


def short_bodies(folder: str) -> list[Exchange]:
    """The shortest whole answers of a folder with something in them."""
    found = [one for one in exchanges(folder) if one.succeeded and not one.stream]
    return sorted(found, key=lambda one: (len(one.response.data), one.id))[5:60]


@pytest.mark.parametrize("folder", FOLDERS_WITH_STREAMS)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_T109_nothing_raises_in_the_stream_path(folder: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(short(folder)), label="recording").response.data
    if not body.lstrip().startswith((b"data", b"event", b":")):
        return
    frames = [frame for frame in sse.data_of(body) if frame != "[DONE]"]
    at = data.draw(st.integers(0, len(frames) - 1), label="frame")
    frames[at] = json.dumps(drawn(data, json.loads(frames[at])))
    written = "".join(framed(frame) for frame in frames)
    if body.rstrip().endswith(b"[DONE]"):
        written += "data: [DONE]\n\n"
    events = bridge.read_stream(FOLDERS[folder], [written.encode()])
    grammar.check(events)
    for client in PROTOCOLS:
        assert bridge.write_stream(client, events)


def framed(frame: str) -> str:
    """One event, named if it says its type."""
    decoded = json.loads(frame)
    kind = decoded.get("type") if isinstance(decoded, dict) else None
    name = f"event: {kind}\n" if isinstance(kind, str) and kind.isascii() and kind.isprintable() else ""
    return f"{name}data: {frame}\n\n"


@pytest.mark.parametrize("folder", FOLDERS_WITH_BODIES)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_bent_answer_is_read_or_is_the_providers_fault(folder: str, data: st.DataObject) -> None:
    recorded = data.draw(st.sampled_from(short_bodies(folder)), label="recording").response.json()
    body = json.dumps(drawn(data, recorded)).encode()
    try:
        reply = bridge.read_reply(FOLDERS[folder], body)
    except RequestRefused as raised:
        refused = raised.problem.kind
    else:
        assert {written(client, reply) for client in PROTOCOLS} <= {None, Kind.UPSTREAM}
        return
    assert refused in (Kind.UPSTREAM, Kind.UNAVAILABLE, Kind.RATE, Kind.CONTEXT, Kind.CONTENT)


def written(client: Origin, reply: ChatReply) -> Kind | None:
    """Whether a client can be told an answer: None, or the kind of the refusal."""
    try:
        json.loads(bridge.write_reply(client, reply))
    except RequestRefused as refused:
        return refused.problem.kind
    return None


@pytest.mark.parametrize(
    ("protocol", "frame"),
    [
        (CHAT, {"choices": [{"index": 2**70, "delta": {"content": "x"}, "finish_reason": "stop"}]}),
        (CHAT, {"choices": [{"index": -1, "delta": {"content": "x"}, "finish_reason": "stop"}]}),
        (GEMINI, {"candidates": [{"index": 2**70, "content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}),
    ],
)
def test_a_choice_without_bound_is_no_work_without_bound(protocol: Origin, frame: Any) -> None:
    """A writer opens every choice below the one it is told of: once this was an endless loop."""
    (failed,) = bridge.read_stream(protocol, [f"data: {json.dumps(frame)}\n\n".encode()])
    assert isinstance(failed, Failed)
