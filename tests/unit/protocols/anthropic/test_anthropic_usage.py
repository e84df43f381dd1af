"""Anthropic's usage object and the canonical record (protocols 4.2, 4.3)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import usage

COUNT = st.integers(0, 10**9)


@st.composite
def consistent(draw: st.DrawFn) -> dict[str, Any]:
    """A usage object whose parts add up."""
    found: dict[str, Any] = {"input_tokens": draw(COUNT), "output_tokens": draw(COUNT)}
    if draw(st.booleans()):
        found["cache_read_input_tokens"] = draw(COUNT)
    if draw(st.booleans()):
        found["cache_creation_input_tokens"] = draw(COUNT)
        if draw(st.booleans()):
            hours = draw(st.integers(0, found["cache_creation_input_tokens"]))
            minutes = found["cache_creation_input_tokens"] - hours
            found["cache_creation"] = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hours}
    if draw(st.booleans()):
        found["output_tokens_details"] = {"thinking_tokens": draw(st.integers(0, found["output_tokens"]))}
    if draw(st.booleans()):
        found["server_tool_use"] = {"web_search_requests": draw(COUNT), "web_fetch_requests": draw(COUNT)}
    if draw(st.booleans()):
        found["service_tier"] = draw(st.sampled_from(("standard", "priority", "batch")))
    if draw(st.booleans()):
        found["speed"], found["inference_geo"] = "fast", "eu"
    return found


@given(consistent())
def test_a_consistent_object_comes_back_as_it_was(wire: dict[str, Any]) -> None:
    record = usage.read(wire)
    assert usage.write(record) == wire
    assert not record.inconsistent
    assert record.total_input == wire["input_tokens"] + sum(
        wire.get(name, 0) for name in ("cache_read_input_tokens", "cache_creation_input_tokens")
    )


def test_T34_input_excludes_both_cache_counts() -> None:
    wire = {"input_tokens": 10, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 30, "output_tokens": 1}
    record = usage.read(wire)
    assert (record.uncached, record.cache_read, record.cache_write, record.total_input) == (10, 50, 30, 90)


def test_T33_what_another_protocol_counts_together_is_split_for_this_one() -> None:
    found = usage.write(Usage(input_text=40, cache_read_text=60, output_text=5, output_reasoning=2))
    assert found == {
        "input_tokens": 40,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2},
    }


def test_T44_writes_have_their_lifetime_and_an_unknown_one_is_five_minutes() -> None:
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    known = usage.read(
        {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9, "cache_creation": split}
    )
    assert (known.cache_write_5m, known.cache_write_1h) == (5, 4)
    unknown = usage.read({"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9})
    assert (unknown.cache_write_5m, unknown.cache_write_1h) == (9, None)


def test_T44_lifetimes_that_this_protocol_has_not_count_as_the_next() -> None:
    found = usage.write(Usage(cache_write_5m=1, cache_write_30m=2, cache_write_1h=4, cache_write_12h=8))
    assert found["cache_creation_input_tokens"] == 15
    assert found["cache_creation"] == {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 12}


def test_T45_absent_and_null_stay_absent() -> None:
    record = usage.read(
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None, "cache_creation": None}
    )
    assert (record.cache_read_text, record.cache_write_5m) == (None, None)
    assert usage.write(record) == {"input_tokens": 1, "output_tokens": 2}


def test_what_does_not_add_up_is_clipped_and_marked() -> None:
    creation = {"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": 0}
    wire = {"input_tokens": -1, "output_tokens": 1, "cache_creation_input_tokens": 3, "cache_creation": creation}
    record = usage.read({**wire, "output_tokens_details": {"thinking_tokens": 5}})
    assert record.inconsistent
    assert (record.input_text, record.output_text, record.output_reasoning) == (0, 0, 1)


def test_what_is_no_usage_reports_nothing() -> None:
    for raw in (b"null", b"[]", b'{"input_tokens":"many"}', b"{}"):
        assert usage.reported(raw) is None
        assert usage.read(raw).total == 0


def test_clients_always_get_the_counts_they_rely_on() -> None:
    zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    assert usage.complete(None) == zero
    assert usage.complete(Usage(input_text=2, output_text=3)) == {**zero, "input_tokens": 2, "output_tokens": 3}
