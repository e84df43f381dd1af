"""Self-made X.509 certificates, so that TLS can fail in every way without a file or a tool that makes them.

Only what a handshake needs: version 3, RSA with SHA-256, one name. RFC 5280, in DER.
"""

import base64
import hashlib
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

BITS = 2048
EXPONENT = 65537
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_COMMON_NAME = bytes.fromhex("0603550403")
_SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
_KEY_USAGE = bytes.fromhex("0603551d0f")
_SUBJECT_KEY = bytes.fromhex("0603551d0e")
_TRUE = bytes.fromhex("0101ff")


class RsaKey:
    """A private key."""

    def __init__(self) -> None:
        self.p, self.q = _prime(BITS // 2), _prime(BITS // 2)
        self.n = self.p * self.q
        self.d = pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))

    def sign(self, data: bytes) -> bytes:
        """PKCS #1 version 1.5 with SHA-256."""
        digest = _SHA256_PREFIX + hashlib.sha256(data).digest()
        size = BITS // 8
        padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
        return pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(size, "big")

    def pem(self) -> str:
        """PKCS #1."""
        p, q, d = self.p, self.q, self.d
        numbers = (0, self.n, EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
        return _pem("RSA PRIVATE KEY", _sequence(*map(_integer, numbers)))


@dataclass(frozen=True, slots=True)
class Identity:
    """What a self-signed certificate says: its own name, the IPv4 address it is for, and in how many days it ends."""

    name: str
    address: str = "127.0.0.1"
    days: int = 30


def certificate(key: RsaKey, identity: Identity) -> str:
    """A self-signed certificate as PEM, with the extensions that strict verification wants of a root."""
    now = datetime.now(UTC)
    name = _sequence(_tlv(0x31, _sequence(_COMMON_NAME, _tlv(0x0C, identity.name.encode()))))
    modulus = _sequence(_integer(key.n), _integer(EXPONENT))
    alternatives = _sequence(_tlv(0x87, bytes(map(int, identity.address.split(".")))))
    extensions = _sequence(
        _sequence(_BASIC_CONSTRAINTS, _TRUE, _tlv(0x04, _sequence(_TRUE))),
        _sequence(_KEY_USAGE, _TRUE, _tlv(0x04, bytes.fromhex("03020284"))),
        _sequence(_SUBJECT_KEY, _tlv(0x04, _tlv(0x04, hashlib.sha1(modulus, usedforsecurity=False).digest()))),
        _sequence(_SUBJECT_ALT_NAME, _tlv(0x04, alternatives)),
    )
    validity = _sequence(_time(now - timedelta(days=400)), _time(now + timedelta(days=identity.days)))
    body = _sequence(
        _tlv(0xA0, _integer(2)),
        _integer(secrets.randbits(63) | 1),
        _SHA256_WITH_RSA,
        name,
        validity,
        name,
        _sequence(_RSA, _bits(modulus)),
        _tlv(0xA3, extensions),
    )
    return _pem("CERTIFICATE", _sequence(body, _SHA256_WITH_RSA, _bits(key.sign(body))))


def server_context(file: Path, key: RsaKey, certificate_pem: str) -> ssl.SSLContext:
    """A TLS server with this certificate; `file` is where it may put both."""
    file.write_text(key.pem() + certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _prime(bits: int) -> int:
    while True:
        candidate = secrets.randbits(bits) | 1 | 3 << (bits - 2)
        if _is_prime(candidate) and candidate % EXPONENT != 1:
            return candidate


def _is_prime(number: int, small: Sequence[int] = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)) -> bool:
    """Fermat's test to several bases: enough for a key that lives as long as a test."""
    return all(number % prime for prime in small) and all(pow(base, number - 1, number) == 1 for base in (2, *small))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _integer(number: int) -> bytes:
    return _tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return _tlv(0x03, b"\0" + content)


def _time(moment: datetime) -> bytes:
    return _tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def _pem(title: str, der: bytes) -> str:
    return f"-----BEGIN {title}-----\n{base64.encodebytes(der).decode()}-----END {title}-----\n"
