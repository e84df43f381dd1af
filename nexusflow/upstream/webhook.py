"""Telling a client's URL that its task ended, signed as Standard Webhooks prescribes (SEC-25, contract 2.8).

The receiver computes an HMAC-SHA256 over `id.timestamp.body` with the shared secret, and refuses what is old or was
signed by nobody (specification of Standard Webhooks 1.0, "Signature scheme").
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import random
from urllib.parse import SplitResult

from msgspec import Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.secret import Secret
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.guard import PORTS, NotFetched, is_public, pair, parse

MAX_URL = 2_048
MIN_KEY_BYTES = 24
SECONDS = 10.0
_PREFIX = "whsec_"
_WAITS = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""Seconds after each failed attempt; together a little less than a day (SEC-25)."""
_SPREAD = 0.2


class Delivery(Struct, frozen=True):
    """What came of one attempt: the answer's `status`, or `error` when there was no answer (fit to show)."""

    status: int | None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def signing_key(secret: Secret) -> bytes:
    """The key in `secret`: base64 of at least 24 bytes, with or without `whsec_` before it, as receivers read it.

    Raises `ValueError` with a sentence for the operator.
    """
    try:
        key = base64.b64decode(secret.reveal().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(
            f"The webhook secret must be base64 of at least {MIN_KEY_BYTES} bytes, after {_PREFIX} or alone. "
            "Make one with: openssl rand -base64 32"
        )
    return key


def sign(secret: Secret, id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`. Raises as `signing_key`."""
    signed = b"%s.%d.%s" % (id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.digest(signing_key(secret), signed, hashlib.sha256)).decode()


def headers(secret: Secret, id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """What a webhook says beside its JSON body. `id` is the same for every attempt, the time is not."""
    return {
        "content-type": "application/json",
        "user-agent": "nexusflow",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(secret, id, timestamp_s, body),
    }


def check_url(url: str, allow_hosts: tuple[str, ...] | None) -> None:
    """Refuse a URL that would never be called, with the parameter `webhook_url`.

    Raises `RequestRefused`. Where its host's name leads is only known when it is called.
    """
    if len(url) > MAX_URL:
        raise _refused(f"webhook_url must not be longer than {MAX_URL} characters.")
    try:
        parts = parse(url)
    except NotFetched:
        raise _refused("webhook_url must be a plain https URL with a host and without a user.") from None
    own, listed = _trust(parts, allow_hosts)
    if allow_hosts is not None and not own and not listed:
        raise _refused("webhook_url leads to a host that this gateway does not call.")
    if parts.scheme == "http" and not own and not listed:
        raise _refused("webhook_url must be https.")
    if not own and (parts.port or PORTS[parts.scheme]) != PORTS[parts.scheme]:
        raise _refused("webhook_url must use the usual port of https.")
    if not own and not _maybe_public(parts.hostname or ""):
        raise _refused("webhook_url must lead to the public internet.")


async def deliver(
    fetcher: Fetcher,
    url: str,
    body: bytes,
    *,
    secret: Secret,
    id: str,
    timestamp_s: int,
    allow_hosts: tuple[str, ...] | None = None,
) -> Delivery:
    """One attempt, of ten seconds at most. `url` is checked again, since the rules may have changed meanwhile."""
    try:
        check_url(url, allow_hosts)
        parts = parse(url)
        own, listed = _trust(parts, allow_hosts)
        also = frozenset((pair(parts),)) if own else frozenset[str]()
        lines = headers(secret, id, timestamp_s, body)
        return Delivery(await fetcher.post(url, lines, body, SECONDS, also=also, http=listed))
    except RequestRefused as refused:
        return Delivery(None, refused.problem.message)
    except NotFetched as error:
        return Delivery(None, str(error))


def next_attempt_s(attempt: int) -> float | None:
    """Seconds to wait after the attempt of that number (from 1) failed; None: that was the last, within a day.

    Up to a fifth shorter at random, so that receivers that were away are not met by everything at once.
    """
    if attempt > len(_WAITS):
        return None
    return _WAITS[attempt - 1] * (1 - _SPREAD * random.random())  # noqa: S311  # spreading load, not keeping a secret


def _trust(parts: SplitResult, allow_hosts: tuple[str, ...] | None) -> tuple[bool, bool]:
    """Whether `host:port` stands in the list, as an own server that may be private, and whether its host does."""
    return pair(parts) in (allow_hosts or ()), _host(parts) in (allow_hosts or ())


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _maybe_public(host: str) -> bool:
    """False for a literal address that is not public; every name may be."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return is_public(host)


def _refused(message: str) -> RequestRefused:
    return refuse(Kind.PARAM, message, param="webhook_url")
