"""Usage of Chat Completions, read in every dialect and written back (protocols 4.2, 4.3), and taken from the identity
lane without touching it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import identity_reply, usage
from nexusflow.protocols.openai_chat.identity_stream import IdentityStream
from tests.support.chat import DONE, chunk


def wire(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def test_T33_cached_tokens_are_within_the_prompt() -> None:
    found = usage.read(wire(100, 5, prompt_tokens_details={"cached_tokens": 60}))
    assert (found.input_text, found.cache_read_text, found.total_input) == (40, 60, 100)


def test_T43_text_tokens_that_include_the_cached_are_not_counted_again() -> None:
    details = {"cached_tokens": 60, "text_tokens": 100, "audio_tokens": 0, "image_tokens": 0}
    assert usage.read(wire(100, 5, prompt_tokens_details=details)).total_input == 100


def test_T45_absent_stays_absent_and_null_is_no_crash() -> None:
    found = usage.read(wire(3, 4, prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None}))
    assert found.cache_read_text is None
    assert found.output_reasoning is None
    assert usage.write(found) == wire(3, 4)


@pytest.mark.parametrize("dialect", [{"prompt_cache_hit_tokens": 60}, {"cached_tokens": 60}, {"num_cached_tokens": 60}])
def test_cache_hits_at_the_top(dialect: dict[str, int]) -> None:
    assert usage.read(wire(100, 5, **dialect)).cache_read_text == 60


def test_media_and_writes_are_apart() -> None:
    details = {"cached_tokens": 10, "cache_write_tokens": 20, "audio_tokens": 5, "image_tokens": 500}
    found = usage.read(wire(100, 5, prompt_tokens_details=details))
    assert (found.input_audio, found.input_image, found.input_text) == (5, 65, 0)
    assert found.cache_write_30m == 20
    assert found.total_input == 100


def test_more_cached_than_asked_is_flagged() -> None:
    found = usage.read(wire(100, 5, prompt_tokens_details={"cached_tokens": 70, "cache_write_tokens": 70}))
    assert found.inconsistent
    assert found.input_text == 0


def test_reasoning_beside_the_completion() -> None:
    """xAI counts it only in the total, Google's compatible endpoint nowhere else, others in no sum at all."""
    beside = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241}
    told = usage.read(beside | {"completion_tokens_details": {"reasoning_tokens": 228}})
    assert (told.output_text, told.output_reasoning, told.inconsistent) == (1, 228, False)
    less = wire(10, 350, completion_tokens_details={"reasoning_tokens": 300}) | {"total_tokens": 660}
    assert usage.read(less).total_output == 650
    untold = usage.read(beside)
    assert (untold.output_text, untold.output_reasoning, untold.inconsistent) == (1, 228, True)
    unsummed = usage.read(wire(9, 2, completion_tokens_details={"reasoning_tokens": 25}))
    assert (unsummed.output_text, unsummed.output_reasoning, unsummed.inconsistent) == (2, 25, True)


def test_T40_reasoning_is_written_within_the_completion() -> None:
    written = usage.write(Usage(output_text=3, output_reasoning=7))
    assert written["completion_tokens"] == 10
    assert written["completion_tokens_details"] == {"reasoning_tokens": 7}


def test_what_is_no_usage_says_nothing() -> None:
    assert usage.read(b'"x"').total == 0
    assert usage.read({"prompt_tokens": "many"}).total == 0


COUNTS = st.integers(0, 10_000)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_consistent_record_is_written_as_it_was_read(
    text: int, audio: int, reads: int, writes: int, said: int, thought: int, spoken: int
) -> None:
    given = wire(
        text + audio + reads + writes,
        said + thought + spoken + 1,
        prompt_tokens_details={"cached_tokens": reads, "cache_write_tokens": writes, "audio_tokens": audio},
        completion_tokens_details={
            "reasoning_tokens": thought,
            "audio_tokens": spoken,
            "accepted_prediction_tokens": 0,
        },
    )
    found = usage.read(given)
    assert usage.write(found) == given
    assert not found.inconsistent


def tapped(stream: bytes, size: int | None = None) -> Usage | None:
    tap = IdentityStream(Raw(b'"public"'), hide_usage=True)
    for at in range(0, len(stream), size or len(stream)):
        tap.feed(stream[at : at + (size or len(stream))])
    tap.close()
    return tap.usage()


LAST = b'data: {"choices":[],"service_tier":"flex","usage":' + json.dumps(wire(5, 2)).encode() + b"}\n\n"


@pytest.mark.parametrize("size", [None, 9])
@pytest.mark.parametrize(
    "ending",
    [
        chunk(finish="stop") + LAST,
        chunk(finish="stop", usage=wire(5, 2)),
        chunk(finish="stop", x_groq={"usage": wire(5, 2)}),
        chunk(finish="stop", usage=wire(5, 2)) + chunk(finish="stop", usage=wire(0, 0)),
    ],
    ids=["apart", "on the finish", "groq", "T49 zeros after"],
)
def test_T47_the_identity_lane_knows_the_usage(ending: bytes, size: int | None) -> None:
    found = tapped(chunk({"content": "a"}, usage=None) + ending + DONE, size)
    assert found is not None
    assert found.total == 7


def test_the_identity_lane_knows_the_tier_and_the_providers_own_words() -> None:
    found = tapped(chunk({"content": "a"}) + chunk(finish="stop") + LAST + DONE)
    assert found is not None
    assert found.tier == "flex"
    assert isinstance(found.raw, Raw)
    assert json.loads(bytes(found.raw)) == wire(5, 2)


def test_T48_a_stream_that_is_cut_off_has_used_what_it_last_said() -> None:
    found = tapped(chunk({"content": "a"}, usage=wire(5, 1)) + chunk({"content": "b"}, usage=wire(5, 2)))
    assert found is not None
    assert found.total == 7
    zeroed = tapped(chunk({"content": "a"}, usage=wire(5, 2)) + chunk({"content": "b"}, usage=wire(0, 0)))
    assert zeroed == found


def test_a_stream_without_usage_has_none() -> None:
    assert tapped(chunk({"content": "a"}) + chunk(finish="stop") + DONE) is None


def test_a_whole_answer_on_the_identity_lane() -> None:
    body = {"choices": [{"message": {}}], "service_tier": "priority", "usage": wire(5, 2)}
    found = identity_reply.usage(json.dumps(body).encode())
    assert found is not None
    assert (found.total, found.tier) == (7, "priority")
    assert identity_reply.usage(b'{"choices":[]}') is None
    assert identity_reply.usage(b"oops") is None
