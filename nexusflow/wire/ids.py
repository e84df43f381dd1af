"""Request ids: 26 characters, sortable by time, never taken from the caller (C-24)."""

import random
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def request_id() -> str:
    """A ULID: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32."""
    # The module's generator is seeded by the system and anew in every forked worker; ids need no more secrecy.
    value = (time.time_ns() // 1_000_000) << 80 | random.getrandbits(80)
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])
