"""A canonical embeddings call as `:batchEmbedContents` requests."""

from typing import Any
from urllib.parse import quote

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import dimensions
from nexusflow.protocols.gemini_embeddings.wire import MAX_BATCH


def path(to: Destination) -> str:
    """Appended to the provider's base URL, which is the bare host."""
    return f"/v1beta/models/{quote(to.model, safe='')}:batchEmbedContents"


def write(call: EmbeddingCall, to: Destination, losses: Losses) -> list[bytes]:
    """The bodies to send, in order: several when there are more inputs than one batch may carry.

    Always batches, as Google's own SDK sends, so that one reader serves every call. Raises `RequestRefused` (E-PARAM):
    tokens, which only the model that numbered them can read, or a length of vector that the model cannot make.
    """
    for item in call.inputs:
        if not isinstance(item.content, str):
            message = f"`{item.path}` is an array of tokens; the provider of this model takes text only"
            raise refuse(Kind.PARAM, message, param=item.path, code="unsupported_content")
        dimensions.check(item.dimensions, call.spelled("dimensions"), to.capabilities)
    if call.user is not None:
        losses.drop(call.spelled("user"))
    for name in call.ext or ():
        losses.drop(name)
    requests = [_request(item, to) for item in call.inputs]
    return [
        msgspec.json.encode({"requests": requests[at : at + MAX_BATCH]}) for at in range(0, len(requests), MAX_BATCH)
    ]


def _request(item: Input, to: Destination) -> dict[str, Any]:
    request: dict[str, Any] = {"model": f"models/{to.model}", "content": {"parts": [{"text": item.content}]}}
    if item.task_type is not None:
        request["taskType"] = item.task_type.upper()
    if item.title is not None:
        request["title"] = item.title
    if item.dimensions is not None:
        request["outputDimensionality"] = item.dimensions
    return request
