"""Who is calling: the first step, before a byte of the body is read (R-30)."""

from typing import Protocol

from nexusflow.ir.errors import Kind, refuse
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
        raise refuse(Kind.AUTH, "The API key is not valid: unknown, revoked or expired.")
    return key
