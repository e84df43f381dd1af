"""A Gemini provider's stream and whole answers as canonical values."""

import json
from typing import Any

import pytest

from nexusflow.ir.chat import Data, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall, Unknown
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
from nexusflow.protocols.gemini import read_reply
from nexusflow.protocols.gemini.read_stream import StreamReader
from nexusflow.protocols.gemini.tables import ORIGIN
from tests.support.generate import answer, candidate, destination, events, frames, reply, streamed

PNG = "iVBORw0KGgo="


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, **more}
    if args is not None:
        found["args"] = args
    return {"functionCall": found}


def parts(found: list[Event], choice: int = 0) -> list[tuple[Part, str, Opaque | None]]:
    """Each part as it started, all that came of it, and the signature at its end."""
    texts: dict[int, str] = {}
    started: list[Part] = []
    ended: dict[int, Opaque | None] = {}
    for event in found:
        if isinstance(event, PartStarted) and event.choice == choice:
            started.append(event.part)
        elif isinstance(event, PartDelta) and event.choice == choice:
            texts[event.index] = texts.get(event.index, "") + event.text
        elif isinstance(event, PartEnded) and event.choice == choice:
            ended[event.index] = event.signature
    return [(part, texts.get(at, ""), ended[at]) for at, part in enumerate(started)]


def calls(found: list[Event]) -> list[tuple[str, str]]:
    return [(part.name, text) for part, text, _ in parts(found) if isinstance(part, ToolCall)]


def reasons(found: list[Event]) -> list[str]:
    return [event.finish.reason for event in found if isinstance(event, Finished)]


def signature(payload: str) -> Opaque:
    return Opaque(ORIGIN, "gemini", payload)


def test_T24_text_after_thoughts_is_not_lost() -> None:
    found = streamed(
        answer(candidate({"text": "Hm", "thought": True}, finish=None)),
        answer(candidate({"text": "m.", "thought": True}, "Yes", finish=None)),
        answer(candidate(", sir.")),
    )
    assert [(type(part), text) for part, text, _ in parts(found)] == [(Thinking, "Hmm."), (Text, "Yes, sir.")]
    assert isinstance(found[0], Started)
    assert (found[0].id, found[0].model) == ("r1", "gemini-upstream")
    assert reasons(found) == ["end"]
    assert isinstance(found[-1], Done)


def test_T08_calls_in_frames_of_their_own_are_parts_in_order_with_stable_ids() -> None:
    pieces = [answer(candidate(call(name, {"n": n}), finish=None)) for n, name in enumerate("abc")]
    found = streamed(*pieces, answer(candidate("")))
    assert calls(found) == [("a", '{"n":0}'), ("b", '{"n":1}'), ("c", '{"n":2}')]
    made = [part.id for part, _, _ in parts(found) if isinstance(part, ToolCall)]
    assert len(set(made)) == 3
    assert made == [
        part.id for part, _, _ in parts(streamed(*pieces, answer(candidate("")))) if isinstance(part, ToolCall)
    ]
    assert reasons(found) == ["tools"]


def test_T09_a_call_told_again_is_one_call() -> None:
    found = streamed(
        answer(candidate(call("a", {"n": 1}, id="i1"), finish=None)),
        answer(candidate(call("a", {"n": 1}, id="i1"), call("a", {"n": 2}, id="i2"))),
    )
    assert calls(found) == [("a", '{"n":1}'), ("a", '{"n":2}')]


