"""One embeddings call against one lane, in either of the two protocols that embed."""

from collections.abc import Callable
from dataclasses import dataclass

from nexusflow.flow import attempt
from nexusflow.flow.exchange import Exchange
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingOrigin, EmbeddingReply, join
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialect import Errors
from nexusflow.protocols.gemini import errors as gemini_errors
from nexusflow.protocols.gemini_embeddings import read_reply as gemini_reader
from nexusflow.protocols.gemini_embeddings import write_request as gemini_writer
from nexusflow.protocols.gemini_embeddings.wire import MAX_BATCH
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.protocols.openai_embeddings import read_reply as openai_reader
from nexusflow.protocols.openai_embeddings import write_request as openai_writer
from nexusflow.protocols.openai_embeddings.wire import MAX_INPUTS

OPENAI: EmbeddingOrigin = "openai/embeddings"
GOOGLE: EmbeddingOrigin = "google/embed-content"


@dataclass(frozen=True, slots=True)
class Embedder:
    """The upstream side of one protocol that embeds. A body carries at most `most` inputs."""

    id: EmbeddingOrigin
    errors: Errors
    most: int
    path: Callable[[Destination], str]
    write: Callable[[EmbeddingCall, Destination, Losses], list[bytes]]
    read: Callable[..., EmbeddingReply]


_OPENAI = Embedder(
    OPENAI, openai_errors, MAX_INPUTS, lambda to: openai_writer.PATH, openai_writer.write, openai_reader.read
)
_GOOGLE = Embedder(GOOGLE, gemini_errors, MAX_BATCH, gemini_writer.path, gemini_writer.write, gemini_reader.read)


def embedder(lane: ServedLane, served: ServedModel, client: EmbeddingOrigin) -> Embedder:
    """How to ask `lane`. Raises `RequestRefused` (503) when its provider does not embed."""
    spoken = lane.provider.protocol
    if spoken == "simulator":
        return _OPENAI if client == OPENAI else _GOOGLE
    if spoken == "google/generate-content":
        return _GOOGLE
    if spoken in ("openai/chat-completions", "openai/responses"):
        return _OPENAI
    message = f"`{served.model.id}` is not available: its provider speaks {spoken}, which has no embeddings"
    raise RequestRefused(Problem(kind=Kind.UNAVAILABLE, message=message, param="model", should_retry=False))


async def embed(
    exchange: Exchange, lane: ServedLane, upstream: Embedder, call: EmbeddingCall, bodies: list[bytes]
) -> EmbeddingReply:
    """The vectors of `call`, whose `bodies` were written for `upstream`; sent one after the other."""
    target = lane.at(upstream.path(lane.destination))
    replies = []
    for at, body in enumerate(bodies):
        count = min(upstream.most, len(call.inputs) - at * upstream.most)
        answer = await attempt.fetch(exchange, lane, target, upstream.errors, body)
        replies.append(upstream.read(answer, count=count))
    return join(replies)
