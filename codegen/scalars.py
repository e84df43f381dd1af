"""Scalars: what a word of YAML means. The core schema of YAML 1.2, minus numbers that readers disagree on.

PyYAML follows YAML 1.1, where `on`, `1:30`, `012`, `1_000` and `2024-01-01` are a truth value, 90, 10, 1000 and a
date. Here they are text, and so is `012`, which is 10 in 1.1 and 12 in 1.2: the schema then says that a number was
expected, and nobody's bill depends on the reader.
"""

import json
import re

MAX_DIGITS = 400

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SAFE_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")


def resolve(text: str) -> Scalar:
    """The value of an unquoted word. Raises OverflowError when a number has more than MAX_DIGITS characters."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST:
        return text
    if len(text) > MAX_DIGITS and (_FLOAT.fullmatch(text) or _RADIX.fullmatch(text)):
        raise OverflowError(text)
    if _INT.fullmatch(text):
        return int(text)
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def write(value: Scalar) -> str:
    """A word of YAML that reads back as this value: plain where that is safe, else in double quotes."""
    if isinstance(value, str) and _SAFE_PLAIN.fullmatch(value) and resolve(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
