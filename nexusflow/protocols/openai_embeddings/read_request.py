"""A client's OpenAI embeddings request as a canonical call."""

import msgspec

from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.openai_embeddings import inputs
from nexusflow.protocols.openai_embeddings.identity_request import KNOWN
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.wire import jsonedit

_decode = msgspec.json.Decoder(EmbeddingRequest).decode


def read(body: bytes, *, model: str) -> EmbeddingCall:
    """The call, under the name `model`. Raises `RequestRefused` (E-PARAM) for a body that `validate` would refuse."""
    try:
        request = _decode(body)
    except msgspec.DecodeError as error:
        raise refuse(Kind.PARAM, f"the body is not an embeddings request: {error}") from None
    inputs.count(request)
    found = inputs.contents(request)
    lone = isinstance(request.input, str) or not isinstance(request.input[0], str | list)
    others = {name: value for name, value in jsonedit.split(body).items() if name not in KNOWN}
    return EmbeddingCall(
        origin="openai/embeddings",
        model=model,
        inputs=tuple(
            Input(
                content=content,
                dimensions=request.dimensions,
                task_type=request.task_type,
                title=request.title,
                path="input" if lone else f"input[{at}]",
            )
            for at, content in enumerate(found)
        ),
        batch=not lone,
        encoding=request.encoding_format or "float",
        user=request.user,
        ext=others or None,
    )
