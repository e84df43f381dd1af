"""A whole canonical answer as a Responses object (protocols 2.8): the end of the stream that it would have been."""

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.openai_responses.replayed import events
from nexusflow.protocols.openai_responses.write_stream import StreamWriter


def write(reply: ChatReply, asked: Asked, losses: Losses) -> bytes:
    """The response object. Only the first candidate: the protocol has no other.

    Raises `RequestRefused` (E-UPSTREAM) for an answer without anything usable (protocols 2.1.7).
    """
    writer = StreamWriter(asked, losses)
    for event in events(reply):
        writer.feed(event)
    if writer.response is None:
        raise refuse(Kind.UPSTREAM, "The provider's answer is incomplete.")
    return writer.response