def test_T09_arguments_in_pieces_are_put_together() -> None:
    """Vertex names a call once, then sends its arguments by path, and ends it with an empty piece."""

    def piece(path: str, more: bool = False, **value: Any) -> dict[str, Any]:
        partial = {"jsonPath": path, **value, **({"willContinue": True} if more else {})}
        return candidate({"functionCall": {"partialArgs": [partial], "willContinue": True}}, finish=None)

    found = streamed(
        answer(candidate({**call("cook", willContinue=True), "thoughtSignature": "c2ln"}, finish=None)),
        answer(piece("$.steps[0].name", more=True, stringValue="Bo")),
        answer(piece("$.steps[0].name", more=True, stringValue="il")),
        answer(piece("$.steps[0].name", stringValue="")),
        answer(piece("$.steps[1]['odd key']", numberValue=2.0)),
        answer(piece("$.hot", boolValue=True)),
        answer(piece("$.none", nullValue="NULL_VALUE")),
        answer(candidate(call("next", {}), finish=None)),
        answer(candidate({"functionCall": {}})),
    )
    assert calls(found) == [
        ("cook", '{"steps":[{"name":"Boil"},{"odd key":2}],"hot":true,"none":null}'),
        ("next", "{}"),
    ]
    first = next(part for part, _, _ in parts(found) if isinstance(part, ToolCall))
    assert first.signature == signature("c2ln")
    assert reasons(found) == ["tools"]


@pytest.mark.parametrize("path", ["$.a[99]", "$", "a", "$.a..b", "$[0]", "$.a[0]x"])
def test_a_path_that_leads_nowhere_is_a_failure(path: str) -> None:
    partial = {"partialArgs": [{"jsonPath": path, "stringValue": "x"}], "willContinue": True}
    found = streamed(answer(candidate({"functionCall": {"name": "f", **partial}}, finish=None)))
    assert isinstance(found[-1], Failed)


def test_a_call_cut_by_the_limit_is_no_call_to_make() -> None:
    found = streamed(answer(candidate(call("f", willContinue=True), finish="MAX_TOKENS")))
    assert reasons(found) == ["length"]


def test_T26_a_call_is_a_call_though_google_says_stop() -> None:
    assert reply(candidate(call("f", {}))).candidates[0].finish.reason == "tools"
    assert reasons(streamed(answer(candidate(call("f", {}), finish=None)), answer(candidate("")))) == ["tools"]


@pytest.mark.parametrize(
    ("word", "content", "reason"),
    [
        ("STOP", "x", "end"),
        ("MAX_TOKENS", "x", "length"),
        ("MAX_TOKENS", None, "length"),
        ("SAFETY", None, "filter"),
        ("RECITATION", "x", "filter"),
        ("MALFORMED_FUNCTION_CALL", None, "malformed"),
        ("UNEXPECTED_TOOL_CALL", "x", "malformed"),
        ("NO_IMAGE", None, "empty"),
        ("OTHER", None, "empty"),
        ("OTHER", "x", "end"),
        ("CONTINUATION", "x", "pause"),
        ("NEVER_SEEN", "x", "end"),
    ],
)
def test_T27_T28_T29_reasons(word: str, content: str | None, reason: str) -> None:
    one = candidate(*([content] if content else []), finish=word, finishMessage="because")
    finish = reply(one).candidates[0].finish
    assert (finish.reason, finish.raw, finish.text) == (reason, word, "because")
    assert reasons(streamed(answer(one))) == [reason]


def test_T28_a_malformed_call_stays_one_though_parts_of_it_came() -> None:
    assert reply(candidate(call("f", {}), finish="UNEXPECTED_TOOL_CALL")).candidates[0].finish.reason == "malformed"


def test_T20_a_picture_in_a_stream_is_a_part() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    found = streamed(answer(candidate("Look:", image, finish=None)), answer(candidate(" nice")))
    assert [part for part, _, _ in parts(found)] == [
        Text(text=""),
        Media(kind="image", source=Data("image/png", PNG)),
        Text(text=""),
    ]
    draft = {**image, "thought": True}
    assert reply(candidate(draft, "x")).candidates[0].parts == (Text(text="x"),)


def test_T25_signatures_stay_whole_apart_and_in_order() -> None:
    found = streamed(
        answer(candidate("a", finish=None)),
        answer(candidate({"text": "b", "thoughtSignature": "c2lnMQ=="}, finish=None)),
        answer(candidate({"text": "", "thoughtSignature": "c2lnMg=="}, finish=None)),
        answer(candidate("c", finish=None)),
        answer(candidate({"text": "", "thoughtSignature": "c2lnMw=="})),
    )
    assert [(text, mark and mark.payload) for _, text, mark in parts(found)] == [
        ("ab", "c2lnMQ=="),
        ("", "c2lnMg=="),
        ("c", "c2lnMw=="),
    ]


