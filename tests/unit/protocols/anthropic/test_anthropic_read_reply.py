"""A provider's Messages answer, unary and streamed, as canonical values (protocols 1.4.2, 1.4.3, 2.2)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.chat import Finish, Opaque, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.events import (
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageSeen,
)
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.anthropic import read_reply
from nexusflow.protocols.anthropic.read_stream import StreamReader
from tests.support import grammar
from tests.support.messages import (
    block,
    destination,
    events,
    frames,
    message_end,
    message_start,
    text_block,
)

SIGNED = Opaque("anthropic/messages", "claude", "sig")
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


def reply(*content: dict[str, Any], **fields: Any) -> ChatReply:
    whole = {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": "claude-upstream",
        "stop_reason": "end_turn",
    }
    usage = {"input_tokens": 3, "output_tokens": 4, "service_tier": "priority"}
    body = json.dumps({**whole, "content": list(content), "usage": usage, **fields})
    return read_reply.read(body.encode(), destination())


def inside(*blocks: list[dict[str, Any]], reason: str | None = "end_turn") -> list[Event]:
    """The events of a whole stream but for its first and last ones."""
    body = [event for one in blocks for event in one]
    found = events(frames(message_start(), *body, *message_end(reason)))
    grammar.check(found)
    assert isinstance(found[0], Started)
    assert isinstance(found[-1], Done)
    return [event for event in found[1:-1] if not isinstance(event, UsageSeen)]


def delta(**fields: Any) -> dict[str, Any]:
    return fields


def failure(stream: bytes) -> Failed:
    found = events(stream)
    grammar.check(found)
    last = found[-1]
    assert isinstance(last, Failed)
    return last


def test_a_whole_answer() -> None:
    found = reply(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sig"},
        {"type": "text", "text": "I look", "citations": None},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        stop_reason="tool_use",
        container={"id": "c"},
    )
    (candidate,) = found.candidates
    assert candidate.parts == (
        Thinking(text="hm", signature=SIGNED),
        Thinking(text="", redacted=True, signature=SIGNED),
        Text(text="I look"),
        ToolCall(id="t", name="f", arguments='{"a":1}'),
    )
    assert candidate.finish == Finish(reason="tools", raw="tool_use")
    assert (found.id, found.model, found.tier) == ("msg_up", "claude-upstream", "priority")
    assert found.usage is not None
    assert found.usage.total == 7
    assert found.ext is not None
    assert found.ext.keys() == {"container"}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("model_context_window_exceeded", "context"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("tool_use", "end"),
        ("something_new", "end"),
        (None, "end"),
    ],
)
def test_T30_stop_reasons_without_a_call(reason: str | None, expected: str) -> None:
    found = reply({"type": "text", "text": "A"}, stop_reason=reason).candidates[0].finish
    assert (found.reason, found.raw) == (expected, reason)
    assert inside(text_block(0, "A"), reason=reason)[-1] == Finished(found)


def test_T31_a_call_is_a_call_whatever_the_reason() -> None:
    assert reply(TOOL, stop_reason="end_turn").candidates[0].finish.reason == "tools"
    assert reply(TOOL, stop_reason="max_tokens").candidates[0].finish.reason == "length"
    last = inside(block(0, TOOL))[-1]
    assert isinstance(last, Finished)
    assert last.finish.reason == "tools"


def test_T30_a_refusal_keeps_its_reasons_and_a_pause_its_blocks() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    found = reply(stop_reason="refusal", stop_details=details).candidates[0].finish
    assert (found.category, found.text) == ("bio", "No.")
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    (part,) = reply(use, stop_reason="pause_turn").candidates[0].parts
    assert isinstance(part, Unknown)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"oops", Kind.UPSTREAM),
        (b'{"content":[{"type":"text"}],"stop_reason":"end_turn"}', Kind.UPSTREAM),
        (b'{"content":[],"stop_reason":null}', Kind.UPSTREAM),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', Kind.BUSY),
    ],
)
def test_U11_U16_an_answer_that_is_none_is_an_error(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_reply.read(body, destination())
    assert caught.value.problem.kind is kind


def test_a_stream_of_text() -> None:
    found = events(frames(message_start(), {"type": "ping"}, *text_block(0, "", "Hel", "lo"), *message_end()))
    usages = [event.usage for event in found if isinstance(event, UsageSeen)]
    assert [event for event in found if not isinstance(event, UsageSeen)] == [
        Started(id="msg_up", model="claude-upstream"),
        PartStarted(0, Text(text="")),
        PartDelta(0, "Hel"),  # T16: nothing empty before it
        PartDelta(0, "lo"),
        PartEnded(0),
        Finished(Finish(reason="end", raw="end_turn")),
        Done(),
    ]
    assert [(usage.total_input, usage.total_output) for usage in usages] == [(10, 1), (10, 5)]


def test_T90_T92_thinking_its_signature_and_what_is_redacted() -> None:
    thought = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        delta(type="thinking_delta", thinking="hm"),
        delta(type="signature_delta", signature="half"),
        delta(type="signature_delta", signature="sig"),
    )
    redacted = block(1, {"type": "redacted_thinking", "data": "sig"})
    assert inside(thought, redacted)[:-1] == [
        PartStarted(0, Thinking(text="")),
        PartDelta(0, "hm"),
        PartEnded(0, signature=SIGNED),
        PartStarted(1, Thinking(text="", redacted=True, signature=SIGNED)),
        PartEnded(1),
    ]


def test_T01_T12_calls_are_parts_with_whole_arguments() -> None:
    pieces = [delta(type="input_json_delta", partial_json=piece) for piece in ("", '{"a"', ":1}")]
    second = {"type": "tool_use", "id": "u", "name": "g", "input": {}}
    third = {"type": "tool_use", "id": "v", "name": "h", "input": {"b": 2}}
    found = inside(text_block(0, "x"), block(1, TOOL, *pieces), block(2, second), block(3, third))
    assert found[3:-1] == [
        PartStarted(1, ToolCall(id="t", name="f", arguments="")),
        PartDelta(1, '{"a"'),
        PartDelta(1, ":1}"),
        PartEnded(1),
        PartStarted(2, ToolCall(id="u", name="g", arguments="")),
        PartDelta(2, "{}"),
        PartEnded(2),
        PartStarted(3, ToolCall(id="v", name="h", arguments="")),
        PartDelta(3, '{"b":2}'),
        PartEnded(3),
    ]


def test_a_call_whose_start_and_fragments_both_bring_input() -> None:
    fragment = delta(type="input_json_delta", partial_json='{"a":1}')
    found = inside(block(0, {**TOOL, "input": {"b": 2}}, fragment))
    assert [event.text for event in found if isinstance(event, PartDelta)] == ['{"a":1}']


def test_T07_server_tool_blocks_are_no_calls_and_come_whole() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    query = delta(type="input_json_delta", partial_json='{"query":"q"}')
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]}
    found = inside(block(0, use, query), block(1, result), text_block(2, "A"))
    parts = [event.part for event in found if isinstance(event, PartStarted)]
    assert [type(part) for part in parts] == [Unknown, Unknown, Text]
    assert isinstance(parts[0], Unknown)
    assert json.loads(bytes(parts[0].raw)) == {**use, "input": {"query": "q"}}
    last = found[-1]
    assert isinstance(last, Finished)
    assert last.finish.reason == "end"


def test_a_compaction_block_comes_whole() -> None:
    start = {"type": "compaction", "content": None}
    (part,) = [
        event.part
        for event in inside(block(0, start, delta(type="compaction_delta", content="short")))
        if isinstance(event, PartStarted)
    ]
    assert isinstance(part, Unknown)
    assert json.loads(bytes(part.raw)) == {"type": "compaction", "content": "short"}


def test_T115_sources_of_a_text() -> None:
    cited = {
        "type": "char_location",
        "cited_text": "c",
        "document_index": 0,
        "document_title": "T",
        "start_char_index": 1,
    }
    found = inside(
        block(0, {"type": "text", "text": "", "citations": []}, delta(type="citations_delta", citation=cited))
    )
    (event,) = [event for event in found if isinstance(event, Cited)]
    assert (event.citation.kind, event.citation.title, event.citation.cited_text) == ("document", "T", "c")


def test_T06_blocks_that_overlap_are_told_one_after_the_other() -> None:
    first, second, third = (
        block(0, TOOL, delta(type="input_json_delta", partial_json='{"a":1}')),
        text_block(1, "x"),
        text_block(2, "y"),
    )
    mixed = [first[0], second[0], third[0], second[1], first[1], second[2], third[1], first[2], third[2]]
    found = inside(mixed)
    assert found == [*inside(first, second, third)]


def test_blocks_that_nobody_stopped_are_stopped_at_the_end() -> None:
    assert inside(text_block(0, "x")[:2]) == inside(text_block(0, "x"))


def test_events_and_deltas_that_are_new_are_passed_over() -> None:
    news = [{"type": "news", "index": "?"}]
    odd = [{"type": "content_block_delta", "index": 0, "delta": {"type": "news_delta", "text": 1}}]
    text = text_block(0, "x")
    assert inside(news, text[:1], odd, text[1:]) == inside(text)


def test_T35_T36_T37_usage_over_the_stream() -> None:
    start = message_start(cache_read_input_tokens=3, cache_creation_input_tokens=None)
    found = events(frames(start, *text_block(0, "x"), *message_end(input_tokens=None, cache_creation_input_tokens=2)))
    last = [event.usage for event in found if isinstance(event, UsageSeen)][-1]
    assert (last.input_text, last.cache_read, last.cache_write, last.total_output) == (10, 3, 2, 5)


def test_a_second_message_delta_does_not_undo_the_reason() -> None:
    end = message_end("max_tokens")
    again = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 6}}
    found = events(frames(message_start(), *text_block(0, "x"), end[0], again, end[1]))
    assert Finished(Finish(reason="length", raw="max_tokens")) in found


WHOLE = frames(message_start(), *text_block(0, "Hel", "löß"), *block(1, TOOL), *message_end("tool_use"))


@pytest.mark.parametrize("size", [1, 2, 3, 50, 333])
def test_T13_the_pieces_make_no_difference(size: int) -> None:
    assert events(WHOLE, size) == events(WHOLE)


def test_T13_other_line_ends_missing_names_and_done() -> None:
    bare = b"".join(line + b"\r\n\r\n" for line in WHOLE.split(b"\n") if line.startswith(b"data: "))
    assert events(bare + b"data: [DONE]\r\n\r\n") == events(WHOLE)


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert events(WHOLE.rstrip()) == events(WHOLE)


def test_T102_every_cut_is_a_failure() -> None:
    for at in range(len(WHOLE) - len(b'data: {"type":"message_stop"}\n\n')):
        problem = failure(WHOLE[:at]).problem
        assert problem.kind is Kind.UPSTREAM
        assert "ended before" in problem.message


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("content_block_delta", "{oops}"),
        ("content_block_delta", '{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"x"}}'),
        ("content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":1}}'),
        ("content_block_start", '{"type":"content_block_start","index":0,"content_block":"x"}'),
        ("content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use"}}'),
        ("message_delta", '{"type":"message_delta","delta":7}'),
        ("news", "[1]"),
    ],
)
def test_U12_a_malformed_event_is_a_failure(name: str, data: str) -> None:
    event = f"event: {name}\ndata: {data}\n\n".encode()
    assert failure(frames(message_start()) + event).problem.kind is Kind.UPSTREAM


def test_T103_errors_inside_the_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
    assert failure(frames(error)).problem.kind is Kind.BUSY
    assert failure(frames(message_start(), *text_block(0, "x"), error)).problem.kind is Kind.BUSY
    assert failure(b'data: {"error":{"type":"rate_limit_error","message":"x"}}\n\n').problem.kind is Kind.RATE


def test_an_empty_stream_is_a_failure_and_an_empty_answer_is_none() -> None:
    assert failure(b"").problem.kind is Kind.UPSTREAM
    assert failure(frames(message_start(), {"type": "message_stop"})).problem.kind is Kind.UPSTREAM
    assert [type(event) for event in inside()] == [Finished]


def test_after_the_end_nothing_comes() -> None:
    reader = StreamReader(destination())
    assert reader.feed(WHOLE)
    assert reader.feed(WHOLE) == []
    assert reader.close() == []


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 40), st.binary(max_size=6), st.integers(1, 64))
def test_any_damage_ends_in_the_grammar(at: int, cut: int, put: bytes, size: int) -> None:
    found = events(WHOLE[:at] + put + WHOLE[at + cut :], size)
    grammar.check(found)


def test_input_of_a_server_tool_that_is_no_object_is_malformed() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    broken = block(0, use, delta(type="input_json_delta", partial_json='{"a":'))
    assert failure(frames(message_start(), *broken)).problem.kind is Kind.UPSTREAM
