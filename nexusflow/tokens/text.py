"""The weight of text, by classes of its UTF-8 bytes; linear time, no regular expressions.

| what                                                        | tokens |
|-------------------------------------------------------------|--------|
| each unbroken run of ASCII letters and digits               | 7/8    |
| each lower-case ASCII letter                                | 1/8    |
| each upper-case ASCII letter                                | 3/8    |
| each digit (several tokenizers give each its own token)     | 1      |
| each other visible ASCII character                          | 7/8    |
| each line feed                                              | 1/2    |
| each other ASCII space or control character                 | 1/16   |
| each byte of a non-ASCII character (Cyrillic 2, Chinese 3)  | 1/2    |
| each byte of a run beyond its 16th (keys, hashes, base64)   | 1/2    |

Text that is appended never lowers the weight.
"""

import string

METHOD = "byte-classes-1"
"""The name of these rules and those of `media` and `chat`."""

UNIT = 16
"""Weights are whole sixteenths of a token, so that sums are exact."""
LONG_RUN = 16

_LOWER = string.ascii_lowercase.encode()
_UPPER = string.ascii_uppercase.encode()
_DIGITS = string.digits.encode()
_VISIBLE = string.punctuation.encode()
_ASCII = bytes(range(128))
_RUNS = bytes(byte if byte in _LOWER + _UPPER + _DIGITS else 0x20 for byte in range(256))
_PER_RUN = 14
_PER_EXCESS = 8
_PER_LINE = 8
_PER_SPACE = 1
_PER_FOREIGN = 8
_CLASSES = ((_LOWER, 2), (_UPPER, 6), (_DIGITS, 16), (_VISIBLE, 14))


def weigh(text: str | bytes) -> int:
    """The weight in sixteenths of a token; bytes are taken as UTF-8."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    rest = size = len(raw)
    weight = 0
    for members, each in _CLASSES:
        count = size - len(raw.translate(None, members))
        rest -= count
        weight += count * each
    foreign = len(raw.translate(None, _ASCII))
    lines = raw.count(b"\n")
    runs = raw.translate(_RUNS).split()
    excess = sum([len(run) - LONG_RUN for run in runs if len(run) > LONG_RUN])
    weight += len(runs) * _PER_RUN + excess * _PER_EXCESS
    return weight + lines * _PER_LINE + foreign * _PER_FOREIGN + (rest - foreign - lines) * _PER_SPACE


def tokens(weight: int) -> int:
    """Whole tokens of a weight, rounded up."""
    return -(-weight // UNIT)
