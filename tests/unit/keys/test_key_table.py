"""Creating, listing, finding and revoking keys (SEC-51, SEC-53)."""

import re
from pathlib import Path

import pytest

from nexusflow.keys import KeyAmbiguous, KeyInvalid, KeyTable, KeyUnknown, is_well_formed, new_secret
from nexusflow.keys.model import wall_ms
from nexusflow.store import Database, open_database


def test_SEC53_a_new_key_shows_its_first_11_and_last_4_characters_only(table: KeyTable) -> None:
    key, secret = table.create("ci")
    assert is_well_formed(secret)
    assert (key.prefix, key.last4) == (secret[:11], secret[-4:])
    assert key.masked == f"{secret[:11]}…{secret[-4:]}"
    assert re.fullmatch(r"key_[a-z2-7]{16}", key.id)
    assert key.status(wall_ms()) == "active"
    assert table.list() == [key]


def test_SEC51_no_file_of_the_store_holds_a_secret(pepper: bytes, tmp_path: Path) -> None:
    with open_database(tmp_path / "nexusflow.db") as database:
        table = KeyTable(database, pepper)
        secrets = [table.create(f"key {number}")[1].encode() for number in range(20)]
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"key 19" in content
    assert not [secret for secret in secrets if secret[7:] in content or secret[11:-4] in content]


def test_every_key_is_its_own(table: KeyTable) -> None:
    made = [table.create("same name") for _ in range(50)]
    assert len({key.id for key, _ in made}) == len({secret for _, secret in made}) == 50
    assert {key.id for key in table.list()} == {key.id for key, _ in made}


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "line\nbreak", "bell\a", "\u202eturned", "nul\0"])
def test_an_unprintable_or_endless_name_is_refused(table: KeyTable, name: str) -> None:
    with pytest.raises(KeyInvalid, match="1 to 100 printable characters"):
        table.create(name)
    assert table.list() == []


@pytest.mark.parametrize("name", ["a", "a" * 100, "客服 bot", "o'brien; DROP TABLE api_key", "%", "_"])
def test_any_printable_name_is_kept_and_found(table: KeyTable, name: str) -> None:
    other, _ = table.create("other")
    key, _ = table.create(name)
    assert table.find(name) == key
    assert table.revoke(name).id == key.id
    assert table.find("other") == other


def test_an_expiry_is_kept_and_must_lie_in_the_future(table: KeyTable) -> None:
    soon = wall_ms() + 60_000
    key, _ = table.create("ci", soon)
    assert table.find(key.id).expires_ms == soon
    assert [key.status(soon - 1), key.status(soon)] == ["active", "expired"]
    with pytest.raises(KeyInvalid, match="future"):
        table.create("late", wall_ms())


def test_a_key_answers_to_id_name_mask_secret_and_beginnings(table: KeyTable) -> None:
    for number in range(20):
        table.create(f"other {number}")
    key, secret = table.create("mine")
    assert {table.find(handle) for handle in (key.id, "mine", key.masked, secret, key.id[:12], key.prefix)} == {key}


@pytest.mark.parametrize("handle", ["", "k", "key_", "sk-air-", "nobody", "%", "key_%%%%", "key_____"])
def test_a_stray_word_names_no_key(table: KeyTable, handle: str) -> None:
    table.create("mine")
    for command in (table.find, table.revoke):
        with pytest.raises(KeyUnknown):
            command(handle)


def test_an_unknown_secret_names_no_key(table: KeyTable) -> None:
    _, secret = table.create("mine")
    for handle in (new_secret(), secret[:-1], secret[:-1] + ("a" if secret[-1] != "a" else "b")):
        with pytest.raises(KeyUnknown):
            table.find(handle)


def test_an_ambiguous_name_revokes_nothing_until_one_is_left(table: KeyTable) -> None:
    first, _ = table.create("ci")
    second, _ = table.create("ci")
    with pytest.raises(KeyAmbiguous) as caught:
        table.revoke("ci")
    assert first.id in str(caught.value)
    assert second.id in str(caught.value)
    assert [key.revoked_ms for key in table.list()] == [None, None]
    table.revoke(first.id)
    assert table.revoke("ci").id == second.id


def test_revoking_twice_keeps_the_first_time(table: KeyTable, database: Database) -> None:
    key, _ = table.create("ci")
    revoked = table.revoke(key.id)
    assert revoked.revoked_ms is not None
    assert revoked.status(0) == "revoked"
    database.execute("UPDATE api_key SET revoked_ms = 5")
    assert table.revoke(key.id).revoked_ms == 5


def test_an_end_beyond_the_calendar_is_refused(table: KeyTable) -> None:
    """Or no list could show it."""
    with pytest.raises(KeyInvalid, match="9999"):
        table.create("late", 253_402_300_800_000)
    assert table.create("last", 253_402_300_799_000)[0].expires_ms == 253_402_300_799_000