def test_T88_the_signature_of_an_answer_without_calls_survives() -> None:
    said = reply(candidate({"text": "x", "thoughtSignature": "c2ln"})).candidates[0].parts
    assert said == (Text(text="x", signature=signature("c2ln")),)
    alone = reply(candidate("x", {"thoughtSignature": "c2ln"})).candidates[0].parts
    assert alone == (Text(text="x", signature=signature("c2ln")),)


def test_T86_the_signature_of_a_call_is_its_own() -> None:
    said = reply(candidate({**call("f", {}), "thoughtSignature": "c2ln"}, call("g", {}))).candidates[0].parts
    assert [part.signature for part in said if isinstance(part, ToolCall)] == [signature("c2ln"), None]


def test_what_only_google_has_is_kept_whole() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
    found = streamed(answer(candidate("a", code, ran, "b")))
    kept = [part for part, _, _ in parts(found) if isinstance(part, Unknown)]
    assert [(part.type, json.loads(bytes(part.raw))) for part in kept] == [
        ("executableCode", code),
        ("codeExecutionResult", ran),
    ]


def test_googles_own_name_space_is_taken_off_a_call() -> None:
    said = reply(candidate(call("default_api.f", {}), call("default_api:g", {}))).candidates[0].parts
    assert [part.name for part in said if isinstance(part, ToolCall)] == ["f", "g"]


def test_T10_candidates_keep_their_numbers_though_they_alternate() -> None:
    found = streamed(
        answer(candidate("a", finish=None, index=0), candidate("x", finish=None, index=1)),
        answer(candidate("y", index=1)),
        answer(candidate("b", index=0)),
    )
    assert [text for _, text, _ in parts(found, 0)] == ["ab"]
    assert [text for _, text, _ in parts(found, 1)] == ["xy"]
    assert [event.choice for event in found if isinstance(event, Finished)] == [0, 1]


def test_T42_T49_usage_is_told_once_and_is_the_last_that_counts() -> None:
    found = streamed(
        answer(candidate("a", finish=None), usageMetadata={"promptTokenCount": 3, "totalTokenCount": 3}),
        answer(
            candidate("b"),
            usageMetadata={
                "promptTokenCount": 3,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 4,
                "totalTokenCount": 9,
            },
        ),
        answer(usageMetadata={"trafficType": "ON_DEMAND"}),
    )
    told = [event.usage for event in found if isinstance(event, UsageSeen)]
    assert [(one.total_input, one.output_text, one.output_reasoning) for one in told] == [(3, 2, 4)]


def test_a_blocked_prompt_is_a_refusal_that_names_its_reason() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Bad."}, "responseId": "r"}
    found = events(frames(blocked))
    assert [(type(part), text) for part, text, _ in parts(found)] == [(Refusal, "blocked: SAFETY")]
    assert reasons(found) == ["filter"]


LOGPROBS = {
    "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
    "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e", "logProbability": -1.5}]}],
}


def test_log_probabilities_come_with_their_text() -> None:
    found = reply(candidate("é", logprobsResult=LOGPROBS)).candidates[0].logprobs
    assert found is not None
    assert [(one.token, one.logprob, one.bytes) for one in found] == [("é", -0.5, (0xC3, 0xA9))]
    assert [(one.token, one.logprob) for one in found[0].top] == [("é", -0.5), ("e", -1.5)]


GROUNDING = {
    "webSearchQueries": ["q"],
    "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
    "groundingSupports": [
        {"segment": {"startIndex": 6, "endIndex": 12, "text": "schön"}, "groundingChunkIndices": [0, 1]},
        {"segment": {"endIndex": 5, "text": "Paris"}, "groundingChunkIndices": [1, 7]},
    ],
}


