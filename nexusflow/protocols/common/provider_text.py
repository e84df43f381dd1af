"""Words of a provider that may reach a client: without secrets and addresses, on one line, bounded (G56)."""

import re

MAX_PROVIDER_TEXT = 500

_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|key)[-_][A-Za-z0-9_*-]{6,}"
    r"|\b(?:org|proj|acct)[-_][A-Za-z0-9]{8,}"
    r"|\bproject(?:_number:|s/)[A-Za-z0-9-]+"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"
    r"|\bBearer [^\s\"']+"
    r"|https?://[^\s\"'<>]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
)
"""Keys, accounts, tokens, addresses."""
_CONTEXT_WORDS = re.compile(
    r"context.{0,3}(?:length|limit|window)|available context size|maximum (?:context|prompt length)|too many tokens"
    r"|(?:prompt|input) is too long|exceeds? the maximum number of tokens|reduce the length of the messages",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Provider text that is fit for a client."""
    return _SECRET.sub("[redacted]", " ".join(text.split()))[:MAX_PROVIDER_TEXT]


def is_context_overflow(text: str) -> bool:
    """Whether the text says, in any vendor's words, that the prompt is longer than the model can read (2.11)."""
    return _CONTEXT_WORDS.search(text) is not None
