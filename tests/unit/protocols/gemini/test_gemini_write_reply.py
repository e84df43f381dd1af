"""Canonical answers and streams as a Gemini client gets them."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    Candidate,
    Citation,
    Data,
    Finish,
    Logprob,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Unknown,
    Url,
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
from nexusflow.protocols.gemini import write_reply
from nexusflow.protocols.gemini.tables import FINISH
from nexusflow.protocols.gemini.write_stream import StreamWriter
from tests.support.generate import RESPONSE_ID, asked, sent

CLAUDE = Opaque("anthropic/messages", "claude", "sig")
USAGE = Usage(input_text=3, output_text=2)


def whole(*candidates: Candidate, thoughts: bool = False, **more: Any) -> dict[str, Any]:
    found = ChatReply(origin="anthropic/messages", candidates=candidates, usage=USAGE, **more)
    answer: dict[str, Any] = json.loads(write_reply.write(found, asked(thoughts=thoughts), Losses()))
    return answer


def one(*parts: Part, reason: Any = "end", **more: Any) -> Candidate:
    return Candidate(parts=parts, finish=Finish(reason=reason, **more))


def pieces(*parts: Part, choice: int = 0) -> list[Event]:
    """The events of these parts, each text in two halves."""
    events: list[Event] = []
    for index, part in enumerate(parts):
        text = getattr(part, "arguments", None) or getattr(part, "text", "")
        empty: Part = part
        signature = None
        match part:
            case Text(signature=signature):
                empty = Text(text="")
            case Thinking(signature=signature, redacted=redacted):
                empty = Thinking(text="", redacted=redacted, signature=signature if redacted else None)
            case Refusal():
                empty = Refusal("")
            case ToolCall(signature=signature):
                empty = ToolCall(id=part.id, name=part.name, arguments="", signature=signature, custom=part.custom)
        events.append(PartStarted(index, empty, choice))
        half = len(text) // 2
        events += [PartDelta(index, half_text, choice) for half_text in (text[:half], text[half:]) if half_text]
        events += [Cited(index, citation, choice) for citation in getattr(part, "citations", ())]
        events.append(PartEnded(index, choice, signature))
    return events


def stream(*parts: Part, reason: Any = "end", thoughts: bool = False, **more: Any) -> list[dict[str, Any]]:
    finish = Finished(Finish(reason=reason, **more))
    return sent([Started(), *pieces(*parts), finish, UsageSeen(USAGE), Done()], thoughts=thoughts)


def parts_of(frames: list[dict[str, Any]], choice: int = 0) -> list[dict[str, Any]]:
    found = [one for frame in frames for one in frame["candidates"] if one["index"] == choice]
    return [part for one in found for part in one["content"]["parts"]]


def test_T110_an_answer_names_the_public_model_and_our_id() -> None:
    answer = whole(one(Text(text="Hi")))
    assert answer == {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0, "finishReason": "STOP"}],
        "modelVersion": "public",
        "responseId": RESPONSE_ID,
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 2,
            "totalTokenCount": 5,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
        },
    }


def test_a_stream_ends_with_the_reason_and_the_usage() -> None:
    frames = stream(Text(text="Hello"))
    assert [part["text"] for part in parts_of(frames)] == ["He", "llo", ""]
    assert all(frame["modelVersion"] == "public" and frame["responseId"] == RESPONSE_ID for frame in frames)
    assert ["finishReason" in frame["candidates"][0] for frame in frames] == [False, False, True]
    assert ["usageMetadata" in frame for frame in frames] == [False, False, True]
    assert all(frame["candidates"][0]["content"]["role"] == "model" for frame in frames)


def test_thoughts_are_shown_only_to_who_asked() -> None:
    thought = Thinking(text="Hmm.")
    assert whole(one(thought, Text(text="x")), thoughts=True)["candidates"][0]["content"]["parts"] == [
        {"text": "Hmm.", "thought": True},
        {"text": "x"},
    ]
    assert whole(one(thought, Text(text="x")))["candidates"][0]["content"]["parts"] == [{"text": "x"}]
    shown = parts_of(stream(thought, Text(text="x"), thoughts=True))
    assert [(part["text"], part.get("thought")) for part in shown] == [
        ("Hm", True),
        ("m.", True),
        ("x", None),
        ("", None),
    ]
    assert [part["text"] for part in parts_of(stream(thought, Text(text="x")))] == ["x", ""]


def test_calls_are_written_whole() -> None:
    call = ToolCall(id="c1", name="f", arguments='{"n": 1.50}')
    written = write_reply.write(
        ChatReply(origin="openai/responses", candidates=(one(call, reason="tools"),)), asked(), Losses()
    )
    assert b'"args":{"n": 1.50}' in written
    (part, _) = parts_of(stream(call, ToolCall(id="c2", name="g", arguments="{}"), reason="tools"))[:2]
    assert part == {"functionCall": {"id": "c1", "name": "f", "args": {"n": 1.5}}}
    wrapped = ToolCall(id="c3", name="free", arguments="say it", custom=True)
    assert parts_of(stream(wrapped))[0]["functionCall"]["args"] == {"input": "say it"}
    assert stream(call, reason="tools")[-1]["candidates"][0]["finishReason"] == "STOP"


def test_arguments_that_are_no_object_are_a_failure() -> None:
    broken = ToolCall(id="c1", name="f", arguments='{"n":')
    for write in (lambda: whole(one(broken)), lambda: stream(broken)):
        with pytest.raises(RequestRefused) as refused:
            write()
        assert refused.value.problem.code == "upstream_malformed_tool_arguments"


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish(reason="end", raw="eos"), "STOP"),
        (Finish(reason="stop_sequence", raw="stop_sequence"), "STOP"),
        (Finish(reason="tools", raw="tool_use"), "STOP"),
        (Finish(reason="pause", raw="pause_turn"), "STOP"),
        (Finish(reason="length", raw="max_tokens"), "MAX_TOKENS"),
        (Finish(reason="context"), "MAX_TOKENS"),
        (Finish(reason="refusal"), "SAFETY"),
        (Finish(reason="filter", raw="content_filter"), "SAFETY"),
        (Finish(reason="filter", raw="RECITATION"), "RECITATION"),
        (Finish(reason="malformed", raw="MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
        (Finish(reason="pause", raw="CONTINUATION"), "CONTINUATION"),
    ],
)
def test_T32_a_client_meets_only_googles_reasons(finish: Finish, word: str) -> None:
    assert word in FINISH
    candidate = Candidate(parts=(Text(text="x"),), finish=finish)
    assert whole(candidate)["candidates"][0]["finishReason"] == word
    frames = sent([Started(), *pieces(Text(text="x")), Finished(finish), Done()])
    assert frames[-1]["candidates"][0]["finishReason"] == word


def test_another_vendors_failure_is_an_error() -> None:
    for reason in ("malformed", "empty"):
        finish = Finish(reason=reason, raw="network_error")  # type: ignore[arg-type]
        with pytest.raises(RequestRefused) as refused:
            whole(Candidate(parts=(), finish=finish))
        assert refused.value.problem.code == "upstream_empty:network_error"
        writer = StreamWriter(asked())
        with pytest.raises(RequestRefused):
            writer.feed(Finished(finish))


def test_a_refusal_is_text_and_an_explanation() -> None:
    answer = whole(one(Refusal("I will not."), reason="refusal"))["candidates"][0]
    assert answer["content"]["parts"] == [{"text": "I will not."}]
    assert (answer["finishReason"], answer["finishMessage"]) == ("SAFETY", "I will not.")
    last = stream(Refusal("I will not."), reason="refusal")[-1]["candidates"][0]
    assert (last["finishReason"], last["finishMessage"]) == ("SAFETY", "I will not.")


def test_pictures_are_inline_data_or_an_address() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="))
    linked = Media(kind="image", source=Url("https://x.example/a.png", "image/png"))
    expected = [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"fileData": {"fileUri": "https://x.example/a.png", "mimeType": "image/png"}},
    ]
    assert whole(one(image, linked))["candidates"][0]["content"]["parts"] == expected
    assert parts_of(stream(image, linked))[:2] == expected


CITED = Text(
    text="née Curie",
    citations=(
        Citation(url="https://a.example", title="A", start=0, end=3),
        Citation(url="https://b.example", start=0, end=3),
        Citation(url="https://b.example"),
    ),
)


def test_characters_become_byte_offsets() -> None:
    expected = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 7, "endIndex": 11, "text": "née"}, "groundingChunkIndices": [0, 1]}
        ],
    }
    frames = stream(Text(text="Marie, "), CITED)
    assert frames[-1]["candidates"][0]["groundingMetadata"] == expected
    segment = expected["groundingSupports"][0]["segment"]
    segment.update(startIndex=0, endIndex=4, partIndex=1)  # type: ignore[attr-defined]
    answer = whole(one(Text(text="Marie, "), CITED))["candidates"][0]
    assert answer["groundingMetadata"] == expected


def test_log_probabilities() -> None:
    top = (Logprob(token="a", logprob=-0.5), Logprob(token="b", logprob=-1.5))
    tokens = (Logprob(token="a", logprob=-0.5, top=top),)
    expected = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -1.5}]}
        ],
    }
    candidate = Candidate(parts=(Text(text="a"),), finish=Finish(reason="end"), logprobs=tokens)
    found = whole(candidate)["candidates"][0]
    assert (found["logprobsResult"], found["avgLogprobs"]) == (expected, -0.5)
    delta = PartDelta(0, "a", logprobs=tokens)
    events = [Started(), PartStarted(0, Text(text="")), delta, PartEnded(0), Finished(Finish(reason="end")), Done()]
    assert sent(events)[-1]["candidates"][0]["logprobsResult"] == expected


def test_T10_candidates_alternate_under_their_numbers() -> None:
    left, right = pieces(Text(text="ab")), pieces(Text(text="xy"), choice=1)
    mixed = [event for pair in zip(left, right, strict=True) for event in pair]
    ends = [Finished(Finish(reason="end")), Finished(Finish(reason="length"), 1), Done()]
    frames = sent([Started(), *mixed, *ends])
    assert "".join(part["text"] for part in parts_of(frames)) == "ab"
    assert "".join(part["text"] for part in parts_of(frames, 1)) == "xy"
    assert [(one["index"], one["finishReason"]) for one in frames[-1]["candidates"]] == [(0, "STOP"), (1, "MAX_TOKENS")]
    answer = whole(one(Text(text="ab")), one(Text(text="xy"), reason="length"))
    assert [one["index"] for one in answer["candidates"]] == [0, 1]


def test_another_vendors_block_rides_as_metadata_and_googles_own_is_itself() -> None:
    raw = Raw(b'{"type":"server_tool_use","id":"x"}')
    foreign = Unknown(origin="anthropic/messages", type="server_tool_use", raw=raw)
    own = Unknown(origin="google/generate-content", type="executableCode", raw=Raw(b'{"executableCode":{"code":"1"}}'))
    expected_own = {"executableCode": {"code": "1"}}
    for parts in (whole(one(foreign, own))["candidates"][0]["content"]["parts"], parts_of(stream(foreign, own))):
        assert parts[0]["text"] == ""
        assert parts[0]["partMetadata"]["nexusflow"]["raw"] == json.loads(bytes(raw))
        assert parts[1] == expected_own


def test_T102_a_failure_is_an_error_frame() -> None:
    frames = sent([Started(), *pieces(Text(text="ab")), Failed(Problem(kind=Kind.UPSTREAM, message="It broke."))])
    assert list(frames[-1]) == ["error"]
    assert frames[-1]["error"]["code"] == 502
    assert not any("finishReason" in one for frame in frames[:-1] for one in frame["candidates"])


def test_googles_extras_return_to_its_own_clients_only() -> None:
    ext = {"continuationToken": Raw(b'"dA=="'), "other": Raw(b"1")}
    candidate = Candidate(parts=(Text(text="x"),), finish=Finish(reason="pause", raw="CONTINUATION"), ext=ext)
    assert "continuationToken" not in whole(candidate)["candidates"][0]
    frames = sent([Started(), *pieces(Text(text="x")), Finished(Finish(reason="end")), Done(ext=ext)])
    assert frames[-1]["candidates"][0]["continuationToken"] == "dA=="
    assert "other" not in frames[-1]["candidates"][0]
