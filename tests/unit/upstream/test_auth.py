"""How a provider's credential is sent."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from nexusflow.ir.plan import Auth
from nexusflow.ir.secret import Secret
from nexusflow.upstream import auth


def decoded(part: str) -> bytes:
    assert "=" not in part
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_signed_token_says_who_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.9)
    scheme, _, token = auth.headers("kling-jwt", Secret("access:se:cret"))["authorization"].partition(" ")
    head, claims, signature = token.split(".")
    assert scheme == "Bearer"
    assert json.loads(decoded(head)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"iss": "access", "exp": 1_700_001_800, "nbf": 1_699_999_995}
    assert decoded(signature) == hmac.digest(b"se:cret", f"{head}.{claims}".encode(), hashlib.sha256)


def test_each_call_signs_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for now in (1_700_000_000.0, 1_700_003_600.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        made.append(auth.headers("kling-jwt", Secret("a:b"))["authorization"])
    assert made[0] != made[1]


@pytest.mark.parametrize("secret", ["whole", ":secret", "access:", ":"])
def test_a_secret_that_cannot_sign_is_not_sent(secret: str) -> None:
    assert auth.headers("kling-jwt", Secret(secret)) == {}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bearer", {"authorization": "Bearer s"}),
        ("key", {"authorization": "Key s"}),
        ("x-api-key", {"x-api-key": "s"}),
        ("api-key", {"api-key": "s"}),
        ("none", {}),
    ],
)
def test_every_other_kind_is_a_header(kind: Auth, expected: dict[str, str]) -> None:
    assert auth.headers(kind, Secret("s")) == expected
    assert auth.headers(kind, None) == {}
