"""Canonical events as a Chat client's stream, read by the official SDK's helper (protocols 1.2.4, 2.2, 3)."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.chat import (
    Citation,
    Data,
    Finish,
    Logprob,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Unknown,
)
from nexusflow.ir.errors import Kind, Problem
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
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common import envelope
from nexusflow.protocols.openai_chat import carried
from nexusflow.protocols.openai_chat.write_stream import KEEP_ALIVE, StreamWriter
from tests.support.chat import RESPONSE_ID, accumulated, asked, chunks, read, streamed, written

CLAUDE = Opaque("anthropic/messages", "claude", "SIG")
GEMINI = Opaque("google/generate-content", "gemini", "AAAA")
TEXT, THOUGHT = Text(text=""), Thinking(text="")


def tool(name: str, id: str = "t1", **more: Any) -> ToolCall:
    return ToolCall(id=id, name=name, arguments="", **more)


def message(stream: bytes) -> Any:
    return accumulated(stream).choices[0].message


def deltas(stream: bytes) -> list[dict[str, Any]]:
    return [one["choices"][0]["delta"] for one in chunks(stream) if one["choices"]]


def test_T11_T110_every_chunk_has_one_id_one_time_and_the_public_model() -> None:
    out = written(streamed((TEXT, ("a", "b")), (tool("f"), ("{}",))))
    assert {(one["id"], one["created"], one["model"]) for one in chunks(out)} == {
        (f"chatcmpl-{RESPONSE_ID}", 1_700_000_000, "public")
    }
    assert out.endswith(b"data: [DONE]\n\n")


def test_T22_the_role_comes_once_and_first() -> None:
    found = deltas(written(streamed((THOUGHT, ("hm",)), (TEXT, ("a", "b")))))
    assert [at for at, delta in enumerate(found) if "role" in delta] == [0]


def test_T01_T08_calls_are_numbered_by_themselves() -> None:
    out = written(
        streamed(
            (THOUGHT, ("hm",)), (TEXT, ("so",)), *((tool("f", f"t{at}"), ("{}",)) for at in range(3)), finish="tools"
        )
    )
    calls = message(out).tool_calls
    assert [(one.index, one.id, one.function.arguments) for one in calls] == [(at, f"t{at}", "{}") for at in range(3)]
    assert accumulated(out).choices[0].finish_reason == "tool_calls"


def test_T02_T16_thinking_and_text_stand_in_choice_0_and_apart() -> None:
    out = written(streamed((THOUGHT, ("hm ", "so")), (TEXT, ("a", "b"))))
    assert {one["choices"][0]["index"] for one in chunks(out)} == {0}
    found = message(out)
    assert (found.reasoning_content, found.content) == ("hm so", "ab")
    assert found.reasoning_details == [
        {"index": 0, "type": "reasoning.text", "format": "nexusflow-v1", "text": "hm so"}
    ]


def test_id_type_and_name_come_only_in_the_first_delta() -> None:
    first, second = [
        delta["tool_calls"][0] for delta in deltas(written(streamed((tool("f"), ("{}",))))) if "tool_calls" in delta
    ]
    assert first == {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert second == {"index": 0, "function": {"arguments": "{}"}}


def test_T12_a_call_without_fragments_has_empty_arguments() -> None:
    assert message(written(streamed((tool("f"), ())))).tool_calls[0].function.arguments == "{}"


def test_a_custom_tool_gets_its_bare_input_back() -> None:
    ask = asked(read(tools=[{"type": "custom", "custom": {"name": "sh"}}]))
    out = written(streamed((tool("sh"), ('{"inp', 'ut":"ls"}')), finish="tools"), ask)
    (call,) = [delta["tool_calls"][0] for delta in deltas(out) if "tool_calls" in delta]
    assert call == {"index": 0, "id": "t1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    native = written(streamed((tool("sh", custom=True), ("l", "s")), finish="tools"), ask)
    inputs = [delta["tool_calls"][0]["custom"]["input"] for delta in deltas(native) if "tool_calls" in delta]
    assert inputs == ["", "l", "s"]


def test_a_caller_of_the_older_form_gets_a_function_call() -> None:
    ask = asked(read(functions=[{"name": "f"}]))
    out = written(streamed((tool("f"), ("{}",)), (tool("f", "t2"), ("{}",)), finish="tools"), ask)
    assert [delta["function_call"] for delta in deltas(out) if "function_call" in delta] == [
        {"name": "f", "arguments": ""},
        {"arguments": "{}"},
    ]
    assert chunks(out)[-1]["choices"][0]["finish_reason"] == "function_call"


def test_T90_T25_the_signature_comes_once_in_its_own_delta() -> None:
    stream: list[Event] = [Started(), PartStarted(0, THOUGHT), PartDelta(0, "hm"), PartEnded(0, signature=CLAUDE)]
    ending: list[Event] = [Finished(Finish(reason="end")), Done()]
    (detail,) = message(written([*stream, *ending])).reasoning_details
    assert envelope.unseal(detail["signature"]) == CLAUDE
    silent: list[Event] = [Started(), PartStarted(0, THOUGHT), PartEnded(0, signature=CLAUDE), *ending]
    (detail,) = message(written(silent)).reasoning_details
    assert envelope.unseal(detail["signature"]) == CLAUDE
    assert detail["index"] == 0


def test_T92_redacted_thinking_is_an_encrypted_detail() -> None:
    secret = Thinking(text="", redacted=True, signature=CLAUDE)
    out = written(streamed((secret, ()), (THOUGHT, ("hm",))))
    first, second = message(out).reasoning_details
    assert (first["index"], first["type"], envelope.unseal(first["data"])) == (0, "reasoning.encrypted", CLAUDE)
    assert (second["index"], second["text"]) == (1, "hm")


def test_a_provider_of_this_protocol_gets_its_details_shown_as_they_were() -> None:
    own = Opaque("openai/chat-completions", "o", '{"type":"reasoning.encrypted","format":"x-v1","id":"r","data":"D"}')
    out = written(streamed((Thinking(text="", redacted=True, signature=own, id="r"), ())))
    assert message(out).reasoning_details == [
        {"index": 0, "type": "reasoning.encrypted", "format": "x-v1", "id": "r", "data": "D"}
    ]


def test_hidden_reasoning_keeps_only_its_state() -> None:
    ask = asked(read(reasoning={"effort": "low", "exclude": True}))
    assert ask.call.reasoning == Reasoning(effort="low", expose="none", path="reasoning")
    stream: list[Event] = [
        Started(),
        PartStarted(0, THOUGHT),
        PartDelta(0, "hm"),
        PartEnded(0, signature=CLAUDE),
        Done(),
    ]
    out = written(stream, ask)
    assert b"hm" not in out
    assert b"nx1.a.claude" in out


def test_T86_a_calls_state_stands_where_google_puts_it() -> None:
    out = written(streamed((tool("f", signature=GEMINI), ("{}",))))
    opened = next(delta["tool_calls"][0] for delta in deltas(out) if "tool_calls" in delta)
    assert envelope.unseal(opened["extra_content"]["google"]["thought_signature"]) == GEMINI
    late: list[Event] = [
        Started(),
        PartStarted(0, tool("f")),
        PartDelta(0, "{}"),
        PartEnded(0, signature=GEMINI),
        Done(),
    ]
    last = deltas(written(late))[-1]["tool_calls"][0]
    assert envelope.unseal(last["extra_content"]["google"]["thought_signature"]) == GEMINI
    assert last["function"] == {"arguments": ""}


def test_T88_a_texts_state_stands_on_the_message_once() -> None:
    stream: list[Event] = [Started()]
    for index in range(2):
        stream += [PartStarted(index, TEXT), PartDelta(index, "x"), PartEnded(index, signature=GEMINI)]
    found = message(written([*stream, Finished(Finish(reason="end")), Done()]))
    assert envelope.unseal(found.extra_content["google"]["thought_signature"]) == GEMINI


def test_T07_T115_foreign_blocks_are_carried_and_are_no_calls() -> None:
    search = Unknown(origin="anthropic/messages", type="server_tool_use", raw=Raw(b'{"type":"server_tool_use"}'))
    source = Citation(url="http://a", title="A", ext={"encrypted_index": Raw(b'"E"')})
    stream: list[Event] = [Started(), PartStarted(0, TEXT), PartDelta(0, "I look. "), PartEnded(0)]
    stream += [PartStarted(1, search), PartEnded(1), PartStarted(2, TEXT), PartDelta(2, "Found")]
    stream += [Cited(2, source), PartEnded(2), Finished(Finish(reason="end")), Done()]
    found = message(written(stream))
    assert found.tool_calls is None
    assert found.annotations[0].url_citation.start_index == 8
    assert found.annotations[0].url_citation.end_index == 13
    restored = carried.restore(
        found.content,
        Raw(json.dumps(found.provider_content).encode()),
        Raw(json.dumps(found.citations).encode()),
    )
    assert [type(part) for part in restored] == [Text, Unknown, Text]
    assert isinstance(restored[2], Text)
    assert restored[2].citations[0].ext == {"encrypted_index": Raw(b'"E"')}


def test_images_and_sound_have_a_place() -> None:
    image = Media(kind="image", source=Data("image/png", "AAAA"))
    sound = Media(kind="audio", source=Data("audio/wav", "BBBB"), transcript="hi")
    found = message(written(streamed((image, ()), (sound, ()), (image, ()))))
    assert [one["image_url"]["url"] for one in found.images] == ["data:image/png;base64,AAAA"] * 2
    assert (found.audio.data, found.audio.transcript) == ("BBBB", "hi")


def test_log_probabilities() -> None:
    token = Logprob(token="a", logprob=-0.5, bytes=(97,), top=(Logprob(token="b", logprob=-1.0),))
    stream: list[Event] = [Started(), PartStarted(0, TEXT), PartDelta(0, "a", logprobs=(token,)), PartEnded(0)]
    out = written([*stream, Finished(Finish(reason="end")), Done()])
    (entry,) = accumulated(out).choices[0].logprobs.content
    assert (entry.token, entry.bytes, entry.top_logprobs[0].token) == ("a", [97], "b")


USAGE = Usage(input_text=40, cache_read_text=50, cache_write_5m=30, output_text=3, output_reasoning=7)


def test_T34_T40_usage_is_the_last_chunk_and_only_when_asked_for() -> None:
    seen = (UsageSeen(Usage(input_text=1, output_text=1)), UsageSeen(USAGE))
    out = written(streamed((TEXT, ("a",)), more=seen), asked(include_usage=True))
    *others, last = chunks(out)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 10,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    assert all(one["usage"] is None for one in others)
    assert all("usage" not in one for one in chunks(written(streamed((TEXT, ("a",)), more=seen))))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("length", "length"),
        ("context", "length"),
        ("pause", "length"),
        ("refusal", "content_filter"),
        ("filter", "content_filter"),
    ],
)
def test_T27_T30_finish_reasons(reason: str, word: str) -> None:
    assert accumulated(written(streamed((TEXT, ("a",)), finish=reason))).choices[0].finish_reason == word


def test_the_words_of_a_filter_are_the_refusal() -> None:
    finish = Finish(reason="filter", raw="SAFETY", text="blocked: SAFETY")
    out = written([Started(), Finished(finish), Done()])
    assert message(out).refusal == "blocked: SAFETY"
    assert chunks(out)[-1]["choices"][0]["native_finish_reason"] == "SAFETY"
    spoken = written(
        [Started(), PartStarted(0, Refusal("")), PartDelta(0, "No."), PartEnded(0), Finished(finish), Done()]
    )
    assert message(spoken).refusal == "No."


@pytest.mark.parametrize(("reason", "raw"), [("malformed", "MALFORMED_FUNCTION_CALL"), ("empty", "NO_IMAGE")])
def test_T28_T29_what_is_no_answer_is_an_error(reason: Any, raw: str) -> None:
    out = written([Started(), Finished(Finish(reason=reason, raw=raw)), Done()])
    assert chunks(out)[-1]["error"]["code"] == f"upstream_{reason}:{raw}"
    assert b"[DONE]" not in out
    assert b'"finish_reason":"' not in out


def test_T102_a_failure_has_neither_finish_nor_done() -> None:
    problem = Problem(kind=Kind.UPSTREAM, message="broken")
    stream: list[Event] = [Started(), PartStarted(0, TEXT), PartDelta(0, "a"), Failed(problem), Done()]
    writer = StreamWriter(asked())
    out = b"".join(map(writer.feed, stream))
    assert chunks(out)[-1]["error"]["message"] == "broken"
    assert b"[DONE]" not in out


def test_T15_the_keep_alive_is_a_comment() -> None:
    assert KEEP_ALIVE == b": ping\n\n"


def test_choices_open_in_order_whatever_comes_first() -> None:
    stream: list[Event] = [Started()]
    for choice in (2, 0, 1):
        stream += [PartStarted(0, TEXT, choice), PartDelta(0, str(choice), choice), PartEnded(0, choice)]
    out = written([*stream, *(Finished(Finish(reason="end"), choice) for choice in range(3)), Done()])
    assert [one.message.content for one in accumulated(out).choices] == ["0", "1", "2"]
    opened = [one["choices"][0]["index"] for one in chunks(out) if "role" in one["choices"][0]["delta"]]
    assert opened == [0, 1, 2]


PARTS: Any = st.one_of(
    st.tuples(st.just(TEXT), st.lists(st.text(min_size=1), max_size=3).map(tuple)),
    st.tuples(st.just(THOUGHT), st.lists(st.text(min_size=1), max_size=3).map(tuple)),
    st.tuples(st.just(tool("f")), st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)),
)


@given(st.lists(PARTS, max_size=5))
def test_whatever_the_parts_the_sdk_reads_them_all(parts: list[tuple[Part, tuple[str, ...]]]) -> None:
    numbered = itertools.count()
    named = [(tool("f", f"t{next(numbered)}") if isinstance(part, ToolCall) else part, texts) for part, texts in parts]
    found = message(written(streamed(*named)))

    def said(kind: type) -> list[str]:
        return ["".join(texts) for part, texts in parts if isinstance(part, kind)]

    assert found.content == "".join(said(Text))
    assert (getattr(found, "reasoning_content", None) or "") == "".join(said(Thinking))
    assert [one.function.arguments for one in found.tool_calls or ()] == said(ToolCall)


def test_tools_of_the_caller_are_told_by_name() -> None:
    plain = Tool(name="f")
    assert b'"type":"function"' in written(streamed((tool("f"), ("{}",))), asked(tools=(plain,)))
