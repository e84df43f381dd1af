"""A client's embeddings request: checked against the model's struct, then rewritten for an OpenAI-shaped provider."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.plan import Model
from nexusflow.protocols.common import checks, dimensions
from nexusflow.protocols.openai_embeddings import inputs
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(EmbeddingRequest.__struct_fields__)
MONEY_FIELDS = ("model", "input", "dimensions", "encoding_format")

_FLOAT = Raw(b'"float"')


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model) -> EmbeddingRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    request: EmbeddingRequest = checks.decode(body, decoder, model)
    inputs.count(request)
    if model.allowed:
        checks.check_allowed(request, model)
    return request


def prepare(
    request: EmbeddingRequest, fields: Fields, model: Model, upstream_model: Raw, capabilities: Capabilities
) -> bytes:
    """The body for the provider: its own model name and our defaults; all else byte for byte.

    A provider that cannot answer in base64 is asked for floats, and `identity_reply` packs them: the official SDKs
    always ask for base64 (T111). `fields` is changed in place, as in chat. Raises `RequestRefused` (E-PARAM) for a
    length of vector that the lane's model cannot make.
    """
    dimensions.check(request.dimensions, "dimensions", capabilities)
    fields["model"] = upstream_model
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    for name, value in model.defaults.items():
        fields.setdefault(name, value)
    if request.encoding_format == "base64" and not capabilities.base64_embeddings:
        fields["encoding_format"] = _FLOAT
    return jsonedit.join(fields)
