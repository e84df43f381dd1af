"""Request ids: 26 characters, sortable by time, never taken from the caller (C-24)."""

import random
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_random = random.SystemRandom().getrandbits


def request_id() -> str:
    """A ULID: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32."""
    value = (time.time_ns() // 1_000_000) << 80 | _random(80)
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])
