"""A provider's chat stream as canonical events: its grammar, its dialects, its ends (protocols 1.2.4, 2.10, 3)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.chat import Finish, Media, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Kind
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
from nexusflow.protocols.openai_chat.read_stream import StreamReader
from tests.support.chat import DONE, call_delta, chunk, destination, events

END = chunk(finish="stop")
CALLS_END = chunk(finish="tool_calls")
PNG = "iVBORw0KGgo="


def parts(found: list[Event], choice: int = 0) -> list[tuple[Any, str]]:
    """Every part of a choice with its text."""
    texts: dict[int, str] = {}
    started: dict[int, Any] = {}
    for event in found:
        if isinstance(event, PartStarted) and event.choice == choice:
            started[event.index], texts[event.index] = event.part, ""
        elif isinstance(event, PartDelta) and event.choice == choice:
            texts[event.index] += event.text
    return [(started[index], texts[index]) for index in started]


def finish(found: list[Event], choice: int = 0) -> Finish:
    return next(event.finish for event in found if isinstance(event, Finished) and event.choice == choice)


def failed(found: list[Event]) -> Failed:
    assert isinstance(found[-1], Failed)
    return found[-1]


def test_text_from_start_to_done() -> None:
    found = events(chunk({"role": "assistant", "content": ""}) + chunk({"content": "Hé"}) + END + DONE)
    assert found == [
        Started(id="c1", model="up", created=7),
        PartStarted(0, Text(text="")),
        PartDelta(0, "Hé"),
        PartEnded(0),
        Finished(Finish(reason="end", raw="stop")),
        Done(),
    ]


MIXED = b"".join(
    (
        b": comment\n\n",
        chunk({"role": "assistant", "reasoning_content": "hm, ü"}),
        chunk({"content": "Größe 🙂"}),
        chunk(call_delta(0, id="a", type="function", name="f")),
        chunk(call_delta(0, '{"x":"')),
        chunk(call_delta(0, 'ß"}')),
        CALLS_END,
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
        DONE,
    )
)


@given(st.integers(1, 80))
def test_T13_pieces_of_any_size_read_alike(size: int) -> None:
    assert _plain(events(MIXED, size=size)) == _plain(events(MIXED))


def test_T13_line_ends_and_decoration_do_not_matter() -> None:
    bare = MIXED.replace(b"data: ", b"data:").replace(b"\n", b"\r\n")
    assert _plain(events(bare)) == _plain(events(MIXED))
    assert _plain(events(MIXED.replace(b"data: ", b"event: x\nid: 1\ndata: "))) == _plain(events(MIXED))


def _plain(found: list[Event]) -> list[bytes]:
    return [msgspec.json.encode(event) for event in found]


def test_T18_choices_null_and_empty_are_nothing() -> None:
    empty = b'data: {"id":"c1","choices":null}\n\ndata: {"id":"c1","choices":[]}\n\n'
    found = events(empty + chunk({"content": "a"}) + END + DONE)
    assert parts(found) == [(Text(text=""), "a")]


def test_T19_fragments_go_by_index_though_the_id_is_repeated() -> None:
    stream = b"".join(
        chunk(call_delta(at, text, id=f"id{at}", type="function", name=f"f{at}"))
        for at, text in ((0, '{"a"'), (0, ":1}"), (1, "{"), (1, "}"))
    )
    found = events(stream + CALLS_END + DONE)
    assert parts(found) == [
        (ToolCall(id="id0", name="f0", arguments=""), '{"a":1}'),
        (ToolCall(id="id1", name="f1", arguments=""), "{}"),
    ]


def test_T06_interleaved_calls_become_sequential() -> None:
    opened = chunk(call_delta(0, id="a", name="f")) + chunk(call_delta(1, id="b", name="g"))
    rest = b"".join(chunk(call_delta(at, text)) for at, text in ((0, '{"x":{}'), (1, '{"y":'), (0, "}"), (1, "2}")))
    found = events(opened + rest + CALLS_END + DONE)
    assert parts(found) == [
        (ToolCall(id="a", name="f", arguments=""), '{"x":{}}'),
        (ToolCall(id="b", name="g", arguments=""), '{"y":2}'),
    ]
    first_ended = found.index(PartEnded(0))
    assert found.index(PartStarted(1, ToolCall(id="b", name="g", arguments=""))) == first_ended + 1


def test_T06_the_second_call_flows_as_soon_as_the_first_is_whole() -> None:
    reader = StreamReader(destination())
    reader.feed(chunk(call_delta(0, "{", id="a", name="f")) + chunk(call_delta(1, "{", id="b", name="g")))
    assert PartStarted(1, ToolCall(id="b", name="g", arguments="")) in reader.feed(chunk(call_delta(0, "}")))
    assert reader.feed(chunk(call_delta(1, "}"))) == [PartDelta(1, "}")]


def test_a_call_without_arguments_holds_the_next_one_only_until_the_end() -> None:
    found = events(
        chunk(call_delta(0, id="a", name="f")) + chunk(call_delta(1, "{}", id="b", name="g")) + CALLS_END + DONE
    )
    assert [text for _, text in parts(found)] == ["", "{}"]


def test_a_complete_call_that_goes_on_is_an_error() -> None:
    stream = chunk(call_delta(0, "{}", id="a", name="f")) + chunk(call_delta(1, "{}", id="b", name="g"))
    assert failed(events(stream + chunk(call_delta(0, "{}")) + CALLS_END + DONE)).problem.kind is Kind.UPSTREAM


def test_a_call_that_is_named_late_waits() -> None:
    late = chunk(call_delta(0, '{"a":', id="a")) + chunk(call_delta(0, "1}", name="f"))
    found = events(late + CALLS_END + DONE)
    assert parts(found) == [(ToolCall(id="a", name="f", arguments=""), '{"a":1}')]


def test_a_call_without_an_id_gets_a_stable_one() -> None:
    stream = chunk(call_delta(0, "{}", name="f")) + CALLS_END + DONE
    (first, _), (second, _) = parts(events(stream))[0], parts(events(stream))[0]
    assert first.id == second.id
    assert first.id.startswith("call_")


def test_a_call_without_a_name_is_an_error() -> None:
    assert "without a name" in failed(events(chunk(call_delta(0, "{}", id="a")) + CALLS_END + DONE)).problem.message


def test_parallel_calls_that_all_have_index_0() -> None:
    stream = chunk(call_delta(0, "{}", id="a", name="f")) + chunk(call_delta(0, '{"b":1}', id="b", name="f"))
    assert [(part.id, text) for part, text in parts(events(stream + CALLS_END + DONE))] == [
        ("a", "{}"),
        ("b", '{"b":1}'),
    ]


def test_calls_without_any_index() -> None:
    stream = chunk(call_delta(None, "{", id="a", name="f")) + chunk(call_delta(None, "}"))
    stream += chunk(call_delta(None, "{}", id="b", name="g"))
    assert [(part.id, text) for part, text in parts(events(stream + CALLS_END + DONE))] == [("a", "{}"), ("b", "{}")]


def test_arguments_as_an_object_and_null() -> None:
    stream = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}]})
    stream += chunk({"tool_calls": [{"index": 0, "function": {"arguments": {"a": 1}}}]})
    assert parts(events(stream + CALLS_END + DONE)) == [(ToolCall(id="a", name="f", arguments=""), '{"a":1}')]


def test_the_older_function_call_is_a_call() -> None:
    stream = chunk({"function_call": {"name": "f", "arguments": ""}}) + chunk({"function_call": {"arguments": "{}"}})
    found = events(stream + chunk(finish="function_call") + DONE)
    assert [(part.name, text) for part, text in parts(found)] == [("f", "{}")]
    assert finish(found) == Finish(reason="tools", raw="function_call")


def test_a_custom_call() -> None:
    opening = {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}]}
    more = {"tool_calls": [{"index": 0, "custom": {"input": "ls }"}}]}
    found = events(chunk(opening) + chunk(more) + CALLS_END + DONE)
    assert parts(found) == [(ToolCall(id="a", name="sh", arguments="", custom=True), "ls }")]


def test_T31_calls_make_the_finish_tools_whatever_is_said() -> None:
    found = events(chunk(call_delta(0, "{}", id="a", name="f")) + END + DONE)
    assert finish(found) == Finish(reason="tools", raw="stop")


def test_tools_claimed_without_a_call_is_a_plain_end() -> None:
    assert finish(events(chunk({"content": "x"}) + CALLS_END + DONE)).reason == "end"


def test_a_cut_off_call_stays_cut_off() -> None:
    found = events(chunk(call_delta(0, '{"a', id="a", name="f")) + chunk(finish="length") + DONE)
    assert finish(found).reason == "length"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "end"),
        ("eos", "end"),
        ("whatever", "end"),
        ("length", "length"),
        ("content_filter", "filter"),
        ("MAX_TOKENS", "length"),
        ("error", "malformed"),
        ("insufficient_system_resource", "malformed"),
    ],
)
def test_T32_finish_words(word: str, reason: str) -> None:
    assert finish(events(chunk({"content": "x"}) + chunk(finish=word) + DONE)) == Finish(reason=reason, raw=word)  # type: ignore[arg-type]


def test_the_stop_sequence_that_was_hit() -> None:
    ending = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","stop_reason":"END"}]}\n\n'
    assert finish(events(chunk({"content": "x"}) + ending + DONE)).sequence == "END"
    token = ending.replace(b'"END"', b"128009")
    assert finish(events(chunk({"content": "x"}) + token + DONE)).reason == "end"


def test_T10_choices_keep_their_index() -> None:
    stream = b"".join(chunk({"content": text}, index=at) for at, text in ((1, "b"), (0, "a"), (1, "B")))
    found = events(stream + chunk(finish="stop", index=1) + chunk(finish="length", index=0) + DONE)
    assert (parts(found, 0)[0][1], parts(found, 1)[0][1]) == ("a", "bB")
    assert (finish(found, 0).reason, finish(found, 1).reason) == ("length", "end")


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_T95_plain_reasoning_is_thinking(member: str) -> None:
    found = events(chunk({member: "hm", "content": ""}) + chunk({member: None, "content": "so"}) + END + DONE)
    assert parts(found) == [(Thinking(text=""), "hm"), (Text(text=""), "so")]


def test_reasoning_that_comes_plain_and_in_details_counts_once() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "index": 0, "format": "anthropic-claude-v1"}
    signed = {"type": "reasoning.text", "signature": "SIG", "index": 0, "format": "anthropic-claude-v1"}
    stream = chunk({"reasoning": "hm", "reasoning_details": [detail]})
    found = events(stream + chunk({"reasoning_details": [signed]}) + chunk({"content": "so"}) + END + DONE)
    assert [text for _, text in parts(found)] == ["hm", "so"]
    ended = found[found.index(PartDelta(0, "hm")) + 1]
    assert isinstance(ended, PartEnded)
    assert ended.signature is not None
    assert ended.signature.family == "gpt"
    assert json.loads(ended.signature.payload) == {
        "type": "reasoning.text",
        "format": "anthropic-claude-v1",
        "signature": "SIG",
    }


def test_T92_encrypted_reasoning_is_a_part_of_its_own() -> None:
    secret = {"type": "reasoning.encrypted", "data": "XYZ", "id": "r1", "index": 0}
    found = events(chunk({"reasoning_details": [secret]}) + chunk({"content": "a"}) + END + DONE)
    part, text = parts(found)[0]
    assert (part.redacted, text, part.id) == (True, "", "r1")
    assert '"data":"XYZ"' in part.signature.payload


def test_content_as_a_list() -> None:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    odd = [{"type": "text", "text": "so"}, {"type": "reference", "reference_ids": [1]}]
    found = events(chunk({"content": thought}) + chunk({"content": odd}) + END + DONE)
    assert [type(part) for part, _ in parts(found)] == [Thinking, Text, Unknown]
    assert [text for _, text in parts(found)] == ["hm", "so", ""]


def test_a_refusal() -> None:
    found = events(chunk({"refusal": "I "}) + chunk({"refusal": "won't"}) + END + DONE)
    assert parts(found) == [(Refusal(""), "I won't")]
    assert finish(found) == Finish(reason="refusal", raw="stop")


def test_images_and_annotations() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}, "index": 0}
    note = {"type": "url_citation", "url_citation": {"url": "http://a", "title": "A", "start_index": 1, "end_index": 3}}
    found = events(chunk({"content": "text"}) + chunk({"annotations": [note], "images": [image]}) + END + DONE)
    cited = next(event for event in found if isinstance(event, Cited))
    assert (cited.citation.url, cited.citation.start, cited.citation.end) == ("http://a", 1, 3)
    assert isinstance(parts(found)[1][0], Media)


def test_sources_of_the_whole_answer_are_cited_once() -> None:
    top: dict[str, Any] = {"citations": ["http://a"], "search_results": [{"url": "http://a", "title": "A"}]}
    found = events(chunk({"content": "x [1]"}, **top) + chunk(finish="stop", **top) + DONE)
    assert [(e.citation.url, e.citation.title) for e in found if isinstance(e, Cited)] == [("http://a", "A")]


def test_sound_is_joined() -> None:
    stream = chunk({"audio": {"id": "a1", "transcript": "he"}}) + chunk({"audio": {"data": "UklGRg=="}})
    stream += chunk({"audio": {"data": "AAA=", "transcript": "llo"}}) + chunk({"audio": {"expires_at": 9}})
    part, _ = parts(events(stream + END + DONE))[0]
    assert (part.kind, part.transcript, part.source.base64) == ("audio", "hello", "UklGRgAA")


def test_log_probabilities_stay_with_their_text() -> None:
    one = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1, "bytes": None}]}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [one]}, "finish_reason": None}
    half = {"index": 0, "delta": {"content": ""}, "logprobs": {"content": [one]}, "finish_reason": None}
    stream = b"".join(b"data: " + json.dumps({"choices": [each]}).encode() + b"\n\n" for each in (choice, half))
    deltas = [event for event in events(stream + END + DONE) if isinstance(event, PartDelta)]
    assert [event.text for event in deltas] == ["a", ""]
    assert all(event.logprobs is not None and event.logprobs[0].top[0].token == "b" for event in deltas)


def test_T21_usage_after_the_finish_comes_before_done() -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
    found = events(chunk({"content": "x"}) + END + usage + DONE)
    assert next(event.usage.total for event in found if isinstance(event, UsageSeen)) == 7
    assert isinstance(found[-1], Done)


@pytest.mark.parametrize(
    "place",
    [
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        {"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}},
    ],
)
def test_T47_usage_in_odd_places(place: dict[str, Any]) -> None:
    found = events(chunk({"content": "x"}) + chunk(finish="stop", **place) + DONE)
    assert [event.usage.total for event in found if isinstance(event, UsageSeen)] == [7]


def test_T49_zeros_after_numbers_are_not_said() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    some = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    found = events(chunk({"content": "x"}, usage=some) + chunk(finish="stop", usage=zeros) + DONE)
    assert [event.usage.total for event in found if isinstance(event, UsageSeen)] == [7]


def test_T102_a_stream_that_stops_early_has_failed() -> None:
    assert "ended before" in failed(events(chunk({"content": "x"}))).problem.message
    assert "ended before" in failed(events(b"")).problem.message
    cut = chunk({"content": "x"}) + END[: len(END) // 2]
    assert "ended before" in failed(events(cut)).problem.message


def test_U08_a_finished_stream_may_lack_its_last_marker() -> None:
    assert isinstance(events(chunk({"content": "x"}) + END)[-1], Done)
    assert isinstance(events(chunk({"content": "x"}) + END.rstrip(b"\n"))[-1], Done)


def test_one_of_two_choices_unfinished_is_cut_off() -> None:
    stream = chunk({"content": "x"}) + chunk({"content": "y"}, index=1) + END
    assert isinstance(events(stream)[-1], Failed)


def test_U34_an_end_without_anything_is_empty() -> None:
    assert "empty" in failed(events(chunk({"role": "assistant"}) + DONE)).problem.message


def test_T103_an_error_in_the_first_chunk() -> None:
    body = b'data: {"error":{"message":"slow down","code":429},"choices":[]}\n\n'
    found = events(body)
    assert found == [Failed(failed(found).problem)]
    assert failed(found).problem.kind is Kind.RATE


def test_an_error_in_the_middle_ends_the_stream_and_keeps_its_usage() -> None:
    body = b'data: {"error":{"message":"x"},"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    found = events(chunk({"content": "x"}) + body + chunk({"content": "never"}))
    assert [type(event) for event in found[-2:]] == [UsageSeen, Failed]


def test_an_error_of_one_choice() -> None:
    body = b'data: {"choices":[{"index":0,"finish_reason":"error","error":{"message":"x","code":502}}]}\n\n'
    assert failed(events(chunk({"content": "a"}) + body + DONE)).problem.kind is Kind.UPSTREAM


@pytest.mark.parametrize("data", [b"{", b"[]", b'"x"', b'{"choices":[1]}', b'{"choices":[{"delta":{"content":1}}]}'])
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    assert failed(events(chunk({"content": "x"}) + b"data: " + data + b"\n\n")).problem.kind is Kind.UPSTREAM


def test_one_whole_answer_instead_of_a_stream() -> None:
    body = {
        "id": "c9",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "content": "so",
                    "tool_calls": [
                        {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "b", "function": {"name": "f", "arguments": "{}"}},
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    found = events(json.dumps(body, indent=1).encode(), size=7)
    assert [text for _, text in parts(found)] == ["so", "{}", "{}"]
    assert isinstance(found[-1], Done)
    assert failed(events(b'{"error":{"message":"no","type":"overloaded"}}')).problem.kind is Kind.BUSY


def test_nothing_follows_the_end() -> None:
    reader = StreamReader(destination())
    reader.feed(chunk({"content": "x"}) + END + DONE)
    assert reader.feed(chunk({"content": "y"})) == []
    assert reader.close() == []


def test_google_state_of_calls_and_text() -> None:
    extra = {"google": {"thought_signature": "AAAA"}}
    opened = {"tool_calls": [{"index": 0, "id": "a", "extra_content": extra, "function": {"name": "f"}}]}
    found = events(chunk(opened) + CALLS_END + DONE, family="gemini")
    part, _ = parts(found)[0]
    assert (part.signature.payload, part.signature.family) == ("AAAA", "gemini")
    found = events(chunk({"content": "x"}) + chunk({"content": "", "extra_content": extra}) + END + DONE)
    ended = next(event for event in found if isinstance(event, PartEnded))
    assert ended.signature is not None
    assert ended.signature.payload == "AAAA"


FRAGMENTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=3)),
        st.builds(lambda text: {"reasoning": text}, st.text(max_size=3)),
        st.builds(lambda at, text: call_delta(at, text, id=f"i{at}", name="f"), st.integers(0, 2), st.just("x")),
    ),
    max_size=12,
)


@given(FRAGMENTS)
def test_any_order_of_deltas_is_grammatical_and_loses_nothing(deltas: list[dict[str, Any]]) -> None:
    found = events(b"".join(map(chunk, deltas)) + END + DONE)
    texts = "".join(delta.get("content", "") for delta in deltas)
    assert "".join(text for part, text in parts(found) if isinstance(part, Text)) == texts
    for at in range(3):
        given = sum(one.get("index") == at for delta in deltas for one in delta.get("tool_calls", ()))
        assert [text for part, text in parts(found) if isinstance(part, ToolCall) and part.id == f"i{at}"] == (
            ["x" * given] if given else []
        )
