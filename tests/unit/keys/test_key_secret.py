"""The form of a key and its checksum (SEC-50), and the keyed digest (SEC-51)."""

import hmac
import re
import string

from hypothesis import given
from hypothesis import strategies as st

from nexusflow.keys import is_well_formed, new_secret
from nexusflow.keys.secret import digester

BASE62 = string.ascii_letters + string.digits


def test_SEC50_a_key_is_scheme_43_random_and_6_checksum_characters() -> None:
    secrets = {new_secret() for _ in range(500)}
    assert len(secrets) == 500
    assert all(re.fullmatch(r"sk-air-[0-9A-Za-z]{49}", secret) for secret in secrets)
    assert all(map(is_well_formed, secrets))


def test_SEC50_a_known_key_stays_valid_in_every_later_version() -> None:
    assert is_well_formed("sk-air-Y7SHMOY79fjHfCH8V9g66ojOImBQQJiQKj3daBj9cSL27KadX")


@given(position=st.integers(0, 55), replacement=st.characters())
def test_SEC50_any_one_changed_character_is_rejected(position: int, replacement: str) -> None:
    secret = new_secret()
    changed = secret[:position] + replacement + secret[position + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@given(position=st.integers(0, 54))
def test_SEC50_two_swapped_neighbours_are_rejected(position: int) -> None:
    secret = new_secret()
    changed = secret[:position] + secret[position + 1] + secret[position] + secret[position + 2 :]
    assert is_well_formed(changed) == (changed == secret)


@given(st.text() | st.text(BASE62, min_size=49, max_size=49).map("sk-air-{}".format))
def test_SEC50_other_text_is_rejected(text: str) -> None:
    assert not is_well_formed(text)


@given(st.text(max_size=3), st.text(max_size=3))
def test_SEC50_nothing_may_stand_around_a_key(before: str, after: str) -> None:
    assert is_well_formed(before + (secret := new_secret()) + after) == (before + secret + after == secret)


@given(pepper=st.binary(min_size=32, max_size=32), key=st.binary(max_size=300))
def test_SEC51_the_digest_is_HMAC_SHA256(pepper: bytes, key: bytes) -> None:
    digest = digester(pepper)
    assert digest(key) == hmac.digest(pepper, key, "sha256")
    assert digest(key) == digest(key)
