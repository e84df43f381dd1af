"""Counting a prompt's tokens: `POST /v1/messages/count_tokens`, both sides (protocols 1.9)."""

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.anthropic import errors, read_request, write_request
from nexusflow.protocols.anthropic.identity_request import check_prompt
from nexusflow.protocols.anthropic.wire import PromptRequest
from nexusflow.protocols.common import checks
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

PATH = "/v1/messages/count_tokens"
MONEY_FIELDS = ("model",)
MEMBERS = frozenset(PromptRequest.__struct_fields__)
"""What a request to count may have; the rest of a Messages request does not change the count."""


class _Answer(Struct, frozen=True):
    input_tokens: int | None = None
    error: Raw = Raw()


_decoder = msgspec.json.Decoder(PromptRequest)
_answer = msgspec.json.Decoder(_Answer).decode


def validate(body: bytes, model: Model, bounds: RequestBounds) -> PromptRequest:
    """A client's request, which is a Messages request without `max_tokens`. Raises `RequestRefused`."""
    request = checks.decode(body, _decoder, model)
    check_prompt(request, model, bounds)
    return request


def prepare(fields: Fields, upstream_model: Raw) -> bytes:
    """The body for a provider of the same protocol: its own model name, all else byte for byte."""
    fields["model"] = upstream_model
    return jsonedit.join(fields)


def read(body: bytes, *, model: str) -> ChatCall:
    """A client's request as the call that it would be."""
    return read_request.read(body, model=model, stream=False)


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The request for a provider: the prompt of the call as it would be sent, and nothing else."""
    fields = jsonedit.split(write_request.write(call, to, losses))
    return jsonedit.join({name: value for name, value in fields.items() if name in MEMBERS})


def read_answer(body: bytes) -> int:
    """A provider's count. Raises `RequestRefused` (E-UPSTREAM) for an answer that is none."""
    try:
        found = _answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a count of tokens.") from None
    if found.error and bytes(found.error) != b"null":
        raise RequestRefused(errors.read_in_band(bytes(found.error)))
    if found.input_tokens is None:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a count of tokens.")
    return found.input_tokens


def write_answer(input_tokens: int) -> bytes:
    """The count for a client."""
    return msgspec.json.encode({"input_tokens": input_tokens})
