"""Packed float32 vectors: the bytes inside base64 embeddings (contract 2.6)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.wire import float32

singles = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50)


@given(singles)
def test_the_bytes_are_little_endian_float32_and_come_back_exactly(values: list[float]) -> None:
    packed = float32.pack(values)
    assert packed == struct.pack(f"<{len(values)}f", *values)
    assert float32.unpack(packed) == values
    assert float32.from_base64(float32.to_base64(packed)) == packed


@pytest.mark.parametrize(
    "values", [[1e39], [-1e39], [float("nan")], [0.5, float("inf")], [float("inf"), -float("inf")]]
)
def test_numbers_that_float32_cannot_hold_are_refused(values: list[float]) -> None:
    with pytest.raises(float32.NotAVector):
        float32.pack(values)


@pytest.mark.parametrize("data", [b"abc", struct.pack("<f", float("nan")), struct.pack("<2f", 1.0, float("inf"))])
def test_bytes_that_JSON_numbers_cannot_spell_are_refused(data: bytes) -> None:
    with pytest.raises(float32.NotAVector):
        float32.unpack(data)


@pytest.mark.parametrize("text", ["AAAA*", "A", "AA\nAA", "é"])
def test_text_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(float32.NotAVector):
        float32.from_base64(text)
