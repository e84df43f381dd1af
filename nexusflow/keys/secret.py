"""The secret itself: its format, its checksum, and the keyed digest that stands for it in the database."""

import hashlib
import re
import secrets
import zlib
from collections.abc import Callable

SCHEME = "sk-air-"
PREFIX_LENGTH = 11  # the scheme and four characters, for display (SEC-53)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BYTES = 32
_BODY = 43  # base-62 digits that 32 bytes need
_CHECK = 6  # base-62 digits that a CRC32 needs
_SHAPE = re.compile(rf"{SCHEME}[0-9A-Za-z]{{{_BODY + _CHECK}}}")
_SHA256_BLOCK = 64


def new_secret(scheme: str = SCHEME) -> str:
    """A fresh key: `sk-air-`, 32 random bytes in base 62, and a checksum (SEC-50). 56 characters."""
    body = scheme + _base62(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES)), _BODY)
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether `text` has the form of a key and its checksum fits: rejects a mistyped key without any database."""
    return _SHAPE.fullmatch(text) is not None and text[-_CHECK:] == _checksum(text[:-_CHECK])


def digester(pepper: bytes) -> Callable[[bytes], bytes]:
    """The function from a key to HMAC-SHA-256(pepper, key), 32 bytes (SEC-51).

    A slow hash would protect a guessable password; a key has 256 random bits. The two padded blocks of RFC 2104 are
    hashed once here: copying them costs 1 µs for a call where `hmac.digest` costs 2.7 µs. `pepper` may have at most
    64 bytes.
    """
    padded = pepper.ljust(_SHA256_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(key: bytes) -> bytes:
        inside = inner.copy()
        inside.update(key)
        outside = outer.copy()
        outside.update(inside.digest())
        return outside.digest()

    return digest


def _checksum(body: str) -> str:
    # Over the scheme too: a CRC32 sees any change within 32 adjacent bits, so any one changed character.
    return _base62(zlib.crc32(body.encode("ascii")), _CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
