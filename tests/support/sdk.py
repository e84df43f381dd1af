"""The official SDKs as parsers: what they make of an answer's bytes, without any socket.

Streams are read with the SDK's own accumulating helper where it has one, since that is what users get.
"""

from functools import cache
from typing import Any

import anthropic
import httpx2
import openai
from google import genai
from google.genai import types

from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.support.naive import anthropic as messages_reading
from tests.support.naive import chat as chat_reading
from tests.support.naive import gemini as gemini_reading
from tests.support.naive import responses as responses_reading
from tests.support.naive.values import Reading

_URL = "http://127.0.0.1:9"
_USER: Any = [{"role": "user", "content": "Hello"}]
_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Transport(httpx2.MockTransport):
    """Answers every request with `content`."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.content = b""
        self.stream = False

    def _answer(self, _request: httpx2.Request) -> httpx2.Response:
        kind = "text/event-stream" if self.stream else "application/json"
        return httpx2.Response(200, headers={"content-type": kind}, content=self.content)


TRANSPORT = Transport()


@cache
def _http() -> httpx2.Client:
    return httpx2.Client(transport=TRANSPORT)


@cache
def _openai() -> openai.OpenAI:
    return openai.OpenAI(base_url=_URL, api_key="none", max_retries=0, http_client=_http())


@cache
def _anthropic() -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=_URL, api_key="none", max_retries=0, http_client=_http())


@cache
def _gemini() -> genai.Client:
    return genai.Client(api_key="none", http_options=types.HttpOptions(base_url=_URL, httpx_client=_http()))


def read_body(protocol: str, body: bytes) -> Reading:
    """What the SDK of `protocol` reads from a unary answer. Raises what it raises."""
    TRANSPORT.content, TRANSPORT.stream = body, False
    match protocol:
        case _ if protocol == CHAT:
            return chat_reading.of_body(_plain(_openai().chat.completions.create(model="m", messages=_USER)))
        case _ if protocol == RESPONSES:
            return responses_reading.of_body(_plain(_openai().responses.create(model="m", input="Hello")))
        case _ if protocol == MESSAGES:
            message = _anthropic().messages.create(model="m", max_tokens=9, messages=_USER)
            return messages_reading.of_body(_plain(message))
        case _ if protocol == GEMINI:
            return gemini_reading.of_body(_gemini_dump(_gemini().models.generate_content(model="m", contents="Hello")))
    raise ValueError(protocol)


def read_stream(protocol: str, body: bytes) -> Reading:
    """What the SDK of `protocol` reads from a stream. Raises what it raises."""
    TRANSPORT.content, TRANSPORT.stream = body, True
    readers = {CHAT: _chat, RESPONSES: _responses, MESSAGES: _messages, GEMINI: _chunks}
    return readers[protocol]()


def _chat() -> Reading:
    with _openai().chat.completions.stream(model="m", messages=_USER) as stream:
        for _event in stream:
            pass
        return chat_reading.of_body(_plain(stream.current_completion_snapshot))


def _responses() -> Reading:
    last: Any = None
    with _openai().responses.stream(model="m", input="Hello") as stream:
        for event in stream:
            if event.type in _TERMINAL:
                last = event.response  # type: ignore[union-attr]  # the terminal events have it
        if last is not None and last.status == "completed":
            last = stream.get_final_response()
    return responses_reading.of_body(_plain(last))


def _messages() -> Reading:
    with _anthropic().messages.stream(model="m", max_tokens=9, messages=_USER) as stream:
        return messages_reading.of_body(_plain(stream.get_final_message()))


def _chunks() -> Reading:
    chunks = _gemini().models.generate_content_stream(model="m", contents="Hello")
    return gemini_reading.of_chunks([_gemini_dump(chunk) for chunk in chunks])


def _plain(parsed: Any) -> Any:
    return parsed.model_dump(mode="json", warnings=False)


def _gemini_dump(parsed: Any) -> Any:
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)
