"""Typed wire forms of OpenAI Embeddings. Source: OpenAI's OpenAPI description of August 2026 (protocols 1.6).

As with chat, the request struct lists what we check and leaves everything else alone; artifacts may narrow it.
"""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from nexusflow.ir.embeddings import Encoding

MAX_INPUTS = 2048
"""How many inputs one request may carry."""

Token = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Items = Annotated[list[str | Token | list[Token]], Meta(min_length=1)]


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/embeddings`.

    An `input` list holds texts, or token arrays, or is itself one token array; a mixture is refused after decoding,
    since a type cannot say it. `task_type` and `title` are ours, for providers that embed questions and documents
    differently. A missing `encoding_format` means floats, and so does null, which some clients send.
    """

    model: str
    input: str | Items
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    user: str | None = None
    task_type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    title: str | None = None


class EmbeddingItem(Struct, frozen=True, gc=False):
    """One element of an answer's `data`. The vector is a list of numbers, or base64 in a string."""

    embedding: Raw
    index: Any = None


class UsageReport(Struct, frozen=True):
    """An answer's `usage`. Some providers report `total_tokens` alone."""

    prompt_tokens: int | None = None
    total_tokens: int | None = None


class EmbeddingAnswer(Struct, frozen=True):
    """The members of an answer that we read."""

    data: list[EmbeddingItem] | None = None
    model: str | None = None
    usage: Any = None
    error: Any = None
