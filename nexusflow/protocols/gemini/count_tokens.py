"""`:countTokens`: what a prompt would cost, as a client asks it and as a provider is asked (protocols 1.9)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.gemini import errors, identity_request, usage, write_request
from nexusflow.protocols.gemini.read_request import read_fields
from nexusflow.protocols.gemini.reply_wire import ABSENT, some
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_WHOLE = "generateContentRequest"
_COUNTED = frozenset(("contents", "systemInstruction", "tools", "toolConfig", "cachedContent"))


class _Answer(Struct, frozen=True):
    totalTokens: int | None = None
    cachedContentTokenCount: int | None = None
    promptTokensDetails: Raw = ABSENT
    cacheTokensDetails: Raw = ABSENT
    error: Raw = ABSENT


_decode = msgspec.json.Decoder(_Answer).decode


def read(body: bytes, *, model: str) -> ChatCall:
    """The canonical call of either form, without what says how to answer.

    Raises `RequestRefused` naming the caller's own field.
    """
    _, fields = identity_request.parse(body)
    asked = {name: value for name, value in _asked(fields).items() if name in _COUNTED}
    return read_fields(asked, model=model, stream=False)


def _asked(fields: Fields) -> Fields:
    whole = raws.optional(fields, _WHOLE)
    if whole is None:
        return fields
    if raws.optional(fields, "contents") is not None:
        raise refuse(Kind.PARAM, f"give `contents` or `{_WHOLE}`, not both", param="contents")
    return raws.obj(whole, _WHOLE)


def write_answer(counted: Usage) -> bytes:
    """The client's answer: all input tokens, with those that a cache holds and the split by modality."""
    told: Mapping[str, Any] = usage.write(counted)
    found: dict[str, Any] = {"totalTokens": counted.total_input}
    for name in ("cachedContentTokenCount", "promptTokensDetails", "cacheTokensDetails"):
        if name in told:
            found[name] = told[name]
    return msgspec.json.encode(found)


def path(to: Destination) -> str:
    """What follows the provider's base URL."""
    return f"{write_request.resource(to)}:countTokens"


def write(call: ChatCall, to: Destination, losses: Losses) -> bytes:
    """The body for a provider. Raises `RequestRefused` for what cannot be carried over."""
    conversation = write_request.conversation(call, to, losses)
    model = bytes(identity_request.resource(jsonedit.text(to.model)))
    return msgspec.json.encode({_WHOLE: {"model": Raw(model), **conversation}})


def read_answer(body: bytes) -> Usage:
    """What a provider counted. Raises `RequestRefused` for anything but a count."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a count of tokens.") from None
    if some(answer.error) is not None:
        raise RequestRefused(errors.read_in_band(bytes(answer.error)))
    if answer.totalTokens is None:
        raise refuse(Kind.UPSTREAM, "The provider's answer holds no count of tokens.")
    told: dict[str, Any] = {"promptTokenCount": answer.totalTokens}
    if answer.cachedContentTokenCount is not None:
        told["cachedContentTokenCount"] = answer.cachedContentTokenCount
    for name in ("promptTokensDetails", "cacheTokensDetails"):
        if some(getattr(answer, name)) is not None:
            told[name] = getattr(answer, name)
    return usage.read(told)
