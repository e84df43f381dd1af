"""Usage to and from the canonical record (protocols 4.2, 4.3)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_responses import usage

COUNT = st.integers(0, 10**9)


@st.composite
def reports(draw: st.DrawFn) -> dict[str, Any]:
    """What a self-consistent provider says."""
    reads, writes, half_day, rest = draw(COUNT), draw(COUNT), draw(COUNT), draw(COUNT)
    audio, reasoning, text = draw(COUNT), draw(COUNT), draw(COUNT)
    inputs: dict[str, Any] = {"cached_tokens": reads, "cache_write_tokens": writes}
    if draw(st.booleans()):
        inputs["cache_write_tokens"] = writes + half_day
        inputs["cache_write_tokens_details"] = {"ttl_30m_tokens": writes, "ttl_12h_tokens": half_day}
        writes += half_day
    if draw(st.booleans()):
        inputs["audio_tokens"] = audio
        rest += audio
    return {
        "input_tokens": reads + writes + rest,
        "input_tokens_details": inputs,
        "output_tokens": reasoning + text,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": reads + writes + rest + reasoning + text,
    }


@given(reports())
def test_a_report_survives_the_round_trip(report: dict[str, Any]) -> None:
    found = usage.read(report)
    assert usage.write(found) == report
    assert found.total == report["total_tokens"]
    assert not found.inconsistent


def test_T39_cache_reads_are_taken_out_of_the_input() -> None:
    found = usage.read({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60}, "output_tokens": 5})
    assert (found.input_text, found.cache_read_text, found.cache_write_30m, found.output_reasoning) == (
        40,
        60,
        None,
        None,
    )


def test_T45_absent_is_not_zero_and_null_is_absent() -> None:
    found = usage.read({"input_tokens": 1, "output_tokens": 2, "input_tokens_details": None})
    assert found.cache_read_text is None
    found = usage.read({"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 0}})
    assert found.cache_read_text == 0
    assert usage.read({}).input_text is None
    assert usage.read(b'"nonsense"').input_text is None


def test_the_official_type_gets_all_that_it_requires() -> None:
    assert usage.write(Usage(input_text=3, output_text=4)) == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }
    hour = usage.write(Usage(input_text=1, cache_write_5m=2, cache_write_1h=4))["input_tokens_details"]
    assert hour["cache_write_tokens_details"] == {"ttl_30m_tokens": 2, "ttl_12h_tokens": 4}


def test_reports_that_contradict_themselves_are_marked() -> None:
    found = usage.read({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 60}, "output_tokens": 5})
    assert (found.input_text, found.inconsistent) == (0, True)
    found = usage.read({"input_tokens": 1, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 9}})
    assert (found.output_text, found.output_reasoning, found.inconsistent) == (5, 9, True)
