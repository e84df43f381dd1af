"""The identity lane's answers: forwarded under the public name, and judged at their end."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.gemini import identity_reply
from nexusflow.protocols.gemini.identity_stream import IdentityStream
from tests.support.generate import answer, candidate, frames, unframed

PUBLIC = Raw(b'"public"')
TEXT = answer(candidate("Hel", finish=None), usageMetadata={"promptTokenCount": 3, "totalTokenCount": 3})
LAST = answer(
    candidate("lo"),
    usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
)


def passed(*pieces: bytes) -> tuple[IdentityStream, bytes]:
    stream = IdentityStream(PUBLIC)
    out = b"".join(stream.feed(piece) for piece in pieces)
    return stream, out + stream.close()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_T13_T110_any_cut_gives_the_same_frames_under_the_public_name(size: int) -> None:
    body = frames(TEXT, LAST)
    stream, out = passed(*[body[at : at + size] for at in range(0, len(body), size)])
    assert unframed(out) == [{**TEXT, "modelVersion": "public"}, {**LAST, "modelVersion": "public"}]
    assert (stream.done, stream.problem, stream.meaningful) == (True, None, True)


def test_bytes_pass_unchanged_but_for_the_name() -> None:
    for spelled in (b'"modelVersion": "up"', b'"modelVersion":"up"'):
        piece = (
            b'data: {"candidates" : [{"content":{"parts":[{"text":"\\u00e9"}]},"finishReason":"STOP"}], %s }\r\n\r\n'
        )
        stream, out = passed(piece % spelled)
        assert out == piece % spelled.replace(b'"up"', b'"public"')
        assert stream.done


def test_a_name_in_the_models_own_words_is_not_touched() -> None:
    call = {"functionCall": {"name": "f", "args": {"modelVersion": "gemini-upstream"}}}
    stream, out = passed(frames(answer(candidate(call, 'say "modelVersion": "gemini-upstream"'))))
    assert unframed(out) == [
        {**answer(candidate(call, 'say "modelVersion": "gemini-upstream"')), "modelVersion": "public"}
    ]
    assert stream.done


def test_a_like_name_in_another_spelling_is_not_touched() -> None:
    args = b'"functionCall":{"name":"f","args":{"modelVersion":"up"}}'
    frame = b'data: {"candidates":[{"content":{"parts":[{%s}]},"finishReason":"STOP"}], "modelVersion": "up"}\r\n\r\n'
    _, out = passed(frame % args)
    (found,) = unframed(out)
    assert args in out
    assert found["modelVersion"] == "public"


def test_only_data_lines_reach_the_client() -> None:
    """Comments, names, ids and `[DONE]` break Google's own SDKs (protocols 0.3)."""
    data = json.dumps(LAST).encode()
    stream, out = passed(b": hi\n\nevent: x\nid: 1\ndata:" + data + b"\n\ndata: [DONE]\n\n")
    assert unframed(out) == [{**LAST, "modelVersion": "public"}]
    assert stream.done


def test_an_upstream_that_sends_an_array_is_read_all_the_same() -> None:
    body = json.dumps([TEXT, LAST], indent=2).encode()
    for size in (1, 13, 10_000):
        stream, out = passed(*[body[at : at + size] for at in range(0, len(body), size)])
        assert unframed(out) == [{**TEXT, "modelVersion": "public"}, {**LAST, "modelVersion": "public"}]
        assert stream.done


@pytest.mark.parametrize(
    "pieces",
    [
        [frames(TEXT)],
        [frames(TEXT), b'data: {"candidates":[{"finishReason":"ST'],
        [frames(answer(candidate("a", index=0), candidate("b", index=1, finish=None)))],
    ],
)
def test_T102_an_end_without_a_reason_for_every_candidate_is_a_failure(pieces: list[bytes]) -> None:
    stream, _ = passed(*pieces)
    assert not stream.done
    assert stream.problem is not None
    assert stream.problem.kind is Kind.UPSTREAM


@pytest.mark.parametrize("body", [b"", b"\r\n\r\n", frames({"usageMetadata": {"promptTokenCount": 1}})])
def test_T29_a_stream_of_nothing_is_a_failure(body: bytes) -> None:
    stream, _ = passed(body)
    assert stream.problem is not None
    assert not stream.meaningful


def test_T103_an_error_in_the_stream_keeps_its_class_and_what_came_before() -> None:
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    stream, out = passed(frames(TEXT, error))
    assert unframed(out) == [{**TEXT, "modelVersion": "public"}]
    assert stream.problem is not None
    assert stream.problem.kind is Kind.RATE


def test_a_blocked_prompt_is_an_answer() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-upstream"}
    stream, out = passed(frames(blocked))
    assert stream.done
    assert unframed(out) == [{**blocked, "modelVersion": "public"}]


def test_a_frame_of_odd_types_is_the_clients_to_judge_and_broken_json_is_not() -> None:
    odd = {"candidates": {"0": "new"}, "modelVersion": "x"}
    stream, out = passed(frames(odd, LAST))
    assert unframed(out)[0] == {**odd, "modelVersion": "public"}
    assert stream.done
    stream, out = passed(frames(TEXT), b"data: {nope}\r\n\r\n", frames(LAST))
    assert stream.problem is not None
    assert len(unframed(out)) == 1


def test_T42_usage_is_the_last_told_and_not_a_sum() -> None:
    late = {"candidates": [], "usageMetadata": {"trafficType": "ON_DEMAND"}}
    stream, _ = passed(frames(TEXT, LAST, late))
    usage = stream.usage()
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (3, 2)


def test_T50_searches_are_charged_and_their_tokens_are_not() -> None:
    grounded = candidate("x", groundingMetadata={"webSearchQueries": ["a", "b"]})
    told = {"promptTokenCount": 3, "toolUsePromptTokenCount": 90, "candidatesTokenCount": 1, "totalTokenCount": 94}
    stream, _ = passed(frames(answer(grounded, usageMetadata=told), answer(candidate("", groundingMetadata={}))))
    usage = stream.usage()
    assert usage is not None
    assert (usage.tool_input, usage.n_grounding, usage.total_input) == (0, 2, 3)
    assert identity_reply.usage(json.dumps(answer(grounded, usageMetadata=told)).encode()) == usage


def test_a_whole_answer_changes_only_its_name() -> None:
    body = b'{ "candidates": [{"finishReason":"STOP"}], "modelVersion" : "up", "x": 1.50 }'
    assert identity_reply.relabel(body, PUBLIC) == (
        b'{"candidates":[{"finishReason":"STOP"}],"modelVersion":"public","x":1.50}'
    )
    same = b'{ "candidates": [{"finishReason":"STOP"}], "modelVersion":"public" }'
    assert identity_reply.relabel(same, PUBLIC) is same


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.UPSTREAM),
        (b'{"candidates":3}', Kind.UPSTREAM),
        (b'{"candidates":[]}', Kind.UPSTREAM),
        (b'{"candidates":[{"content":{"parts":[]}}]}', Kind.UPSTREAM),
        (b'{"error":{"code":400,"message":"bad"}}', Kind.PARAM),
        (b'{"error":{"status":"UNAVAILABLE"}}', Kind.BUSY),
    ],
)
def test_T106_an_answer_that_is_none_is_refused(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as refused:
        identity_reply.relabel(body, PUBLIC)
    assert refused.value.problem.kind is kind


def test_a_blocked_prompt_without_candidates_passes() -> None:
    body: Any = json.dumps({"promptFeedback": {"blockReason": "SAFETY"}}).encode()
    assert identity_reply.relabel(body, PUBLIC) == body
