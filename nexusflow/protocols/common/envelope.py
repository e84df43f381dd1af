"""The envelope in which opaque reasoning state travels through a foreign client (protocols 2.0.4).

`nx1.<maker>.<family>.<base64url of the payload>`. What a client sends back is not trusted: an envelope only decides
whether its payload goes on to a provider of that maker and family, which checks it itself; nothing in it is looked at.
"""

import base64
import binascii
import re

from nexusflow.ir.chat import Opaque, Origin

MARK = b"nx1."
"""How every envelope begins."""
MAX_SEALED = 1_000_000
"""Characters of an envelope; a longer text is no envelope of ours."""

_LETTERS: dict[Origin, str] = {
    "openai/chat-completions": "c",
    "openai/responses": "r",
    "anthropic/messages": "a",
    "google/generate-content": "g",
}
_ORIGINS = {letter: origin for origin, letter in _LETTERS.items()}
_ENVELOPE = re.compile(r"nx1\.([crag])\.([a-z0-9]{0,32})\.([A-Za-z0-9_-]*)").fullmatch
_FAMILY = re.compile(r"[a-z]{1,32}").match


def family_of(model: str) -> str:
    """The family that can read its own reasoning state: the leading letters of an upstream model's name.

    A folder before the name (`models/gemini-3`, `anthropic/claude-5`) says who hosts it, and does not count.
    """
    found = _FAMILY(model.rpartition("/")[2].lower())
    return found[0] if found else ""


def seal(opaque: Opaque) -> str:
    """The envelope of a payload of any characters."""
    payload = base64.urlsafe_b64encode(opaque.payload.encode()).rstrip(b"=").decode()
    return f"nx1.{_LETTERS[opaque.origin]}.{opaque.family}.{payload}"


def unseal(text: str) -> Opaque | None:
    """What an envelope holds; None for a text that is none."""
    if not text.startswith("nx1.") or len(text) > MAX_SEALED:
        return None
    found = _ENVELOPE(text)
    if found is None:
        return None
    try:
        payload = base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    return Opaque(_ORIGINS[found[1]], found[2], payload)


def seal64(opaque: Opaque) -> str:
    """The envelope in base64, which is what Google's clients take for a thought signature (protocols 1.5.3)."""
    return base64.b64encode(seal(opaque).encode()).decode()


def unseal64(text: str) -> Opaque | None:
    """The reverse of `seal64`, for either alphabet; None for native state and anything else."""
    if len(text) > MAX_SEALED * 2:
        return None
    plain = text.translate(_STANDARD).rstrip("=")
    if not plain.startswith(_SEALED_START):
        return None
    try:
        return unseal(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        return None


def adopt(text: str, origin: Origin, family: str = "") -> Opaque:
    """State that a client of `origin` sent: an envelope of ours, or else native state of `origin` itself."""
    found = unseal64(text) if origin == "google/generate-content" else unseal(text)
    return found or unseal(text) or Opaque(origin, family, text)


def usable(opaque: Opaque | None, origin: Origin, family: str) -> str | None:
    """The payload, if a provider of `origin` with a model of `family` may be sent it; native state fits any family."""
    if opaque is None or opaque.origin != origin or opaque.family not in ("", family):
        return None
    return opaque.payload


_STANDARD = str.maketrans("-_", "+/")
_SEALED_START = base64.b64encode(b"nx1").decode()
