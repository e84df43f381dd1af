"""A provider's Responses answer in canonical form, whole and streamed."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Data, Finish, Logprob, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.events import (
    CHOICE,
    STREAM,
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    State,
    UsageSeen,
)
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.openai_responses import read_reply
from nexusflow.protocols.openai_responses.read_stream import StreamReader

To = Callable[..., Destination]
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 6,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}
CITED = {"type": "url_citation", "url": "https://a.org", "title": "A", "start_index": 0, "end_index": 5}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
    "encrypted_content": "enc",
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": [CITED], "logprobs": []}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": '{"x":1}',
    "status": "completed",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


def response(*output: Any, **members: Any) -> dict[str, Any]:
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": "gpt-upstream",
        "status": "completed",
        "output": list(output),
        "usage": USAGE,
        "service_tier": "default",
        **members,
    }


def read(to: Destination, *output: Any, **members: Any) -> ChatReply:
    return read_reply.read(json.dumps(response(*output, **members)).encode(), to)


def frames(*events: dict[str, Any]) -> bytes:
    lines = (f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
    return "".join(lines).encode()


CREATED = {"type": "response.created", "response": response(status="in_progress", usage=None)}


def streamed(to: Destination, body: bytes, size: int = 1 << 20) -> list[Event]:
    """The events of a stream cut into pieces, held against the grammar."""
    reader = StreamReader(to)
    events = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
    events += reader.close()
    assert reader.feed(body) == reader.close() == []
    obey_grammar(events)
    return events


def obey_grammar(events: Sequence[Event]) -> None:
    state, choice, parts = State.IDLE, State.BETWEEN, 0
    for event in events:
        if type(event) in STREAM[state]:
            state = STREAM[state][type(event)]
            continue
        assert state is State.OPEN, event
        choice = CHOICE[choice][type(event)]
        if isinstance(event, PartStarted):
            assert event.index == parts
            parts += 1
    assert state is State.DONE


def parts_of(events: Sequence[Event]) -> list[Part]:
    parts: list[Part] = []
    text = ""
    for event in events:
        if isinstance(event, PartStarted):
            parts.append(event.part)
            text = ""
        elif isinstance(event, PartDelta):
            text += event.text
        elif isinstance(event, Cited):
            assert isinstance(parts[-1], Text)
            parts[-1] = msgspec.structs.replace(parts[-1], citations=(*parts[-1].citations, event.citation))
        elif isinstance(event, PartEnded):
            parts[-1] = filled(parts[-1], text, event)
    return parts


def filled(part: Part, text: str, event: PartEnded) -> Part:
    if isinstance(part, Text | Refusal):
        return msgspec.structs.replace(part, text=text)
    if isinstance(part, Thinking):
        return msgspec.structs.replace(part, text=text, signature=event.signature)
    return msgspec.structs.replace(part, arguments=text) if isinstance(part, ToolCall) else part


def test_a_whole_answer(to: To) -> None:
    reply = read(to(), REASONING, MESSAGE, CALL, SEARCH)
    (candidate,) = reply.candidates
    thinking, text, call, search = candidate.parts
    assert thinking == Thinking(
        text="one\n\ntwo", summary=True, id="rs_1", signature=Opaque("openai/responses", "gpt", "enc")
    )
    assert isinstance(text, Text)
    assert (text.text, text.citations[0].url, text.citations[0].end) == ("Hello", "https://a.org", 5)
    assert call == ToolCall(id="call_1", name="f", arguments='{"x":1}')
    assert isinstance(search, Unknown)
    assert candidate.finish.reason == "tools"
    assert (reply.id, reply.model, reply.created, reply.tier) == ("resp_up", "gpt-upstream", 1_700_000_000, "default")
    assert reply.usage is not None
    assert (reply.usage.input_text, reply.usage.cache_read_text, reply.usage.n_web_search) == (6, 4, 1)


def test_T95_summaries_and_raw_reasoning_are_both_read(to: To) -> None:
    raw = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]}
    assert read(to(), raw).candidates[0].parts == (Thinking(text="raw", id="r"),)


def test_logprobs(to: To) -> None:
    entry = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Yo", "logprob": -1}]}
    message = {**MESSAGE, "content": [{"type": "output_text", "text": "Hi", "logprobs": [entry]}]}
    found = read(to(), message).candidates[0].logprobs
    assert found == (Logprob(token="Hi", logprob=-0.5, bytes=(72, 105), top=(Logprob(token="Yo", logprob=-1),)),)


@pytest.mark.parametrize(
    ("output", "members", "expected"),
    [
        ((MESSAGE,), {}, "end"),
        ((CALL,), {}, "tools"),
        ((MESSAGE,), {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ((), {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ((MESSAGE,), {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "filter"),
        ((MESSAGE,), {"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "pause"),
        (({**MESSAGE, "content": [{"type": "refusal", "refusal": "no"}]},), {}, "refusal"),
    ],
)
def test_T27_T31_ends(output: tuple[Any, ...], members: dict[str, Any], expected: str, to: To) -> None:
    assert read(to(), *output, **members).candidates[0].finish.reason == expected
    kind = "response.incomplete" if members else "response.completed"
    events = streamed(to(), frames(CREATED, {"type": kind, "response": response(*output, **members)}))
    assert next(event.finish.reason for event in events if isinstance(event, Finished)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"object":"response"}',
        b'{"output":"x"}',
        json.dumps(response()).encode(),
        json.dumps(response(MESSAGE, status="in_progress")).encode(),
        json.dumps(response({"type": "function_call", "arguments": "{}"})).encode(),
        json.dumps(response({"type": 5})).encode(),
        json.dumps(response(status="failed")).encode(),
    ],
)
def test_U11_U34_answers_that_are_none(body: bytes, to: To) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_reply.read(body, to())
    assert caught.value.problem.kind is Kind.UPSTREAM


def test_U16_an_error_in_a_200(to: To) -> None:
    for error, kind in (
        ({"code": "rate_limit_exceeded", "message": "slow"}, Kind.RATE),
        ({"code": "context_length_exceeded", "message": "long", "type": "invalid_request_error"}, Kind.CONTEXT),
        ({"code": "server_error", "message": "secret"}, Kind.UPSTREAM),
    ):
        with pytest.raises(RequestRefused) as caught:
            read(to(), status="failed", error=error)
        assert caught.value.problem.kind is kind


WHOLE = response(REASONING, MESSAGE, CALL, SEARCH)


def deltas() -> list[dict[str, Any]]:
    """The same answer as OpenAI streams it."""
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    summary = {"item_id": "rs_1", "output_index": 0}
    text = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    return [
        CREATED,
        {"type": "response.in_progress", "response": CREATED["response"]},
        {"type": "response.output_item.added", "output_index": 0, "item": {**REASONING, "summary": []}},
        {"type": "response.reasoning_summary_part.added", **summary, "summary_index": 0},
        {"type": "response.reasoning_summary_text.delta", **summary, "summary_index": 0, "delta": "one"},
        {"type": "response.reasoning_summary_text.done", **summary, "summary_index": 0, "text": "one"},
        {"type": "response.reasoning_summary_text.delta", **summary, "summary_index": 1, "delta": "two"},
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.output_item.added", "output_index": 1, "item": {**MESSAGE, "content": []}},
        {"type": "response.content_part.added", **text, "part": part},
        {"type": "response.output_text.delta", **text, "delta": "Hel", "logprobs": [], "obfuscation": "x"},
        {"type": "response.output_text.delta", **text, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.annotation.added", **text, "annotation": CITED, "annotation_index": 0},
        {"type": "response.output_text.done", **text, "text": "Hello"},
        {"type": "response.content_part.done", **text, "part": MESSAGE["content"][0]},  # type: ignore[index]
        {"type": "response.output_item.done", "output_index": 1, "item": MESSAGE},
        {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc_1", "delta": '{"x"'},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc_1", "delta": ":1}"},
        {"type": "response.function_call_arguments.done", "output_index": 2, "item_id": "fc_1", "arguments": '{"x":1}'},
        {"type": "response.output_item.done", "output_index": 2, "item": CALL},
        {"type": "response.web_search_call.searching", "output_index": 3, "item_id": "ws_1"},
        {"type": "response.output_item.done", "output_index": 3, "item": SEARCH},
        {"type": "response.completed", "response": WHOLE},
    ]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_T13_a_stream_says_what_the_whole_answer_says(size: int, to: To) -> None:
    events = streamed(to(), frames(*deltas()), size)
    whole = read_reply.read(json.dumps(WHOLE).encode(), to())
    assert tuple(parts_of(events)) == msgspec.structs.astuple(whole.candidates[0])[0]
    assert events[0] == Started(id="resp_up", model="gpt-upstream", created=1_700_000_000)
    assert (
        [event for event in events if isinstance(event, UsageSeen)] == [UsageSeen(whole.usage)] if whole.usage else []
    )
    assert events[-2:] == [Finished(whole.candidates[0].finish), Done(tier="default")]
    assert sum(isinstance(event, PartDelta) for event in events) == 6


def test_streams_that_keep_everything_for_the_end(to: To) -> None:
    """Some providers send no deltas, no parts, or only the terminal event."""
    whole = read_reply.read(json.dumps(WHOLE).encode(), to()).candidates[0].parts
    kept = [event for event in deltas() if not event["type"].endswith((".delta", "annotation.added"))]
    assert tuple(parts_of(streamed(to(), frames(*kept)))) == whole
    items = [event for event in deltas() if "output_item.done" in event["type"]]
    end = deltas()[-1]
    assert tuple(parts_of(streamed(to(), frames(CREATED, *items, end)))) == whole
    assert tuple(parts_of(streamed(to(), frames(CREATED, end)))) == whole
    bare = {"type": "response.completed", "response": response()}
    assert tuple(parts_of(streamed(to(), frames(CREATED, *items, bare)))) == whole


def test_gaps_in_the_numbering_double_nothing(to: To) -> None:
    second = {**MESSAGE, "id": "msg_2"}
    body = frames(
        CREATED,
        {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
        {"type": "response.output_item.done", "output_index": 2, "item": second},
        {"type": "response.completed", "response": response(MESSAGE, second)},
    )
    assert len(parts_of(streamed(to(), body))) == 2


def test_items_whose_ids_change_at_the_end_are_not_doubled(to: To) -> None:
    body = frames(
        CREATED,
        {"type": "response.output_item.done", "output_index": 0, "item": {**MESSAGE, "id": "msg_tmp"}},
        {"type": "response.completed", "response": response(MESSAGE)},
    )
    assert len(parts_of(streamed(to(), body))) == 1


def test_T06_interleaved_items_are_put_in_a_row(to: To) -> None:
    other = {**CALL, "id": "fc_2", "call_id": "call_2", "arguments": '{"y":2}'}

    def fragment(index: int, text: str) -> dict[str, Any]:
        return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": text}

    body = frames(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}},
        {"type": "response.output_item.added", "output_index": 1, "item": {**other, "arguments": ""}},
        fragment(1, '{"y"'),
        fragment(0, '{"x"'),
        fragment(1, ":2}"),
        {"type": "response.output_item.done", "output_index": 1, "item": other},
        fragment(0, ":1}"),
        {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        {"type": "response.completed", "response": response(CALL, other)},
    )
    calls = [part for part in parts_of(streamed(to(), body)) if isinstance(part, ToolCall)]
    assert [(call.id, call.arguments) for call in calls] == [("call_1", '{"x":1}'), ("call_2", '{"y":2}')]


def test_refusals_custom_calls_and_images(to: To) -> None:
    refusal = {**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}
    custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "sql", "input": "SELECT 1"}
    image = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
    body = frames(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
        {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "No."},
        {"type": "response.output_item.done", "output_index": 0, "item": refusal},
        {"type": "response.output_item.added", "output_index": 1, "item": {**custom, "input": ""}},
        {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "SELECT 1"},
        {"type": "response.output_item.done", "output_index": 1, "item": custom},
        {"type": "response.output_item.done", "output_index": 2, "item": image},
        {"type": "response.completed", "response": response(refusal, custom, image)},
    )
    expected = [
        Refusal("No."),
        ToolCall(id="c", name="sql", arguments="SELECT 1", custom=True),
        Media(kind="image", source=Data("image/png", "AAAA")),
    ]
    assert parts_of(streamed(to(), body)) == expected
    assert list(read(to(), refusal, custom, image).candidates[0].parts) == expected


@pytest.mark.parametrize("cut", range(1, 24))
def test_T102_a_stream_that_was_cut_failed(cut: int, to: To) -> None:
    body = frames(*deltas()[:cut])
    for broken in (body, body[:-9], body + b"data: [DONE]\n\n"):
        events = streamed(to(), broken)
        assert isinstance(events[-1], Failed)
        assert events[-1].problem.kind is Kind.UPSTREAM
        assert "before its answer was complete" in events[-1].problem.message
        assert not any(isinstance(event, Finished | Done) for event in events)


def test_an_empty_body_and_an_empty_answer(to: To) -> None:
    assert isinstance(streamed(to(), b"")[-1], Failed)
    empty = streamed(to(), frames(CREATED, {"type": "response.completed", "response": response()}))
    assert isinstance(empty[-1], Failed)
    assert "empty" in empty[-1].problem.message


def test_T46_failed_and_incomplete_responses_are_metered(to: To) -> None:
    error = {"code": "server_error", "message": "boom"}
    failed = {"type": "response.failed", "response": response(MESSAGE, status="failed", error=error)}
    events = streamed(to(), frames(*deltas()[:12], failed))
    assert [type(event) for event in events[-2:]] == [UsageSeen, Failed]
    cut = {"reason": "max_output_tokens"}
    end = {"type": "response.incomplete", "response": response(MESSAGE, status="incomplete", incomplete_details=cut)}
    events = streamed(to(), frames(*deltas()[:12], end))
    assert any(isinstance(event, UsageSeen) for event in events)
    assert events[-2] == Finished(Finish(reason="length", raw="max_output_tokens"))


def test_T103_errors_in_a_stream(to: To) -> None:
    nested = {"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "x"}}
    flat = {"type": "error", "code": "server_overloaded", "message": "x", "param": None}
    bare = {"error": {"message": "x", "type": "rate_limit_error"}, "choices": []}
    for event, kind in ((nested, Kind.RATE), (flat, Kind.BUSY)):
        assert streamed(to(), frames(event))[-1].problem.kind is kind  # type: ignore[union-attr]
        assert streamed(to(), frames(CREATED, event))[-1].problem.kind is kind  # type: ignore[union-attr]
    body = b"data: " + json.dumps(bare).encode() + b"\n\n"
    assert streamed(to(), body)[-1].problem.kind is Kind.RATE  # type: ignore[union-attr]


def test_events_that_are_not_understood(to: To) -> None:
    for broken in (b"data: {not json}\n\n", b'data: {"type":"response.output_item.added","item":{"type":5}}\n\n'):
        events = streamed(to(), frames(CREATED) + broken)
        assert isinstance(events[-1], Failed)
        assert events[-1].problem.kind is Kind.UPSTREAM
    unknown = {"type": "response.something.new", "delta": {"x": 1}}
    assert isinstance(streamed(to(), frames(CREATED, unknown, *deltas()[2:]))[-1], Done)


def test_a_whole_body_although_a_stream_was_asked_for(to: To) -> None:
    body = json.dumps(WHOLE, indent=1).encode()
    whole = read_reply.read(body, to()).candidates[0].parts
    for size in (1, 1 << 20):
        assert len(parts_of(streamed(to(), body, size))) == len(whole)
    assert isinstance(streamed(to(), b'{"error":{"message":"x","code":"rate_limit_exceeded"}}')[-1], Failed)
