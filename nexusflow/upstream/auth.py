"""Provider credentials: resolved from the environment or a file, never printable, never in the artifact."""

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Mapping

import msgspec

from nexusflow.ir.plan import Auth, CredentialRef
from nexusflow.ir.secret import Secret, read_secret

TOKEN_S = 1_800
"""How long a signed token is good for. A call makes its own, so this only has to outlast clocks that differ."""

_SCHEMES: dict[Auth, str] = {"bearer": "Bearer", "key": "Key"}
_EARLY_S = 5


def resolve(reference: CredentialRef, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret that `reference` names, or None when it is absent, empty or unfit for a header (SEC-64, SEC-72)."""
    secret = read_secret(reference, environ)
    fit = secret is not None and secret.reveal().isascii() and secret.reveal().isprintable()
    return secret if fit else None


def headers(auth: Auth, secret: Secret | None) -> dict[str, str]:
    """The header that carries `secret` in the form `auth` names.

    A signed token is good for a while only: ask for the headers at each call. A secret that cannot sign is not sent.
    """
    if secret is None or auth == "none":
        return {}
    if auth == "kling-jwt":
        access, _, key = secret.reveal().partition(":")
        return {"authorization": f"Bearer {_signed(access, key)}"} if access and key else {}
    if auth in _SCHEMES:
        return {"authorization": f"{_SCHEMES[auth]} {secret.reveal()}"}
    return {auth: secret.reveal()}


def _signed(access: str, key: str) -> str:
    """A JSON Web Token (RFC 7519, HS256) as Kling's API reference has it: who it is, until when, and since when."""
    now = int(time.time())
    claims = {"iss": access, "exp": now + TOKEN_S, "nbf": now - _EARLY_S}
    parts = [_segment(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    text = ".".join(parts)
    return f"{text}.{_segment(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
