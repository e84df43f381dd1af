"""Server-sent events: any framing, in any pieces, gives the same events (U-10, U-13, U-14)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexusflow.wire.sse import MAX_EVENT_BYTES, Event, EventTooLarge, Splitter

DATA = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12).map(str.encode)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """The data of some events, and one of the spellings of their stream."""
    wanted = draw(st.lists(DATA, max_size=5))
    end = draw(ENDS)
    text = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for data in wanted:
        if draw(st.booleans()):
            text += b": a comment" + end
        if draw(st.booleans()):
            text += b": a comment of its own" + end + end
        space = b" " if data.startswith(b" ") or draw(st.booleans()) else b""
        text += b"data:" + space + data + end
        if draw(st.booleans()):
            text += b"id: 7" + end
        text += end * draw(st.integers(1, 3))
    return wanted, text


@st.composite
def pieces(draw: st.DrawFn, text: bytes) -> list[bytes]:
    """`text` cut anywhere, also within characters and line ends."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def read(parts: list[bytes]) -> list[Event]:
    splitter = Splitter()
    return [event for part in parts for event in splitter.feed(part)] + splitter.close()


def data_of(events: list[Event]) -> list[bytes]:
    return [event.data for event in events if event.data is not None]


@given(st.data(), streams())
def test_U13_any_framing_in_any_pieces_gives_the_same_events(
    data: st.DataObject, stream: tuple[list[bytes], bytes]
) -> None:
    wanted, text = stream
    events = read(data.draw(pieces(text)))
    assert data_of(events) == wanted
    assert events == read([text])
    assert events == read([bytes([byte]) for byte in text])


@given(streams())
@example(([b"a"], b"data: a\r\r"))
def test_U13_frames_are_the_well_formed_spelling(stream: tuple[list[bytes], bytes]) -> None:
    """What is forwarded reads the same again, and has Unix line ends and nothing but data and comments."""
    wanted, text = stream
    forwarded = b"".join(event.frame for event in read([text]))
    assert data_of(read([forwarded])) == wanted
    assert b"\r" not in forwarded
    lines = [line for line in forwarded.split(b"\n") if line]
    assert all(line.startswith((b"data: ", b":")) for line in lines)


@given(streams(), st.integers(0, 200))
def test_U10_a_stream_cut_anywhere_gives_a_prefix(stream: tuple[list[bytes], bytes], cut: int) -> None:
    """No half event: whatever the cut leaves complete is a prefix of the whole."""
    _, text = stream
    splitter = Splitter()
    events = splitter.feed(text[:cut])
    assert events == read([text])[: len(events)]


def test_several_data_lines_are_joined() -> None:
    [event] = read([b'data: {"a":\ndata: 1}\n\n'])
    assert event == Event(b'{"a":1}', b'data: {"a":1}\n\n')


def test_names_are_kept() -> None:
    [event] = read([b"event: ping\ndata: {}\n\n"])
    assert event == Event(b"{}", b"event: ping\ndata: {}\n\n", b"ping")


def test_events_without_data_are_dropped_and_comments_kept() -> None:
    assert read([b"event: ping\n\nid: 3\n\n: hello\n\n"]) == [Event(None, b": hello\n\n")]


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert data_of(read([b"data: a\n\ndata: b\n"])) == [b"a", b"b"]


def test_U14_an_event_that_never_ends() -> None:
    splitter = Splitter()
    splitter.feed(b"data: ")
    for _ in range(MAX_EVENT_BYTES // 65536 - 1):
        splitter.feed(b"x" * 65536)
    with pytest.raises(EventTooLarge):
        splitter.feed(b"x" * 65536)


def test_U14_a_large_event_within_the_bound() -> None:
    large = b"x" * (MAX_EVENT_BYTES - 100)
    assert data_of(read([b"data: " + large + b"\n", b"\n"])) == [large]
