"""Amounts as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.money import LARGEST, as_nano, as_text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (1, "0.000000001"), (1_500_000_000, "1.50"), (-2_000_000_000, "-2.00"), (123_456_789, "0.123456789")],
)
def test_amounts_are_written_without_rounding(amount: int, text: str) -> None:
    assert as_text(amount) == text
    assert as_nano(text) == amount


@given(st.integers(-LARGEST, LARGEST))
def test_round_trip(amount: int) -> None:
    assert as_nano(as_text(amount)) == amount


@pytest.mark.parametrize("text", ["", "1e3", "1,5", ".5", "5.", "1.0000000001", "٣", "--1", "9000000001", "nan"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|ledger"):
        as_nano(text)
