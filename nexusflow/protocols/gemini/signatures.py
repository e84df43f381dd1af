"""Thought signatures: where Google keeps reasoning state, and any other rides for its clients (protocols 1.5.5, 2.0.4).

`thoughtSignature` must be valid base64: a Gemini client refuses anything else. Foreign state rides there as base64 of
one or more envelopes, parted by spaces, because one part may have to carry several blocks of reasoning. Before each
stands the length of its text in characters, so that a client which got the text in pieces can send it back in pieces
(`12:nx1.…`), or `!` for a redacted block.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Opaque, Thinking
from nexusflow.protocols.common import envelope
from nexusflow.protocols.gemini.tables import ORIGIN

PLACEHOLDER = b64encode(b"skip_thought_signature_validator").decode()
"""What Google takes in place of a signature for a call that another model made."""
MAX_CARRIED = 1024 * 1024
"""Characters of a signature that we look into. A longer one is Google's own, or nobody's."""

_REDACTED = "!"
_TOKEN = re.compile(r"(?:(!)|(\d{1,9}):)?(nx1\..*)").fullmatch
_BEGINNINGS = ("bngx", *(b64encode(mark.encode())[:1].decode() for mark in "!0123456789"))
"""How base64 of an envelope may begin, marked or not: nearly all of Google's own begin otherwise."""


class Carried(Struct, frozen=True):
    """One block of reasoning state found in a signature. `length` is that of its text; None when it is not told."""

    opaque: Opaque
    redacted: bool = False
    length: int | None = None


def native(opaque: Opaque | None) -> str | None:
    """The signature of a part for a Gemini client: Google's own as it is, any other's in its envelope."""
    if opaque is None:
        return None
    return opaque.payload if opaque.origin == ORIGIN else carry((Thinking(text="", signature=opaque),))


def carry(blocks: Sequence[Thinking]) -> str | None:
    """The signature that carries the state of these blocks; None when they have none."""
    states = [block for block in blocks if block.signature is not None]
    if len(states) == 1 and states[0].signature is not None and states[0].signature.origin == ORIGIN:
        return states[0].signature.payload
    sealed = [_seal(block) for block in states]
    return b64encode(" ".join(sealed).encode()).decode() if sealed else None


def _seal(block: Thinking) -> str:
    text = envelope.seal(block.signature) if block.signature is not None else ""
    return (_REDACTED if block.redacted else f"{len(block.text)}:") + text


def opened(signature: str) -> tuple[Carried, ...]:
    """The foreign state that a client's signature carries; none for Google's own."""
    if len(signature) > MAX_CARRIED or not signature.startswith(_BEGINNINGS):
        return ()
    try:
        text = b64decode(signature + "==").decode()  # an envelope is the same in both alphabets
    except (binascii.Error, ValueError):
        return ()
    found = []
    for sealed in text.split(" "):
        token = _TOKEN(sealed)
        opaque = envelope.unseal(token[3]) if token is not None else None
        if token is not None and opaque is not None:
            found.append(Carried(opaque, token[1] is not None, int(token[2]) if token[2] else None))
    return tuple(found)


class _Part(Struct, frozen=True, rename="camel", gc=False):
    thought_signature: str | None = None
    function_call: dict[str, Raw] | None = None


class _Content(Struct, frozen=True, gc=False):
    parts: list[_Part] = []


class _Contents(Struct, frozen=True, gc=False):
    contents: list[_Content] = []


_contents = msgspec.json.Decoder(_Contents).decode


def any_foreign(body: bytes, *, unsigned: bool) -> bool:
    """Whether a request with one spelling of every key has turns of another's model: state in an envelope, or, where
    `unsigned` counts, a first call without any."""
    if b'"thoughtSignature"' not in body and not (unsigned and b'"functionCall"' in body):
        return False
    try:
        contents = _contents(body).contents
    except msgspec.ValidationError:
        return False  # another shape that Google takes; it has no calls
    for content in contents:
        if any(opened(part.thought_signature) for part in content.parts if part.thought_signature is not None):
            return True
        first = next((part for part in content.parts if part.function_call is not None), None)
        if unsigned and first is not None and first.thought_signature is None:
            return True
    return False


def own(signature: str) -> Opaque:
    """A signature that a client sent back, taken as Google's own."""
    return Opaque(ORIGIN, "", signature)
