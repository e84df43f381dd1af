"""Links to results that need no key: the name and an end, signed with a key of the gateway's own (contract 2.8)."""

import hashlib
import hmac
import re

_PURPOSE = b"results"
_MAX_SECONDS = 10_000_000_000


def results_key(pepper: bytes) -> bytes:
    """The signing key, derived from the pepper so that neither tells the other (the first step of HKDF)."""
    return hmac.digest(pepper, _PURPOSE, hashlib.sha256)


def sign(key: bytes, name: str, expires_s: int) -> str:
    """The signature of `name` until `expires_s` (seconds since 1970), as 64 hexadecimal digits."""
    return hmac.digest(key, f"{name}\n{expires_s}".encode(), hashlib.sha256).hex()


def signed_url(key: bytes, base: str, name: str, expires_s: int) -> str:
    """The whole link, below the address `base` of this gateway."""
    signature = sign(key, name, expires_s)
    return f"{base.rstrip('/')}/v1/results/{name}?expires={expires_s}&signature={signature}"


def verified(key: bytes, name: str, expires: str | None, signature: str | None, now_s: float) -> int | None:
    """Until when (seconds since 1970) the link with these parameters holds; None when it does not, for any reason."""
    if expires is None or signature is None or not re.fullmatch("[0-9]{1,11}", expires):
        return None
    until = int(expires)
    if until > _MAX_SECONDS or str(until) != expires or not signature.isascii():
        return None
    # Compared before the time is looked at: only a link of ours may say that it has ended.
    genuine = hmac.compare_digest(sign(key, name, until), signature)
    return until if genuine and now_s < until else None
