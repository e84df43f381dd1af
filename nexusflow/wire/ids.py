"""Request ids: 26 characters, sortable by time, never taken from the caller (C-24)."""

import random
import time
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def request_id() -> str:
    """A ULID: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32."""
    # The module's generator is seeded by the system and anew in every forked worker; ids need no more secrecy.
    rest = random.getrandbits(80)
    pair = _PAIRS
    low, high = rest & 0xFF_FFFF_FFFF, rest >> 40
    return (
        _spell_time(time.time_ns() // 1_000_000)
        + (pair[high >> 30] + pair[high >> 20 & 1023] + pair[high >> 10 & 1023] + pair[high & 1023])
        + (pair[low >> 30] + pair[low >> 20 & 1023] + pair[low >> 10 & 1023] + pair[low & 1023])
    )


@lru_cache(maxsize=4)
def _spell_time(milliseconds: int) -> str:
    """Ten characters; many requests begin in one millisecond."""
    return "".join([_PAIRS[(milliseconds >> shift) & 1023] for shift in range(40, -1, -10)])
