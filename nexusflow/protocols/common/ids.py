"""Ids that pass through us: tool calls' in both directions, and our own (protocols 2.0.5)."""

import base64
import hashlib
import random
import re

_FIT = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def tool_id(id: str) -> str:
    """An id that every vendor takes. One that already fits stays; another becomes the same new one every time."""
    return id if _FIT(id) else "nxid_" + _digest(id)


def made_id(*seed: object) -> str:
    """An id for a call that came without one; the same seed gives the same id."""
    return "call_" + _digest("\x1f".join(map(str, seed)))


def token(prefix: str, length: int = 24) -> str:
    """A random id. It is no secret: ids only have to differ."""
    return prefix + "".join(random.choices(_ALPHABET, k=length))  # noqa: S311  # an id, not a key


def _digest(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())[:24].decode().lower()
