"""Counting tokens: words and punctuation marks, one each. Simple, stated, and it adds up."""

import re

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count(text: str) -> int:
    """How many words and punctuation marks `text` has."""
    return len(_TOKEN.findall(text))


def pieces(text: str) -> list[str]:
    """`text` cut into as many pieces as it has tokens, each with the white space before it; joined they are `text`.

    Nothing but white space is one piece without a token.
    """
    ends = [found.end() for found in _TOKEN.finditer(text)]
    if not ends:
        return [text] if text else []
    ends[-1] = len(text)
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def slices(text: str, number: int) -> list[str]:
    """`text` in `number` parts of about the same length, fewer when it has fewer characters."""
    number = min(number, len(text))
    return [text[len(text) * at // number : len(text) * (at + 1) // number] for at in range(number)]
