"""Opaque state: what only the one who wrote it can check, as with the signatures on a real model's thinking.

Each is bound to the wire form it was written for and to what it stands beside; moved to another place, edited, or come
from someone else, it does not hold.
"""

import base64
import binascii
import hashlib
import hmac

_KEY = b"the simulated provider's own"
_HEAD = b"\x0asim"
_SALT = 24
_MAC = 32


def seal(form: str, thought: str, beside: str) -> str:
    """A seal, in base64, of `thought`, for the place `beside` in an answer of `form`."""
    salt = hashlib.shake_256(thought.encode()).digest(_SALT)
    return base64.b64encode(_HEAD + salt + _mac(form, beside, salt)).decode()


def holds(sealed: str, form: str, beside: str) -> bool:
    """Whether `sealed` is one that `seal` wrote for this form and place. Reads both alphabets of base64."""
    try:
        data = base64.b64decode(sealed.replace("-", "+").replace("_", "/") + "=" * (-len(sealed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(data) != len(_HEAD) + _SALT + _MAC or not data.startswith(_HEAD):
        return False
    salt = data[len(_HEAD) : len(_HEAD) + _SALT]
    return hmac.compare_digest(data[-_MAC:], _mac(form, beside, salt))


def _mac(form: str, beside: str, salt: bytes) -> bytes:
    said = b"\0".join((form.encode(), hashlib.sha256(beside.encode()).digest(), salt))
    return hmac.digest(_KEY, said, "sha256")
