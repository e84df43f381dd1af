"""What a key looks like: known beginnings, and text too random to be a word (SEC-60)."""

import math
import re
from collections import Counter

SHORTEST = 20
"""Characters below which text without a known beginning is not taken for a key."""
MOST_BITS = 3.5
"""Bits of Shannon entropy per character; words and dates that are left after splitting stay below."""

_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[\w-]{12,}|xai-[\w-]{16,}|gsk_\w{16,}|AIza[\w-]{16,}|gh[oprsu]_\w{16,}|github_pat_\w{16,}|hf_[A-Za-z0-9]{16,}"
    r"|nvapi-[\w-]{16,}|pplx-\w{16,}|r8_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,})"
    r"|(?i:\b(?:bearer|basic|token)\s+\S{8,})|-----BEGIN "
)
_NAMED = re.compile(r"key|token|secret|auth|passw|credential|cookie|session|signature", re.IGNORECASE)
_IDENTIFIER = re.compile(r"(?:org|proj|project|team|tenant|user|acct|account|ws|wrkspc)[-_]", re.IGNORECASE)
_CHUNKS = re.compile(r"[\s,;:=\"'()/?&@]+")
_PARTS = re.compile(r"[^A-Za-z0-9]+")
_WORD = re.compile(r"[A-Za-z]{1,20}|[0-9]{1,10}|.{1,8}")
_PLAIN = re.compile(r"[A-Za-z]{1,20}|[0-9]{1,10}")


def looks_like_key(text: str, field: str = "") -> bool:
    """Whether `text` is most likely a secret. `field` is the name it stands under: one that speaks of secrets makes
    identifiers suspicious too, which are otherwise as random as keys (an organization, a project, a UUID)."""
    if _KNOWN.search(text):
        return True
    named = _NAMED.search(field) is not None
    return any(_random(chunk, named) for chunk in _CHUNKS.split(text) if len(chunk) >= SHORTEST)


def _random(chunk: str, named: bool) -> bool:
    """Whether what is left of a chunk without its words, dates and version numbers is long and random."""
    if not named and _IDENTIFIER.match(chunk):
        return False
    word = _PLAIN if named else _WORD
    rest = "".join(part for part in _PARTS.split(chunk) if not word.fullmatch(part))
    return len(rest) >= SHORTEST and bits(rest) > MOST_BITS


def bits(text: str) -> float:
    """Shannon entropy of a text, in bits per character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
