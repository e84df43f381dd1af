"""A provider's Messages answer, unary and streamed, to a client of the same protocol."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.anthropic import identity_reply
from nexusflow.protocols.anthropic.identity_stream import IdentityStream
from tests.support.messages import (
    accumulated,
    block,
    compact,
    frames,
    message_end,
    message_start,
    text_block,
)

PUBLIC = Raw(b'"public"')
WHOLE = frames(message_start(), {"type": "ping"}, *text_block(0, "Hel", "lo"), *message_end())


def through(stream: bytes, size: int | None = None) -> tuple[bytes, IdentityStream]:
    tap = IdentityStream(PUBLIC)
    out = b""
    step = size or len(stream) or 1
    for at in range(0, len(stream), step):
        out += tap.feed(stream[at : at + step])
        if tap.done or tap.problem is not None:
            return out, tap
    return out + tap.close(), tap


def test_T110_the_answer_bears_the_public_name_and_is_otherwise_untouched() -> None:
    body = (
        b'{"id":"msg_1","model":"claude-upstream","content":[{"type":"text","text":"\\u0041 \\"model\\""}],"usage":{}}'
    )
    assert identity_reply.relabel(body, PUBLIC) == body.replace(b'"claude-upstream"', b'"public"')


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.UPSTREAM),
        (b'{"object":"list"}', Kind.UPSTREAM),
        (b'{"content":[],"stop_reason":null}', Kind.UPSTREAM),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', Kind.BUSY),
        (b'{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}', Kind.PARAM),
    ],
)
def test_U11_U16_an_answer_that_is_none_is_an_error(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as caught:
        identity_reply.relabel(body, PUBLIC)
    assert caught.value.problem.kind is kind


def test_an_answer_may_have_no_content() -> None:
    body = b'{"model":"public","content":[],"stop_reason":"max_tokens"}'
    assert identity_reply.relabel(body, PUBLIC) == body


def test_usage_of_an_answer() -> None:
    usage = identity_reply.usage(b'{"content":[],"usage":{"input_tokens":3,"output_tokens":4}}')
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (3, 4)
    assert identity_reply.usage(b'{"content":[]}') is None


def test_T110_a_stream_passes_byte_for_byte_but_for_the_name() -> None:
    out, tap = through(WHOLE)
    assert out == WHOLE.replace(b'"claude-upstream"', b'"public"')
    assert tap.done
    message = accumulated(out)
    assert (message.model, message.content[0].text, message.stop_reason) == ("public", "Hello", "end_turn")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 500])
def test_T13_the_pieces_make_no_difference(size: int) -> None:
    assert through(WHOLE, size)[0] == through(WHOLE)[0]


def test_text_that_looks_like_the_name_is_left_alone() -> None:
    told = '"model":"claude-upstream"'
    stream = frames(message_start(note=told), *text_block(0, told), *message_end())
    out, _ = through(stream)
    events = [json.loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: ")]
    assert events[0]["message"]["model"] == "public"
    assert events[0]["message"]["usage"]["note"] == told
    assert events[2]["delta"]["text"] == told


def test_a_name_that_is_spelled_oddly_is_found() -> None:
    stream = WHOLE.replace(b'"model":"claude-upstream"', b'"model" : "claude-\\u0075pstream"')
    out, tap = through(stream)
    assert tap.done
    assert accumulated(out).model == "public"


def test_T17_missing_event_names_are_supplied() -> None:
    bare = b"".join(line + b"\n\n" for line in WHOLE.split(b"\n") if line.startswith(b"data: "))
    out, tap = through(bare)
    assert tap.done
    assert accumulated(out).content[0].text == "Hello"


def test_other_line_ends_and_comments_and_done_are_taken() -> None:
    odd = b": hello\r\n\r\n" + WHOLE.replace(b"\n", b"\r\n") + b"data: [DONE]\r\n\r\n"
    out, tap = through(odd)
    assert tap.done
    assert accumulated(out).content[0].text == "Hello"


@pytest.mark.parametrize("events", range(1, 8))
def test_T102_an_end_before_message_stop_is_a_failure(events: int) -> None:
    cut = b"".join(frame + b"\n\n" for frame in WHOLE.split(b"\n\n")[:events])
    out, tap = through(cut)
    assert out == cut.replace(b'"claude-upstream"', b'"public"')
    assert not tap.done
    assert tap.problem is not None
    assert tap.problem.kind is Kind.UPSTREAM


def test_U10_half_an_event_is_never_forwarded() -> None:
    out, tap = through(WHOLE[: WHOLE.index(b"lo")])
    assert out.endswith(b"\n\n")
    assert tap.problem is not None


def test_U17_an_error_event_ends_the_stream_with_its_own_meaning() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    out, tap = through(frames(message_start(), error))
    assert not tap.meaningful
    assert tap.problem is not None
    assert tap.problem.kind is Kind.BUSY
    assert b"Overloaded" not in out


def test_T103_an_error_without_a_type_is_seen() -> None:
    _, tap = through(b'data: {"error":{"type":"rate_limit_error","message":"slow down"}}\n\n')
    assert tap.problem is not None
    assert tap.problem.kind is Kind.RATE


def test_malformed_and_empty_streams_are_failures() -> None:
    for stream in (
        frames(message_start()) + b"event: content_block_delta\ndata: {oops}\n\n",
        frames(message_start(), {"type": "message_stop"}),
        b"",
    ):
        _, tap = through(stream)
        assert tap.problem is not None
        assert tap.problem.kind is Kind.UPSTREAM


def test_R20_what_counts_as_the_first_content() -> None:
    def meaningful(*events: dict[str, Any]) -> bool:
        return through(frames(message_start(), {"type": "ping"}, *events))[1].meaningful

    text = text_block(0, "x")
    assert not meaningful(text[0])
    assert not meaningful(*block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": ""})[:2])
    assert meaningful(*text[:2])
    assert meaningful(block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {}})[0])
    assert meaningful(message_end()[0])


def test_T35_T36_T37_usage_is_merged_and_counted_once() -> None:
    start = message_start(cache_read_input_tokens=3)
    _, tap = through(frames(start, *text_block(0, "x"), *message_end(input_tokens=10)))
    usage = tap.usage()
    assert usage is not None
    assert (usage.input_text, usage.cache_read, usage.total_output) == (10, 3, 5)

    _, tap = through(frames(start, *text_block(0, "x"), *message_end()))
    assert (tap.usage() or usage).input_text == 10  # a delta without input does not zero it

    late = frames(message_start(input_tokens=0), *text_block(0, "x"), *message_end(input_tokens=7, output_tokens=9))
    _, tap = through(late)
    last = tap.usage()
    assert last is not None
    assert (last.input_text, last.total_output) == (7, 9)


def test_T48_usage_is_known_as_far_as_the_stream_went() -> None:
    tap = IdentityStream(PUBLIC)
    assert tap.usage() is None
    tap.feed(frames(message_start(), *text_block(0, "x")))
    usage = tap.usage()
    assert usage is not None
    assert usage.input_text == 10


def test_events_that_the_types_do_not_know_are_forwarded() -> None:
    odd = b'event: news\ndata: {"type":"news","message":17,"usage":"none"}\n\n'
    stream = frames(message_start()) + odd + frames(*text_block(0, "x"), *message_end())
    out, tap = through(stream)
    assert tap.done
    assert odd in out
    assert compact({"type": "message_stop"}) in out
