"""What the `input` of an embeddings request holds: one text, texts, one token array, or token arrays."""

from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_embeddings.wire import MAX_INPUTS, EmbeddingRequest

Content = str | tuple[int, ...]


def count(request: EmbeddingRequest) -> int:
    """How many vectors the request asks for.

    Raises `RequestRefused`: a mixture of texts and tokens, an empty token array, or more than `MAX_INPUTS`.
    """
    given = request.input
    if isinstance(given, str):
        return 1
    kind = type(given[0])
    if len(set(map(type, given))) > 1:
        at = next(at for at, item in enumerate(given) if type(item) is not kind)
        message = f"`input[{at}]` is of another kind than `input[0]`; send texts, or tokens, or arrays of tokens"
        raise refuse(Kind.PARAM, message, param=f"input[{at}]", code="invalid_type")
    if kind is int:
        return 1
    if len(given) > MAX_INPUTS:
        raise checks.too_many("input", len(given), MAX_INPUTS)
    if kind is list and [] in given:
        at = given.index([])
        raise refuse(Kind.PARAM, f"`input[{at}]` is an empty token array", param=f"input[{at}]")
    return len(given)


def contents(request: EmbeddingRequest) -> tuple[Content, ...]:
    """Each input in order; `count` has been called."""
    given = request.input
    if isinstance(given, str):
        return (given,)
    if isinstance(given[0], int):
        return (tuple(item for item in given if isinstance(item, int)),)
    return tuple(tuple(item) if isinstance(item, list) else str(item) for item in given)
