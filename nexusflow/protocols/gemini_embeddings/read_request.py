"""A client's Gemini embeddings request as a canonical call."""

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Ext
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.gemini.wire import several
from nexusflow.protocols.gemini_embeddings.wire import EmbedContent, Options
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_UNSPECIFIED = "TASK_TYPE_UNSPECIFIED"
_KNOWN = frozenset(EmbedContent.__struct_fields__)
_OPTIONS = frozenset(Options.__struct_fields__)
_decode_requests = msgspec.json.Decoder(list[Fields]).decode


def read(requests: list[EmbedContent], fields: Fields, *, model: str) -> EmbeddingCall:
    """The call under the name `model`, from what `identity_request.validate` and `parse` returned.

    Raises `RequestRefused` (E-PARAM) for a content with anything but text: only Gemini's own models embed media.
    """
    batch = "requests" in fields
    prefix = "requests[]." if batch else ""
    raw = _decode_requests(fields["requests"]) if batch else [fields]
    ext: Ext = {name: value for name, value in fields.items() if name != "requests"} if batch else {}
    for item in raw:
        ext.update({prefix + name: value for name, value in _others(item).items()})
    return EmbeddingCall(
        origin="google/embed-content",
        model=model,
        inputs=tuple(_input(request, f"requests[{at}]" if batch else "content") for at, request in enumerate(requests)),
        batch=batch,
        names={
            "dimensions": prefix + "outputDimensionality",
            "task_type": prefix + "taskType",
            "title": prefix + "title",
        },
        ext=ext or None,
    )


def _input(request: EmbedContent, path: str) -> Input:
    inner = request.embedContentConfig or Options()
    task = request.taskType or inner.taskType
    return Input(
        content=_text(request, path if path == "content" else f"{path}.content"),
        dimensions=request.dimensions,
        task_type=None if task == _UNSPECIFIED else task,
        title=request.title or inner.title,
        path=path,
    )


def _text(request: EmbedContent, path: str) -> str:
    """The texts of all parts, joined as Google itself does: without anything between."""
    parts = several(request.content.parts)
    for at, part in enumerate(parts):
        if part.text is None:
            where = f"{path}.parts[{at}]"
            message = f"`{where}` is no text; the provider of this model embeds text only"
            raise refuse(Kind.PARAM, message, param=where, code="unsupported_content")
    return "".join(part.text or "" for part in parts)


def _others(request: Fields) -> dict[str, Raw]:
    """Fields of one request that have no canonical place."""
    found = {name: value for name, value in request.items() if name not in _KNOWN}
    inner = request.get("embedContentConfig")
    if inner is not None and bytes(inner) != b"null":
        config = jsonedit.split(bytes(inner))
        found.update({f"embedContentConfig.{name}": config[name] for name in sorted(config.keys() - _OPTIONS)})
    return found
