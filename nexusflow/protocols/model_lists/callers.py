"""Whose SDK asks? All of them ask at `GET /v1/models`, and their headers tell them apart (protocols 0.2, 1.8)."""

from collections.abc import Iterable
from typing import Literal

Shape = Literal["openai", "anthropic", "gemini", "union"]


def which(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> Shape:
    """The shape of list that the caller can read; `union` when nothing tells. Header names are in lower case.

    Google's own headers or `?key=` mean Gemini, before `anthropic-version`, before OpenAI's user agent.
    """
    found: Shape = "union"
    for name, value in headers:
        if name in (b"x-goog-api-key", b"x-goog-api-client"):
            return "gemini"
        if name == b"anthropic-version":
            found = "anthropic"
        elif name == b"user-agent" and found == "union" and b"openai" in value.lower():
            found = "openai"
    asks_google = any(part.startswith(b"key=") for part in query.split(b"&"))
    return "gemini" if asks_google else found
