"""What a key's scopes let it do (SEC-54, SEC-57, L06, AT-01)."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import Scope

from nexusflow.flow.admit import client_address, permit, permit_admin
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.keys import Key, Scopes

CHAT = "openai/chat-completions"


def key(**scopes: Any) -> Key:
    return Key(id="key_1", name="ci", prefix="sk-air-abcd", last4="wxyz", created_ms=0, scopes=Scopes(**scopes))


def code(check: Callable[[], None]) -> str | None:
    """The code of the 403 that `check` raises, or None."""
    try:
        check()
    except RequestRefused as refused:
        problem = refused.problem
        return problem.code if problem.kind is Kind.PERMISSION else problem.kind
    return None


def refusal(
    key: Key,
    model: str | None = "m",
    protocol: str | None = CHAT,
    endpoint: str = "chat",
    address: str | None = "192.0.2.1",
) -> str | None:
    """The code that the call is refused with, or None."""
    return code(lambda: permit(key, model, protocol, endpoint, address))


def test_a_key_without_scopes_may_do_all() -> None:
    assert refusal(key()) is None
    assert refusal(key(), None, None, "models", None) is None


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        (("qwen-max",), "qwen-max", True),
        (("qwen-max",), "qwen-max-2", False),
        (("qwen-max",), "Qwen-Max", False),
        (("qwen*",), "qwen3.5-plus", True),
        (("qwen*",), "my-qwen", False),
        (("*",), "anything/at:all", True),
        (("simulator/*",), "simulator/chat", True),
        (("gpt-?",), "gpt-5", True),
        (("gpt-?",), "gpt-55", False),
        (("gpt-[45]",), "gpt-4", True),
        (("gpt-[45]",), "gpt-6", False),
        (("a", "b*"), "bc", True),
        (("a", "b*"), "ab", False),
        (("a.c",), "abc", False),
        (("a",), "a\n", False),
    ],
)
def test_SEC54_models_by_name_and_pattern(patterns: tuple[str, ...], model: str, allowed: bool) -> None:
    assert refusal(key(models=patterns), model) == (None if allowed else "model_not_allowed")


def test_a_list_of_models_can_be_asked_for_by_a_key_of_some() -> None:
    assert refusal(key(models=("a",)), None, None, "models") is None


def test_SEC54_protocols_and_endpoints() -> None:
    narrow = key(protocols=("anthropic/messages",), endpoints=("messages", "count"))
    assert refusal(narrow, "m", CHAT, "messages") == "protocol_not_allowed"
    assert refusal(narrow, "m", "anthropic/messages", "chat") == "endpoint_not_allowed"
    assert refusal(narrow, "m", "anthropic/messages", "count") is None
    assert refusal(narrow, None, None, "count") is None


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "192.0.2.8", False),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.9", True),
        (("192.0.2.0/24",), "::ffff:192.0.3.9", False),
        (("::ffff:192.0.2.9",), "::ffff:192.0.2.9", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("2001:db8::/32",), "192.0.2.1", False),
        (("10.0.0.0/8", "::1"), "::1", True),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("0.0.0.0/0",), None, False),
        (("0.0.0.0/0",), "unix", False),
        (("0.0.0.0/0",), "", False),
    ],
)
def test_SEC54_addresses(networks: tuple[str, ...], address: str | None, allowed: bool) -> None:
    assert refusal(key(ips=networks), "m", CHAT, "chat", address) == (None if allowed else "ip_not_allowed")


@given(st.ip_addresses(), st.ip_addresses())
def test_an_address_list_holds_its_own_and_no_other(one: Any, other: Any) -> None:
    listed = key(ips=(str(one),))
    assert refusal(listed, "m", CHAT, "chat", str(one)) is None
    if one != other and getattr(other, "ipv4_mapped", None) != one:
        assert refusal(listed, "m", CHAT, "chat", str(other)) == "ip_not_allowed"


def scope(headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None) -> Scope:
    return cast("Scope", {"type": "http", "headers": headers, "client": client})


def test_the_address_is_that_of_the_connection_whatever_headers_say() -> None:
    claims = [(b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1"), (b"x-real-ip", b"10.0.0.1")]
    assert client_address(scope(claims, ("192.0.2.1", 999))) == "192.0.2.1"
    assert client_address(scope(claims, None)) is None


@pytest.mark.parametrize("admin", ["read", "write"])
def test_SEC57_AT01_an_admin_key_calls_no_models(admin: str) -> None:
    assert refusal(key(admin=admin)) == "admin_key"
    assert refusal(key(admin=admin, models=("*",)), None, None, "models") == "admin_key"


@pytest.mark.parametrize(
    ("admin", "write", "allowed"),
    [
        ("none", False, False),
        ("none", True, False),
        ("read", False, True),
        ("read", True, False),
        ("write", False, True),
        ("write", True, True),
    ],
)
def test_SEC57_the_admin_api_needs_its_own_right(admin: str, write: bool, allowed: bool) -> None:
    refused = code(lambda: permit_admin(key(admin=admin), None, write=write))
    assert refused == (None if allowed else "admin_not_allowed")


def test_SEC54_an_admin_key_is_bound_to_its_addresses() -> None:
    bound = key(admin="write", ips=("192.0.2.1",))
    assert code(lambda: permit_admin(bound, "192.0.2.2", write=True)) == "ip_not_allowed"
