"""Seals: they hold for the form and the place that they were written for, and break with any of their letters."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator.seal import holds, seal

TEXTS = st.text(max_size=30)


@given(TEXTS, TEXTS, TEXTS)
def test_a_seal_holds_in_its_place_only(thought: str, beside: str, other: str) -> None:
    sealed = seal("a", thought, beside)
    assert holds(sealed, "a", beside)
    assert holds(sealed.replace("+", "-").replace("/", "_").rstrip("="), "a", beside)
    assert not holds(sealed, "b", beside)
    assert holds(sealed, "a", other) == (other == beside)


@given(TEXTS, st.integers(min_value=0), st.integers(1, 255))
def test_any_change_breaks_it(thought: str, at: int, by: int) -> None:
    data = bytearray(base64.b64decode(seal("a", thought, "x")))
    data[at % len(data)] ^= by
    assert not holds(base64.b64encode(data).decode(), "a", "x")


@given(st.text())
def test_what_is_none_does_not_hold(text: str) -> None:
    assert not holds(text, "a", "x")
