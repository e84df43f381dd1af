"""Counting tokens: words and punctuation marks, one each. Simple, stated, and it adds up."""

import json
import re
from typing import Any

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count(text: str) -> int:
    """How many words and punctuation marks `text` has."""
    return len(_TOKEN.findall(text))


def pieces(text: str) -> list[str]:
    """`text` cut into as many pieces as it has tokens, each with the white space before it; joined they are `text`."""
    ends = [found.end() for found in _TOKEN.finditer(text)]
    if not ends:
        return [text] if text else []
    ends[-1] = len(text)
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def count_prompt(body: dict[str, Any]) -> int:
    """Tokens of everything a request gives the model: messages, tools and schema; an image counts 85."""
    total = 0
    for message in body.get("messages", ()):
        total += 3 + _count_content(message.get("content"))
        if message.get("tool_calls"):
            total += count(json.dumps(message["tool_calls"]))
    for name in ("tools", "response_format"):
        if body.get(name):
            total += count(json.dumps(body[name]))
    return total


def _count_content(content: Any) -> int:
    if isinstance(content, str):
        return count(content)
    if not isinstance(content, list):
        return 0
    return sum(85 if part.get("type") == "image_url" else count(str(part.get("text", ""))) for part in content)
