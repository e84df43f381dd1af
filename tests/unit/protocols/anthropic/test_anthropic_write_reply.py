"""A canonical answer, unary and streamed, for a client of Messages, read by its official SDK (protocols 2.3, 2.6)."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.chat import (
    Candidate,
    Citation,
    Data,
    Finish,
    FinishReason,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Unknown,
)
from nexusflow.ir.errors import Kind, Problem, RequestRefused
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
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import read_request, write_reply
from nexusflow.protocols.anthropic.write_stream import KEEP_ALIVE, StreamWriter
from nexusflow.protocols.common import envelope
from tests.support.messages import RESPONSE_ID, accumulated, asked, compact, decoded, sdk

GEMINI = Opaque("google/generate-content", "gemini", "AAAA")
USAGE = Usage(input_text=40, cache_read_text=60, output_text=5, output_reasoning=2)
CALL = ToolCall(id="t", name="f", arguments='{"a":1}')


def answer(*parts: Part, finish: Finish | None = None, usage: Usage | None = None) -> ChatReply:
    candidate = Candidate(parts=parts, finish=finish or Finish(reason="end"))
    return ChatReply(origin="openai/chat-completions", candidates=(candidate,), usage=usage)


def body(*parts: Part, finish: Finish | None = None, usage: Usage | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_reply.write(answer(*parts, finish=finish, usage=usage), asked(), Losses()))
    return found


def spelled(parts: tuple[Part, ...], finish: Finish | None = None, usage: Usage | None = None) -> list[Event]:
    """Parts as a reader tells them."""
    found: list[Event] = [Started()]
    for index, part in enumerate(parts):
        text, ended, sources = "", PartEnded(index), tuple[Citation, ...]()
        match part:
            case Text():
                text, sources, part = part.text, part.citations, Text(text="", signature=part.signature)
            case Refusal():
                text, part = part.text, Refusal("")
            case Thinking(redacted=False):
                text, ended, part = part.text, PartEnded(index, signature=part.signature), Thinking(text="")
            case ToolCall():
                text = part.arguments
                part = ToolCall(id=part.id, name=part.name, arguments="", custom=part.custom, signature=part.signature)
        found.append(PartStarted(index, part))
        found += [PartDelta(index, piece) for piece in (text[:1], text[1:]) if piece]
        found += [Cited(index, source) for source in sources]
        found.append(ended)
    found.append(Finished(finish or Finish(reason="end")))
    return [*found, *([UsageSeen(usage)] if usage is not None else []), Done()]


def stream(*events: Event) -> bytes:
    writer = StreamWriter(asked())
    return b"".join(map(writer.feed, events))


def streamed(*parts: Part, finish: Finish | None = None, usage: Usage | None = None) -> bytes:
    return stream(*spelled(parts, finish, usage))


def both(*parts: Part, finish: Finish | None = None, usage: Usage | None = None) -> dict[str, Any]:
    """The answer as the SDK reads it, which is the same streamed and whole."""
    whole = body(*parts, finish=finish, usage=usage)
    user: Any = [{"role": "user", "content": "x"}]
    read = sdk(compact(whole)).messages.create(model="public", max_tokens=9, messages=user).to_dict()
    helped: dict[str, Any] = accumulated(streamed(*parts, finish=finish, usage=usage)).to_dict()
    for block in helped["content"]:
        if block.get("citations") is None:
            block.pop("citations", None)
    assert {name: helped[name] for name in whole} == read == whole
    return whole


def test_a_text() -> None:
    found = both(Text(text="Hello"), usage=USAGE)
    assert found == {
        "id": f"msg_{RESPONSE_ID}",
        "type": "message",
        "role": "assistant",
        "model": "public",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 40,
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 0,
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


def test_T17_T05_the_frames_of_a_stream() -> None:
    events = decoded(streamed(Thinking(text="hm"), Text(text="Hi")))
    assert [event["type"] for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    kinds = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert kinds == [*["thinking_delta"] * 2, "signature_delta", *["text_delta"] * 2]


def test_T03_T04_T06_blocks_are_numbered_without_gaps_and_closed_once() -> None:
    second = ToolCall(id="u", name="g", arguments="{}")
    events = decoded(streamed(Thinking(text="hm"), CALL, second, finish=Finish(reason="tools")))
    starts = [event["index"] for event in events if event["type"] == "content_block_start"]
    stops = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert starts == stops == [0, 1, 2]
    found = both(Thinking(text="hm"), CALL, second, finish=Finish(reason="tools"))
    assert [block["type"] for block in found["content"]] == ["thinking", "tool_use", "tool_use"]


def test_T21_T38_one_message_delta_has_the_reason_and_all_of_the_usage() -> None:
    events = decoded(streamed(CALL, finish=Finish(reason="tools"), usage=USAGE))
    (last,) = [event for event in events if event["type"] == "message_delta"]
    assert last["delta"]["stop_reason"] == "tool_use"
    assert last["usage"]["input_tokens"] == 40
    assert last["usage"]["cache_read_input_tokens"] == 60
    assert last["usage"]["cache_creation_input_tokens"] == 0


def test_the_start_always_has_a_usage_and_names_the_prompt_when_it_is_told() -> None:
    def start(*usage: Event) -> dict[str, Any]:
        events = decoded(stream(Started(), *usage, PartStarted(0, Text(text="")), PartDelta(0, "x")))
        found: dict[str, Any] = events[0]["message"]["usage"]
        return found

    zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    assert start() == zero
    assert start(UsageSeen(Usage(input_text=9)))["input_tokens"] == 9


def test_a_call_without_fragments_has_an_empty_input() -> None:
    found = both(ToolCall(id="t", name="f", arguments=""), finish=Finish(reason="tools"))
    assert found["content"][0]["input"] == {}


def test_a_free_form_call_is_wrapped() -> None:
    found = both(ToolCall(id="t", name="f", arguments='say "hi"', custom=True), finish=Finish(reason="tools"))
    assert found["content"][0]["input"] == {"input": 'say "hi"'}


def test_a_long_id_fits_and_stays_the_same() -> None:
    found = both(ToolCall(id="call|" + "x" * 80, name="f", arguments="{}"), finish=Finish(reason="tools"))
    assert len(found["content"][0]["id"]) <= 40


def test_malformed_arguments_are_an_error_of_the_provider() -> None:
    with pytest.raises(RequestRefused) as caught:
        body(ToolCall(id="t", name="f", arguments='{"a":'))
    assert caught.value.problem.kind is Kind.UPSTREAM
    assert caught.value.problem.code == "upstream_malformed_tool_arguments"


def test_T95_thinking_without_a_signature_gets_one_that_means_none() -> None:
    (thought,) = both(Thinking(text="hm"))["content"]
    assert thought["signature"]
    replay = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": [thought]}]}
    call = read_request.read(compact(replay), model="m", stream=False)
    assert call.turns[0].parts == (Thinking(text="hm"),)


def test_T89_a_signature_of_gemini_rides_in_thinking() -> None:
    sealed = envelope.seal(GEMINI)
    call = ToolCall(id="t", name="f", arguments="{}", signature=GEMINI)
    alone = both(call, finish=Finish(reason="tools"))["content"]
    assert [block["type"] for block in alone] == ["thinking", "tool_use"]
    assert (alone[0]["thinking"], alone[0]["signature"]) == ("", sealed)

    joined = both(Thinking(text="hm"), call, finish=Finish(reason="tools"))["content"]
    assert [block["type"] for block in joined] == ["thinking", "tool_use"]
    assert (joined[0]["thinking"], joined[0]["signature"]) == ("hm", sealed)

    text = both(Text(text="A", signature=GEMINI))["content"]
    assert [block["type"] for block in text] == ["thinking", "text"]
    for content, parts in ((alone, (call,)), (text, (Text(text="A", signature=GEMINI),))):
        replay = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": content}]}
        assert read_request.read(compact(replay), model="m", stream=False).turns[0].parts == parts


def test_T89_a_signature_that_comes_at_the_end_of_a_text() -> None:
    events = spelled((Text(text="A"),))
    events[3] = PartEnded(0, signature=GEMINI)
    found = accumulated(stream(*events)).to_dict()["content"]
    assert [block["type"] for block in found] == ["text", "thinking"]
    replay = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": found}]}
    call = read_request.read(compact(replay), model="m", stream=False)
    assert call.turns[0].parts == (Text(text="A", signature=GEMINI),)


def test_a_text_that_is_known_by_its_words_is_the_last_block() -> None:
    events = spelled((Text(text="A"),))
    events[3] = PartEnded(0, signature=GEMINI, said="A")
    assert [block["type"] for block in accumulated(stream(*events)).to_dict()["content"]] == ["text"]


def test_T92_redacted_thinking_rides_sealed() -> None:
    state = Opaque("openai/responses", "gpt", "gAAAA")
    (block,) = both(Thinking(text="", redacted=True, signature=state))["content"]
    assert block == {"type": "redacted_thinking", "data": envelope.seal(state)}
    assert body(Thinking(text="", redacted=True))["content"] == []


def test_native_state_stays_native() -> None:
    native = Opaque("anthropic/messages", "claude", "sig==")
    assert both(Thinking(text="hm", signature=native))["content"][0]["signature"] == "sig=="


def test_sources_can_be_shown() -> None:
    source = Citation(url="https://x.test", title="T")
    (block,) = both(Text(text="A", citations=(source, Citation(kind="document", title="no address"))))["content"]
    assert block["citations"] == [
        {
            "type": "web_search_result_location",
            "cited_text": "",
            "url": "https://x.test",
            "title": "T",
            "encrypted_index": "",
        }
    ]


def test_a_refusal_in_words_is_text_and_a_reason() -> None:
    found = both(Refusal("I will not."))
    assert found["content"] == [{"type": "text", "text": "I will not."}]
    assert found["stop_reason"] == "refusal"
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": None}


@pytest.mark.parametrize(
    ("finish", "reason", "details"),
    [
        (Finish(reason="end"), "end_turn", None),
        (Finish(reason="stop_sequence", sequence="END"), "stop_sequence", None),
        (Finish(reason="tools"), "tool_use", None),
        (Finish(reason="length"), "max_tokens", None),
        (Finish(reason="context"), "model_context_window_exceeded", None),
        (Finish(reason="pause"), "pause_turn", None),
        (Finish(reason="refusal", category="bio", text="No."), "refusal", ("bio", "No.")),
        (Finish(reason="filter", raw="RECITATION", category="odd"), "refusal", (None, "RECITATION")),
    ],
)
def test_stop_reasons(finish: Finish, reason: str, details: tuple[str | None, str | None] | None) -> None:
    found = both(Text(text="A"), finish=finish)
    assert (found["stop_reason"], found["stop_sequence"]) == (reason, finish.sequence)
    if details is None:
        assert "stop_details" not in found
    else:
        assert (found["stop_details"]["category"], found["stop_details"]["explanation"]) == details


@pytest.mark.parametrize("reason", get_args(FinishReason))
def test_every_reason_is_told_or_fails(reason: Any) -> None:
    finish = Finish(reason=reason, raw="NO_IMAGE")
    if reason not in ("malformed", "empty"):
        both(Text(text="A"), finish=finish)
        return
    with pytest.raises(RequestRefused) as caught:
        body(Text(text="A"), finish=finish)
    assert caught.value.problem.kind is Kind.UPSTREAM
    assert "NO_IMAGE" in str(caught.value.problem.code)  # T29
    last = decoded(streamed(Text(text="A"), finish=finish))[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")


def test_an_empty_answer_has_no_blocks() -> None:
    assert both(finish=Finish(reason="length"))["content"] == []
    with pytest.raises(RequestRefused):
        write_reply.write(ChatReply(origin="openai/chat-completions", candidates=()), asked(), Losses())


def test_generated_media_has_no_place() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="))
    with pytest.raises(RequestRefused) as caught:
        body(image)
    assert caught.value.problem.kind is Kind.UPSTREAM
    assert decoded(streamed(image))[-1]["type"] == "error"


def test_T07_own_unknown_blocks_pass_and_foreign_ones_leave_no_gap() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}
    own = Unknown(origin="anthropic/messages", type="server_tool_use", raw=Raw(compact(use)))
    foreign = Unknown(origin="openai/responses", type="x", raw=Raw(b"{}"))
    found = accumulated(streamed(own, foreign, Text(text="A"))).to_dict()["content"]
    assert [block["type"] for block in found] == ["server_tool_use", "text"]
    losses = Losses()
    whole = json.loads(write_reply.write(answer(own, foreign, Text(text="A")), asked(), losses))
    assert whole["content"] == [use, {"type": "text", "text": "A"}]
    assert losses.header() == "dropped=content[1]"


def test_only_the_first_choice_is_told() -> None:
    other: list[Event] = [
        PartStarted(0, Text(text=""), 1),
        PartDelta(0, "B", 1),
        PartEnded(0, 1),
        Finished(Finish(reason="length"), 1),
    ]
    events = spelled((Text(text="A"),))
    message = accumulated(stream(*events[:2], *other, *events[2:]))
    assert ([block.text for block in message.content], message.stop_reason) == (["A"], "end_turn")


def test_T102_a_failure_ends_the_stream_without_message_stop() -> None:
    writer = StreamWriter(asked())
    writer.feed(Started())
    writer.feed(PartStarted(0, Text(text="")))
    (event,) = decoded(writer.feed(Failed(Problem(kind=Kind.BUSY, message="Busy."))))
    error = {"type": "overloaded_error", "message": "Busy."}
    assert event == {"type": "error", "error": error, "request_id": asked().response_id}
    assert writer.feed(PartDelta(0, "x")) == writer.feed(Done()) == b""


def test_the_sdk_takes_keep_alives_anywhere() -> None:
    frames = streamed(Text(text="Hello")).split(b"\n\n")[:-1]
    spread = KEEP_ALIVE + b"".join(frame + b"\n\n" + KEEP_ALIVE for frame in frames)
    assert accumulated(spread).content[0].text == "Hello"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_text_arrives_as_it_was(pieces: list[str]) -> None:
    events: list[Event] = [
        Started(),
        PartStarted(0, Text(text="")),
        *(PartDelta(0, piece) for piece in pieces),
        PartEnded(0),
    ]
    told = decoded(stream(*events, Finished(Finish(reason="end")), Done()))
    deltas = [event["delta"]["text"] for event in told if event["type"] == "content_block_delta"]
    assert deltas == pieces
