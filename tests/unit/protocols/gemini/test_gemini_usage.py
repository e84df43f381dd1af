"""Usage: disjoint classes from Google's counts, and back (protocols 4.2, 4.3)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import usage


def split(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]


def test_classes_are_disjoint_by_modality() -> None:
    found = usage.read(
        {
            "promptTokenCount": 328,
            "cachedContentTokenCount": 220,
            "candidatesTokenCount": 1336,
            "toolUsePromptTokenCount": 7,
            "thoughtsTokenCount": 9,
            "totalTokenCount": 1680,
            "promptTokensDetails": split(TEXT=70, DOCUMENT=158, IMAGE=100),
            "cacheTokensDetails": split(TEXT=47, DOCUMENT=123, IMAGE=50),
            "candidatesTokensDetails": split(IMAGE=1290),
        }
    )
    assert (found.input_text, found.input_image) == (58, 50)
    assert (found.cache_read_text, found.cache_read_image) == (170, 50)
    assert (found.tool_input, found.output_reasoning) == (7, 9)
    assert (found.output_text, found.output_image) == (46, 1290)
    assert (found.total, found.inconsistent) == (1680, False)


def test_T40_thoughts_stand_beside_the_candidates() -> None:
    told = {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 7, "totalTokenCount": 15}
    found = usage.read(told)
    assert (found.output_text, found.output_reasoning, found.total_output) == (3, 7, 10)


def test_T41_candidates_that_include_thoughts_are_not_counted_twice() -> None:
    told = {
        "promptTokenCount": 5,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 7,
        "toolUsePromptTokenCount": 1,
        "totalTokenCount": 16,
    }
    found = usage.read(told)
    assert (found.output_text, found.output_reasoning, found.total) == (3, 7, 16)
    assert not found.inconsistent


def test_a_total_that_is_more_than_its_parts_is_thought_and_flagged() -> None:
    found = usage.read({"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 20})
    assert (found.output_reasoning, found.total, found.inconsistent) == (12, 20, True)


def test_a_split_that_is_more_than_its_whole_is_clipped_and_flagged() -> None:
    found = usage.read({"promptTokenCount": 5, "cachedContentTokenCount": 9, "totalTokenCount": 5})
    assert (found.input_text, found.cache_read_text, found.inconsistent) == (0, 9, True)


def test_T50_a_search_is_charged_and_what_it_fed_in_is_not() -> None:
    told = {"promptTokenCount": 5, "toolUsePromptTokenCount": 90, "candidatesTokenCount": 3, "totalTokenCount": 98}
    assert usage.read(told).total_input == 95
    searched = usage.read(told, queries=2)
    assert (searched.total_input, searched.tool_input, searched.n_grounding) == (5, 0, 2)
    mapped = usage.read(told, queries=0, maps=True)
    assert (mapped.total_input, mapped.n_maps) == (5, 1)
    assert usage.read(told, queries=0).tool_input == 90


def test_T45_what_was_not_told_stays_unknown() -> None:
    found = usage.read({"promptTokenCount": 5})
    assert (found.output_text, found.cache_read_text, found.output_reasoning, found.tool_input) == (None,) * 4
    assert usage.reported(b'{"usageMetadata":{"trafficType":"ON_DEMAND"}}', queries=None, maps=False) is None
    assert usage.reported(b'{"usageMetadata":{"promptTokenCount":"x"}}', queries=None, maps=False) is None


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"serviceTier": "priority", "trafficType": "ON_DEMAND"}, "priority"),
        ({"trafficType": "NEW"}, None),
        ({}, None),
    ],
)
def test_the_tier_is_the_one_reported(told: dict[str, Any], tier: str | None) -> None:
    assert usage.read({"promptTokenCount": 1, **told}).tier == tier


def test_what_other_protocols_count_is_folded_in() -> None:
    """Writes to a cache are input for a client that knows none; nothing is lost from the total."""
    record = Usage(input_text=10, cache_read_text=5, cache_write_5m=3, output_text=2, output_reasoning=4)
    assert usage.write(record) == {
        "promptTokenCount": 18,
        "cachedContentTokenCount": 5,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 24,
        "promptTokensDetails": split(TEXT=18),
        "cacheTokensDetails": split(TEXT=5),
    }


tokens = st.integers(0, 10_000)


@given(
    st.tuples(tokens, tokens, tokens, tokens),
    st.tuples(tokens, tokens, tokens, tokens),
    st.tuples(tokens, tokens, tokens),
    tokens,
    tokens,
    st.sampled_from(["ON_DEMAND", "ON_DEMAND_FLEX", "PROVISIONED_THROUGHPUT", None]),
)
def test_a_consistent_object_comes_back_as_it_was(
    fresh: tuple[int, ...], cached: tuple[int, ...], said: tuple[int, ...], thoughts: int, tool: int, tier: str | None
) -> None:
    names = ("TEXT", "IMAGE", "VIDEO", "AUDIO")
    prompt = {name: a + b for name, a, b in zip(names, fresh, cached, strict=True)}
    text, image, audio = said
    told: dict[str, Any] = {"promptTokenCount": sum(prompt.values()), "candidatesTokenCount": sum(said)}
    if sum(cached):
        told["cachedContentTokenCount"] = sum(cached)
        told["cacheTokensDetails"] = split(**dict(zip(names, cached, strict=True)))
    if tool:
        told["toolUsePromptTokenCount"] = tool
    if thoughts:
        told["thoughtsTokenCount"] = thoughts
    told["totalTokenCount"] = sum(prompt.values()) + sum(said) + thoughts + tool
    if any(prompt.values()):
        told["promptTokensDetails"] = split(**prompt)
    if image or audio:
        told["candidatesTokensDetails"] = split(TEXT=text, IMAGE=image, AUDIO=audio)
    if tier:
        told["trafficType"] = tier
    record = usage.read(told)
    assert usage.write(record) == told
    again = usage.read(usage.write(record))
    assert msgspec.structs.replace(again, raw=msgspec.UNSET) == msgspec.structs.replace(record, raw=msgspec.UNSET)
