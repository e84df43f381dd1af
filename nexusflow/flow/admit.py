"""Who is calling, and whether they may: the first steps, before a byte of the body is read (R-30)."""

from typing import Protocol

from litestar.types import Scope

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.keys.model import Key


class Keys(Protocol):
    """The part of the key table that admission needs."""

    def lookup(self, credential: bytes) -> Key | None: ...


def admit(credential: bytes | None, keys: Keys) -> Key:
    """The caller's key. Raises `RequestRefused` (401); unknown, revoked and expired keys look alike (SEC-52)."""
    if credential is None:
        raise refuse(
            Kind.AUTH,
            "No API key was given. Send it as `Authorization: Bearer sk-air-...`.",
            code="invalid_api_key",
        )
    key = keys.lookup(credential)
    if key is None:
        # LiteLLM, and what is built on it, tells a wrong key from a wrong request by OpenAI's own first words.
        raise refuse(Kind.AUTH, "Incorrect API key provided: it is unknown, revoked or expired.")
    return key


def permit(key: Key, model: str | None, protocol: str | None, endpoint: str, client_ip: str | None) -> None:
    """Whether the key's scopes cover a call (SEC-54). Raises `RequestRefused` (403) with a code that names the scope.

    `model` and `protocol` are None for endpoints without one, such as the list of models; `client_ip` is what
    `client_address` tells.
    """
    scopes = key.scopes
    if scopes.admin != "none":
        raise refuse(Kind.PERMISSION, "This key is for the admin API and calls no models.", code="admin_key")
    _permit_address(key, client_ip)
    if protocol is not None and not scopes.allows_protocol(protocol):
        raise _denied("protocol_not_allowed", f"This key may not be used over {protocol}.")
    if not scopes.allows_endpoint(endpoint):
        raise _denied("endpoint_not_allowed", "This key may not be used at this address.")
    if model is not None and not scopes.allows_model(model):
        raise refuse(
            Kind.PERMISSION, f"This key may not use the model `{model}`.", param="model", code="model_not_allowed"
        )


def permit_admin(key: Key, client_ip: str | None, *, write: bool) -> None:
    """Whether the key may read, or change, over the admin API (SEC-57). Raises `RequestRefused` (403)."""
    if not key.scopes.allows_admin(write=write):
        raise _denied("admin_not_allowed", f"This key may not {'change' if write else 'read'} anything here.")
    _permit_address(key, client_ip)


def client_address(scope: Scope) -> str | None:
    """The peer of the connection, which nobody can claim to be; headers such as X-Forwarded-For anybody can.

    Where that is a trusted proxy, the host has put its client in its place (`nexusflow.flow.proxies`).

    None for a connection that has none, such as a Unix socket.
    """
    client = scope.get("client")
    return client[0] if client else None


def _permit_address(key: Key, client_ip: str | None) -> None:
    if not key.scopes.allows_ip(client_ip):
        raise _denied("ip_not_allowed", "This key may not be used from this address.")


def _denied(code: str, message: str) -> RequestRefused:
    return refuse(Kind.PERMISSION, message, code=code)
