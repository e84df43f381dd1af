"""Counting a prompt, `POST /v1/responses/input_tokens`: asked by a client, and of a provider (protocols 1.9)."""

from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.openai_responses import read_request, write_request

PATH = "/responses/input_tokens"
"""Appended to the provider's base URL."""


class _Count(Struct, frozen=True):
    input_tokens: int


_count = msgspec.json.Decoder(_Count).decode


def read(body: bytes, *, model: str) -> ChatCall:
    """A client's question as the call that it would be; it may have no input at all. Raises `RequestRefused`."""
    return read_request.read(body, model=model, stream=False, needs_input=False)


def write(tokens: int) -> bytes:
    """The answer to a client."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


def ask(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The question to a provider. Raises `RequestRefused` as a request for an answer would."""
    body: dict[str, Any] = {"model": to.model, **write_request.prompt(call, to, losses)}
    return msgspec.json.encode(body)


def answer(body: bytes) -> int:
    """A provider's answer: how many tokens the prompt has. Raises `RequestRefused` (E-UPSTREAM)."""
    try:
        return _count(body).input_tokens
    except msgspec.DecodeError:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a token count.") from None
