"""Canonical embeddings: texts in, vectors out, without any protocol's wire form (protocols 1.6)."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from nexusflow.ir.chat import Ext
from nexusflow.ir.usage import Usage

EmbeddingOrigin = Literal["openai/embeddings", "google/embed-content"]
Encoding = Literal["float", "base64"]
Vector = bytes | list[float]
"""One embedding: packed little-endian float32, or numbers. It stays as the provider sent it until a client is written,
so that numbers are not spelled anew for nothing."""


class Input(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to embed: a text, or the tokens of one as its model's tokenizer numbers them.

    `task_type` is one of Google's words (`RETRIEVAL_QUERY`), `dimensions` the wanted length of the vector. `path` is
    where the caller wrote it (`requests[3]`).
    """

    content: str | tuple[int, ...]
    dimensions: int | None = None
    task_type: str | None = None
    title: str | None = None
    path: str = ""


class EmbeddingCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One embeddings request. `model` is the caller's name for it.

    `batch` says whether the caller asked in the form for several, which decides the form of the answer where they
    differ. `names` and `ext` are as in `ChatCall`: the caller's spelling of a field, and fields that only `origin` has.
    """

    origin: EmbeddingOrigin
    model: str
    inputs: tuple[Input, ...]
    batch: bool = True
    encoding: Encoding = "float"
    user: str | None = None
    names: dict[str, str] = {}
    ext: Ext | None = None

    def spelled(self, field: str) -> str:
        """The caller's spelling of a canonical field."""
        return self.names.get(field, field)


class EmbeddingReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer. `vectors` stand in the order of the inputs; `usage` is None when the provider reported none."""

    vectors: tuple[Vector, ...]
    model: str | None = None
    usage: Usage | None = None


def join(replies: Sequence[EmbeddingReply]) -> EmbeddingReply:
    """The answers to one call that went out in several bodies, in the order of the bodies.

    The usage is their sum, or None when one of them reported none: half a count would pass for the whole.
    """
    if len(replies) == 1:
        return replies[0]
    counts = [reply.usage.total_input for reply in replies if reply.usage is not None]
    whole = len(counts) == len(replies)
    return EmbeddingReply(
        vectors=tuple(vector for reply in replies for vector in reply.vectors),
        model=replies[0].model,
        usage=Usage(input_text=sum(counts)) if whole else None,
    )
