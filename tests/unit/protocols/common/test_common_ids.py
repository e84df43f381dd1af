"""Tool call ids that every vendor takes (protocols 2.0.5)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.protocols.common import ids

EVERY_VENDOR = re.compile(r"[A-Za-z0-9_-]{1,40}")


@given(st.text())
def test_any_id_becomes_one_that_every_vendor_takes(id_: str) -> None:
    found = ids.tool_id(id_)
    assert EVERY_VENDOR.fullmatch(found)
    assert ids.tool_id(id_) == found
    assert ids.tool_id(found) == found


@given(st.sets(st.text(), min_size=2))
def test_different_ids_stay_different(given_ids: set[str]) -> None:
    assert len({ids.tool_id(id_) for id_ in given_ids}) == len(given_ids)


@pytest.mark.parametrize("id_", ["a", "toolu_01A-b", "x" * 40])
def test_an_id_that_fits_is_left_alone(id_: str) -> None:
    assert ids.tool_id(id_) == id_


@pytest.mark.parametrize("id_", ["", "x" * 41, "a b", "call:1", "é", "call_1\n", "\ud800"])
def test_an_id_that_does_not_fit_is_replaced(id_: str) -> None:
    assert re.fullmatch(r"nxid_[a-z2-7]{24}", ids.tool_id(id_))


def test_the_replacement_is_the_same_in_every_process() -> None:
    assert ids.tool_id("functions.get_weather:0") == "nxid_pgwbvkvsc2zcrr5lejarwi6m"


def test_a_made_id_depends_on_its_whole_seed() -> None:
    made = {ids.made_id("resp", 0, 1), ids.made_id("resp", 1, 0), ids.made_id("resp", 0, 2), ids.made_id("resp0", 1)}
    assert len(made) == 4
    assert ids.made_id("resp", 0, 1) in made
    assert all(re.fullmatch(r"call_[a-z2-7]{24}", id_) for id_ in made)


def test_tokens_have_their_prefix_and_differ() -> None:
    found = {ids.token("msg_") for _ in range(1000)}
    assert len(found) == 1000
    assert all(re.fullmatch(r"msg_[A-Za-z0-9]{24}", token) for token in found)
