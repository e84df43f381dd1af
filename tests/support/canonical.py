"""A small neutral value of a chat answer, and who reads which recording into it.

The readings in `tests/support/naive` were written from the vendors' documentation alone and import nothing of the
gateway: slow, without streaming and without any cleverness, so that they are wrong in other ways than it may be.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.support.corpus import Exchange
from tests.support.naive import anthropic, chat, gemini, responses
from tests.support.naive.values import Reading

CHAT = "openai/chat-completions"
RESPONSES = "openai/responses"
MESSAGES = "anthropic/messages"
GEMINI = "google/generate-content"
PROTOCOLS = (CHAT, RESPONSES, MESSAGES, GEMINI)
FOLDERS = {
    "openai-chat": CHAT,
    "openai-responses": RESPONSES,
    "anthropic-messages": MESSAGES,
    "gemini-generate": GEMINI,
    "gemini-stream": GEMINI,
}
"""The folders of recordings that hold chats, and the protocol of each."""

_BODIES: dict[str, Callable[[Any], Reading]] = {
    CHAT: chat.of_body,
    RESPONSES: responses.of_body,
    MESSAGES: anthropic.of_body,
    GEMINI: gemini.of_body,
}
_STREAMS: dict[str, Callable[[bytes], Reading]] = {
    CHAT: chat.of_stream,
    RESPONSES: responses.of_stream,
    MESSAGES: anthropic.of_stream,
    GEMINI: gemini.of_stream,
}


def read_body(protocol: str, body: Any) -> Reading:
    """The reading of a decoded JSON answer."""
    return _BODIES[protocol](body)


def read_stream(protocol: str, body: bytes) -> Reading:
    """The reading of a whole stream."""
    return _STREAMS[protocol](body)


def read(exchange: Exchange) -> Reading:
    """The reading of a recorded answer with status 200."""
    protocol = FOLDERS[exchange.protocol]
    if exchange.stream:
        return read_stream(protocol, exchange.response.data)
    return read_body(protocol, exchange.response.json())


def squeezed(reading: Reading) -> Reading:
    """The same with all white space taken out of the thinking: where summaries join is nobody's promise."""
    answers = tuple(replace(answer, thinking="".join(answer.thinking.split())) for answer in reading.answers)
    return replace(reading, answers=answers)
