"""The stream reader of the identity lane: cutting the provider's bytes changes nothing or is noticed (T13, U-08)."""

import copy
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.protocols.openai_chat.identity_stream import IdentityStream
from tests.support import replay, sse
from tests.support.corpus import Exchange, chat_exchanges, chat_streams

PUBLIC = Raw(b'"public/name"')
STREAMS = {exchange.id: exchange for exchange in chat_streams()}
# Each has a kind of framing, content or end that the others have not.
KINDS = (
    "sse_crlf",
    "sse_comments",
    "no_done",
    "usage_only_chunk",
    "tool_call",
    "multi_choice",
    "reasoning",
    "empty_choices",
)


def shortest(feature: str) -> Exchange:
    """The shortest recorded stream with `feature`."""
    return min((x for x in STREAMS.values() if feature in x.features), key=lambda x: len(x.response.data))


def run(pieces: list[bytes], *, hide_usage: bool = False) -> tuple[bytes, IdentityStream]:
    """Everything that is forwarded for an upstream that writes `pieces` and closes."""
    tap = IdentityStream(PUBLIC, hide_usage=hide_usage)
    frames = []
    for piece in pieces:
        frames.append(tap.feed(piece))
        if tap.done or tap.problem is not None:
            break
    else:
        frames.append(tap.close())
    return b"".join(frames), tap


def outcome(pieces: list[bytes], *, hide_usage: bool = False) -> tuple[bytes, Any, bool, bool]:
    """The bytes and every verdict on a stream."""
    frames, tap = run(pieces, hide_usage=hide_usage)
    return frames, tap.problem, tap.done, tap.meaningful


def test_T13_one_byte_at_a_time_gives_the_same_bytes() -> None:
    """Every recorded stream, those that fail in band included."""
    wrong = []
    for exchange in chat_exchanges():
        if not exchange.stream or exchange.response.status != 200:
            continue
        data = exchange.response.data
        if outcome([data], hide_usage=True) != outcome(replay.by_byte(data), hide_usage=True):
            wrong.append(exchange.id)
    assert wrong == []


@settings(max_examples=150, deadline=None)
@given(data=st.data(), id_=st.sampled_from(sorted(STREAMS)), hide_usage=st.booleans())
def test_T13_any_cutting_gives_the_same_bytes(data: st.DataObject, id_: str, hide_usage: bool) -> None:
    body = STREAMS[id_].response.data
    at = st.integers(min_value=0, max_value=len(body))
    cuts = sorted(data.draw(st.sets(at, max_size=40)) | {0, len(body)})
    pieces = [body[start:end] for start, end in itertools.pairwise(cuts)]
    assert outcome(pieces, hide_usage=hide_usage) == outcome([body], hide_usage=hide_usage)


@settings(max_examples=100, deadline=None)
@given(
    id_=st.sampled_from(sorted(STREAMS)), seed=st.integers(0, 1 << 32), line_end=st.sampled_from(["\n", "\r\n", "\r"])
)
def test_U13_line_ends_do_not_matter(id_: str, seed: int, line_end: str) -> None:
    body = STREAMS[id_].response.body.replace("\r\n", "\n")
    respelled = body.replace("\n", line_end).encode()
    assert outcome(replay.at_random(seed)(respelled)) == outcome([body.encode()])


@pytest.mark.parametrize("feature", KINDS)
def test_U08_a_stream_cut_at_any_byte_never_passes_for_a_whole_one(feature: str) -> None:
    """What is forwarded is a beginning of the good answer; it succeeds only after every finish reason or `[DONE]`."""
    body = shortest(feature).response.data
    good = sse.events(run([body])[0])
    tap = IdentityStream(PUBLIC, hide_usage=False)
    told: list[Any] = []
    for at in range(len(body)):
        cut = copy.deepcopy(tap)
        last = sse.events(cut.close())
        assert cut.done == (cut.problem is None), f"cut at {at}"
        if cut.done and not tap.done:
            assert last.pop() == "[DONE]", f"cut at {at}"
        assert last == good[len(told) : len(told) + len(last)], f"cut at {at}"
        assert cut.done == (finished(told + last) or b"data: [DONE]" in body[:at]), f"cut at {at}"
        told += sse.events(tap.feed(body[at : at + 1]))
        assert told == good[: len(told)], f"cut at {at}"


def finished(events: list[Any]) -> bool:
    """Whether every choice that began has a finish reason."""
    choices = [choice for event in events if event != "[DONE]" for choice in event.get("choices") or []]
    ended = {choice["index"] for choice in choices if choice.get("finish_reason") is not None}
    return bool(ended) and ended == {choice["index"] for choice in choices}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_U13_decorated_events_come_out_well_formed(line_end: str, mark: str) -> None:
    """Names, ids, comments, several data lines and a missing space, cut anywhere, CR from LF included."""
    lines = [": hello", "event: message", "id: 7", 'data:{"choices":[{"index":0,', 'data: "delta":{"content":"a"},']
    lines += ['data: "finish_reason":"stop"}],"model":"theirs"}', "", "event: end", "data: [DONE]", "", ""]
    body = (mark + line_end.join(lines)).encode()
    frames, tap = run(replay.by_byte(body))
    assert frames == run([body])[0]
    assert tap.done
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "model": "public/name"}
    assert sse.events(frames) == [chunk, "[DONE]"]
    assert b"\r" not in frames


def test_every_event_carries_the_public_name() -> None:
    """U-35: no event of any recorded stream shows the provider's name for the model."""
    wrong = []
    for exchange in STREAMS.values():
        recorded = sse.events(exchange.response.data)
        names = [event.get("model") for event in recorded if event != "[DONE]"]
        shown = [event.get("model") for event in sse.events(run([exchange.response.data])[0]) if event != "[DONE]"]
        if shown != [name if name is None else "public/name" for name in names]:
            wrong.append(exchange.id)
    assert wrong == []


def test_U08_an_empty_finish_reason_is_no_end() -> None:
    """Some providers send `"finish_reason":""` with every event; a stream cut after one is cut all the same."""
    event = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":""}]}\n\n'
    _, tap = run([event])
    assert not tap.done
    assert tap.problem is not None