@pytest.mark.parametrize("streams", [False, True])
def test_byte_offsets_become_characters(streams: bool) -> None:
    text = "Paris schön é"
    if streams:
        found = streamed(
            answer(candidate("Paris sch", finish=None)), answer(candidate("ön é", groundingMetadata=GROUNDING))
        )
        cited = [event.citation for event in found if isinstance(event, Cited)]
    else:
        part = reply(candidate(text, groundingMetadata=GROUNDING)).candidates[0].parts[0]
        assert isinstance(part, Text)
        cited = list(part.citations)
    assert [(one.url, text[one.start : one.end]) for one in cited] == [
        ("https://a.example", "schön"),
        ("https://b.example", "schön"),
        ("https://b.example", "Paris"),
    ]


def test_a_segment_is_found_by_its_words_where_its_offsets_are_of_another_part() -> None:
    said = (
        reply(
            candidate(
                {"text": "Hm", "thought": True},
                "ab",
                groundingMetadata={
                    "groundingChunks": [{"retrievedContext": {"title": "Doc", "text": "a passage"}}],
                    "groundingSupports": [
                        {"segment": {"startIndex": 90, "endIndex": 91, "text": "b"}, "groundingChunkIndices": [0]}
                    ],
                },
            )
        )
        .candidates[0]
        .parts[1]
    )
    assert isinstance(said, Text)
    (cited,) = said.citations
    assert (cited.kind, cited.title, cited.cited_text, cited.start, cited.end) == ("document", "Doc", "a passage", 1, 2)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([frames(answer(candidate("a", finish=None)))], Kind.UPSTREAM),
        ([frames(answer(candidate("a", finish=None))), b'data: {"candid'], Kind.UPSTREAM),
        ([b"data: {nope}\r\n\r\n"], Kind.UPSTREAM),
        ([frames({"error": {"code": 429}, "candidates": []})], Kind.RATE),
        ([b""], Kind.UPSTREAM),
        ([frames(answer(candidate(call("f", [1]))))], Kind.UPSTREAM),
    ],
)
def test_T102_T103_what_breaks_is_one_failure(pieces: list[bytes], kind: Kind) -> None:
    last = events(*pieces)[-1]
    assert isinstance(last, Failed)
    assert last.problem.kind is kind


def test_after_the_end_nothing_follows() -> None:
    reader = StreamReader(destination())
    assert isinstance(reader.feed(frames({"error": {"code": 500}}))[-1], Failed)
    assert reader.feed(frames(answer(candidate("x")))) == []
    assert reader.close() == []


@pytest.mark.parametrize("form", ["array", "object", "done"])
def test_T13_whatever_the_framing(form: str) -> None:
    whole = [answer(candidate("a", finish=None)), answer(candidate("b"))]
    body = {
        "array": json.dumps(whole, indent=1).encode(),
        "object": json.dumps(answer(candidate("ab"))).encode(),
        "done": b": x\n\nevent: y\ndata:" + json.dumps(answer(candidate("ab"))).encode() + b"\n\ndata: [DONE]\n\n",
    }[form]
    for size in (1, 11, len(body)):
        found = events(*[body[at : at + size] for at in range(0, len(body), size)])
        assert [text for _, text, _ in parts(found)] == ["ab"]
        assert isinstance(found[-1], Done)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"candidates":[]}', b'{"candidates":[{}]}'])
def test_T29_an_answer_of_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_reply.read(body, destination())
    assert refused.value.problem.kind is Kind.UPSTREAM


def test_a_continuation_keeps_its_token() -> None:
    one = candidate("a", finish="CONTINUATION", continuationToken="dG9r")
    assert {name: bytes(raw) for name, raw in (reply(one).candidates[0].ext or {}).items()} == {
        "continuationToken": b'"dG9r"'
    }
    last = streamed(answer(one))[-1]
    assert isinstance(last, Done)
    assert last.ext is not None
