"""Counting tokens: words and punctuation marks, one each. Simple, stated, and it adds up."""

import re
from typing import Any

import msgspec

TOKENS_OF_AN_IMAGE = 85
TOKENS_AROUND_A_MESSAGE = 3

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


def count_prompt(body: dict[str, Any]) -> int:
    """Tokens of everything a request gives the model: messages, tools and schema."""
    total = 0
    for message in body["messages"]:
        total += TOKENS_AROUND_A_MESSAGE + _count_content(message.get("content"))
        if message.get("tool_calls"):
            total += _count_json(message["tool_calls"])
    return total + sum(_count_json(body[name]) for name in ("tools", "response_format") if body.get(name))


def _count_content(content: Any) -> int:
    if isinstance(content, list):
        return sum(
            TOKENS_OF_AN_IMAGE if part["type"] == "image_url" else count(part.get("text") or "") for part in content
        )
    return count(content or "")


def _count_json(value: Any) -> int:
    return count(msgspec.json.encode(value).decode())
