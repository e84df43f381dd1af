"""The gateway's bridge as the conformance tests drive it: each protocol's reader and writer, with nothing between."""

from collections.abc import Iterable

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Origin, Reasoning, Text, Turn
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.events import Event, Failed
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.anthropic import usage as messages_usage
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.protocols.gemini import usage as gemini_usage
from nexusflow.protocols.openai_chat import usage as chat_usage
from nexusflow.protocols.openai_responses import usage as responses_usage
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES

USAGE = {CHAT: chat_usage, RESPONSES: responses_usage, MESSAGES: messages_usage, GEMINI: gemini_usage}
RESPONSE_ID = "0123456789abcdefghijklmnop"
CREATED = 1_700_000_000
PUBLIC_MODEL = "acme/chat"
UPSTREAM = Destination(model="upstream-model", family="upstream", capabilities=Capabilities())


def asked(client: Origin, *, stream: bool = False) -> Asked:
    """A client that wants to see everything its protocol can show."""
    call = ChatCall(
        origin=client,
        model=PUBLIC_MODEL,
        turns=(Turn(role="user", parts=(Text(text="Hello"),)),),
        reasoning=Reasoning(expose="full"),
        stream=stream,
        include_usage=stream,
    )
    return Asked(call=call, model=PUBLIC_MODEL, response_id=RESPONSE_ID, created=CREATED)


def read_reply(protocol: Origin, body: bytes) -> ChatReply:
    """A provider's whole answer. Raises `RequestRefused`."""
    return DIALECTS[protocol].read_reply.read(body, UPSTREAM)


def read_stream(protocol: Origin, pieces: Iterable[bytes]) -> list[Event]:
    """A provider's stream, cut as `pieces` are, to its end."""
    reader = DIALECTS[protocol].read_stream(UPSTREAM)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def write_reply(client: Origin, reply: ChatReply) -> bytes:
    """The whole answer as `client` gets it. Raises `RequestRefused`."""
    return DIALECTS[client].write_reply.write(reply, asked(client), Losses())


def write_stream(client: Origin, events: Iterable[Event]) -> bytes:
    """The stream as `client` gets it; what its protocol has no form for breaks it, as in the running gateway."""
    writer = DIALECTS[client].write_stream(asked(client, stream=True))
    frames = b""
    for event in events:
        try:
            frames += writer.feed(event)
        except RequestRefused as refused:
            return frames + writer.feed(Failed(refused.problem))
    return frames
