"""The estimate for an embeddings request: the weight of its texts; tokens that the caller counted are exact."""

from nexusflow.ir.embeddings import EmbeddingCall
from nexusflow.ir.usage import Usage
from nexusflow.tokens.text import tokens, weigh

PER_INPUT = 2
"""Marks that tokenizers put around each input."""


def estimate(call: EmbeddingCall) -> int:
    """How many tokens the inputs may come to."""
    total = 0
    for item in call.inputs:
        content = item.content
        total += PER_INPUT + (tokens(weigh(content)) if isinstance(content, str) else len(content))
        if item.title:
            total += tokens(weigh(item.title))
    return total


def estimated_usage(call: EmbeddingCall) -> Usage:
    """The estimate as a usage record that says so, for an answer that came without one (protocols 4.2)."""
    return Usage(input_text=estimate(call), source="estimated")
