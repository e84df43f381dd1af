"""Whose address a call comes from behind reverse proxies (SEC-54)."""

from typing import Any, cast

import pytest
from litestar.types import Scope

from nexusflow.flow.proxies import Proxies

PROXIES = Proxies(("10.0.0.0/8", "2001:db8::1"))


def client(peer: str | None, *forwarded: str, proxies: Proxies = PROXIES) -> str | None:
    """The client's address after the proxies were seen through."""
    scope: dict[str, Any] = {
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"host", b"x"), *((b"x-forwarded-for", value.encode("latin-1")) for value in forwarded)],
    }
    proxies.unmask(cast("Scope", scope))
    return scope["client"][0] if scope["client"] else None


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, 10.2.2.2",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9", "10.2.2.2"), "203.0.113.9"),
        ("2001:db8::1", ("2001:db8::2",), "2001:db8::2"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("10.3.3.3",), "10.3.3.3"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_is_the_client(
    peer: str, forwarded: tuple[str, ...], address: str
) -> None:
    assert client(peer, *forwarded) == address


def test_a_client_cannot_claim_to_be_another() -> None:
    """What it writes itself stands before what the proxies append; without a proxy it does not count at all."""
    assert client("10.0.0.1", "192.0.2.1, 203.0.113.9") == "203.0.113.9"
    assert client("10.0.0.1", "192.0.2.1", "203.0.113.9, 10.2.2.2") == "203.0.113.9"
    assert client("203.0.113.9", "192.0.2.1") == "203.0.113.9"
    assert client("203.0.113.9", "10.0.0.5") == "203.0.113.9"


@pytest.mark.parametrize("odd", ["unknown", "", "203.0.113.9:4711, x", "\xff", "10.2.2.2, _hidden"])
def test_a_chain_that_is_broken_ends_at_the_last_proxy_that_is_known(odd: str) -> None:
    assert client("10.0.0.1", odd) == "10.0.0.1"


def test_a_connection_without_an_address_has_none() -> None:
    assert client(None, "203.0.113.9") is None
