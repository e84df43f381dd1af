"""Typed wire forms of Gemini embeddings. Source: Google's `embedContent` reference and SDK of November 2026.

Bodies pass through `gemini.keys` with `SINGLE` or `BATCH` first, so that only camelCase arrives here.
"""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from nexusflow.protocols.gemini.keys import Shape
from nexusflow.protocols.gemini.wire import Content

MAX_BATCH = 100
"""How many contents one `:batchEmbedContents` may carry."""

SINGLE: Shape = {"content": {"parts": {"inlineData": {}, "fileData": {}}}, "embedContentConfig": {}}
BATCH: Shape = {"requests": SINGLE}


class Options(Struct, frozen=True, kw_only=True):
    """What may stand beside the content, or inside `embedContentConfig`."""

    taskType: str | None = None
    title: str | None = None
    outputDimensionality: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class EmbedContent(Options, frozen=True, kw_only=True):
    """The body of `:embedContent`, and one request of a batch."""

    content: Content
    model: str | None = None
    embedContentConfig: Options | None = None

    @property
    def dimensions(self) -> int | None:
        """The wanted length of the vector, from where it stands."""
        inner = self.embedContentConfig
        return self.outputDimensionality or (inner.outputDimensionality if inner else None)


class BatchEmbedContents(Struct, frozen=True, kw_only=True):
    """The body of `:batchEmbedContents`."""

    requests: Annotated[list[EmbedContent], Meta(min_length=1)]


class ContentEmbedding(Struct, frozen=True, gc=False):
    """One vector of an answer."""

    values: Raw


class EmbeddingAnswer(Struct, frozen=True):
    """The members of both answers that we read."""

    embedding: ContentEmbedding | None = None
    embeddings: list[ContentEmbedding] | None = None
    usageMetadata: Any = None
    error: Any = None
