"""Opaque reasoning state on its way through a foreign client and back (protocols 2.0.4)."""

import base64
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.chat import Opaque, Origin
from nexusflow.protocols.common import envelope

ORIGINS: tuple[Origin, ...] = get_args(Origin)
CHAT, RESPONSES, CLAUDE, GOOGLE = ORIGINS
payloads = st.text(st.characters(exclude_categories=("Cs",)))
opaques = st.builds(Opaque, st.sampled_from(ORIGINS), st.from_regex(r"[a-z]{0,32}", fullmatch=True), payloads)


@given(opaques)
def test_sealed_state_comes_back_whole(opaque: Opaque) -> None:
    sealed = envelope.seal(opaque)
    assert re.fullmatch(r"nx1\.[crag]\.[a-z]*\.[A-Za-z0-9_-]*", sealed)
    assert envelope.unseal(sealed) == opaque
    for client in ORIGINS:
        assert envelope.adopt(sealed, client) == opaque


@given(opaques)
def test_T89_googles_clients_carry_it_as_base64(opaque: Opaque) -> None:
    sealed = envelope.seal64(opaque)
    assert base64.b64decode(sealed, validate=True).decode() == envelope.seal(opaque)
    assert envelope.unseal64(sealed) == opaque
    assert envelope.unseal64(sealed.replace("+", "-").replace("/", "_").rstrip("=")) == opaque
    assert envelope.adopt(sealed, GOOGLE) == opaque


@given(st.text() | st.text().map("nx1.".__add__) | st.from_regex(r"nx1\.[a-z]\.[a-z]*\.[\x20-\x7e]*", fullmatch=True))
def test_text_from_outside_never_raises(text: str) -> None:
    for found in (envelope.unseal(text), envelope.unseal64(text)):
        assert found is None or found.origin in ORIGINS
    assert envelope.adopt(text, CLAUDE).payload is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nx1",
        "nx1.a.claude",
        "nx2.a.claude.eA",
        "nx1.x.claude.eA",
        "nx1.a.Claude.eA",
        "nx1.a.claude.eA=",
        "nx1.a.claude.e A",
        "nx1.a.claude.eA\n",
        "nx1.a.claude.e",
        "nx1.a.claude.gICA",
        "nx1.a.claude." + "A" * envelope.MAX_SEALED,
        "nx1.a." + "c" * 33 + ".eA",
    ],
)
def test_what_is_no_envelope_is_the_clients_own_state(text: str) -> None:
    assert envelope.unseal(text) is None
    assert envelope.adopt(text, CLAUDE) == Opaque(CLAUDE, "", text)


def test_state_goes_only_to_its_maker_and_family() -> None:
    claude = Opaque(CLAUDE, "claude", "sig")
    assert envelope.usable(claude, CLAUDE, "claude") == "sig"
    assert envelope.usable(claude, CLAUDE, "other") is None
    assert envelope.usable(claude, GOOGLE, "claude") is None
    assert envelope.usable(None, CLAUDE, "claude") is None


def test_T94_native_state_goes_to_its_own_protocol_only() -> None:
    native = envelope.adopt("sig", CLAUDE)
    assert envelope.usable(native, CLAUDE, "claude") == "sig"
    assert [envelope.usable(native, origin, "claude") for origin in (CHAT, RESPONSES, GOOGLE)] == [None] * 3


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-fable-5-20261001", "claude"),
        ("models/gemini-3.1-pro", "gemini"),
        ("anthropic/Claude-5", "claude"),
        ("gpt-6.1-sol", "gpt"),
        ("o3", "o"),
        ("", ""),
        ("7b", ""),
        ("x" * 50, "x" * 32),
    ],
)
def test_a_family_is_the_leading_letters(model: str, family: str) -> None:
    assert envelope.family_of(model) == family
    sealed = Opaque(CLAUDE, envelope.family_of(model), "p")
    assert envelope.unseal(envelope.seal(sealed)) == sealed
