"""A canonical embeddings call as requests to an OpenAI-shaped provider."""

from collections.abc import Sequence
from typing import Any

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import dimensions
from nexusflow.protocols.openai_embeddings.wire import MAX_INPUTS

PATH = "/embeddings"
"""Appended to the provider's base URL, which ends in /v1."""


def write(call: EmbeddingCall, to: Destination, losses: Losses) -> list[bytes]:
    """The bodies to send, in order: several when there are more inputs than one body may carry.

    Raises `RequestRefused` (E-PARAM): inputs want vectors of different lengths, which one request cannot ask for, or
    of a length that the model cannot make.
    """
    first, name = call.inputs[0], call.spelled("dimensions")
    if any(item.dimensions != first.dimensions for item in call.inputs):
        raise refuse(Kind.PARAM, f"`{name}` must be the same for all inputs; this provider takes one", param=name)
    dimensions.check(first.dimensions, name, to.capabilities)
    _report_losses(call, losses)
    return [
        msgspec.json.encode(_body(call, to, call.inputs[at : at + MAX_INPUTS]))
        for at in range(0, len(call.inputs), MAX_INPUTS)
    ]


def _body(call: EmbeddingCall, to: Destination, inputs: Sequence[Input]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": to.model, "input": [item.content for item in inputs]}
    if len(inputs) == 1 and not call.batch:
        body["input"] = inputs[0].content
    packed = call.encoding == "base64" and to.capabilities.base64_embeddings
    body["encoding_format"] = "base64" if packed else "float"
    if inputs[0].dimensions is not None:
        body["dimensions"] = inputs[0].dimensions
    if call.user is not None:
        body["user"] = call.user
    if call.origin == "openai/embeddings":
        body.update(call.ext or {})
    return body


def _report_losses(call: EmbeddingCall, losses: Losses) -> None:
    """Hints that OpenAI has no place for (protocols 1.6), and fields that only the caller's protocol knows."""
    if any(item.task_type is not None for item in call.inputs):
        losses.drop(call.spelled("task_type"))
    if any(item.title is not None for item in call.inputs):
        losses.drop(call.spelled("title"))
    if call.origin != "openai/embeddings":
        for name in call.ext or ():
            losses.drop(name)
