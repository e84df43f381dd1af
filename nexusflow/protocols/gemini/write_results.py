"""Results of tools as function responses for a Gemini provider (protocols 2.1.3)."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import Document, Media, Text, ToolResult
from nexusflow.protocols.common import documents, ids
from nexusflow.protocols.gemini import names
from nexusflow.protocols.gemini.tables import ORIGIN
from nexusflow.protocols.gemini.write_media import MediaWriter

_object = msgspec.json.Decoder(dict[str, Raw]).decode


def response(result: ToolResult, caps: Capabilities, media: MediaWriter) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The `functionResponse` part, and parts that must stand in the turn after it. Raises `RequestRefused`.

    Media go into the response where the model takes them there, else beside it with a placeholder in the text.
    """
    texts: list[str] = []
    inside: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    for part in result.content:
        if isinstance(part, Media):
            if caps.function_response_media:
                inside.append(media.bare(part))
            else:
                beside.append(media.write(part))
                texts.append(f"[{part.kind} {len(beside)} of call {result.call_id}]")
        elif isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, Document):
            texts.append(documents.text_of(part))
        elif part.origin != ORIGIN:
            texts.append(bytes(part.raw).decode())
    found: dict[str, Any] = {}
    if caps.function_call_ids:
        found["id"] = ids.tool_id(result.call_id)
    found["name"] = names.accepted(result.name or result.call_id)
    found["response"] = _object_of("\n".join(texts), is_error=result.is_error)
    if inside:
        found["parts"] = inside
    return {"functionResponse": found}, beside


def _object_of(text: str, *, is_error: bool) -> Raw | dict[str, str]:
    """The response must be an object, and `$ref` in it would be taken for a pointer to a part (T68, T69)."""
    if is_error:
        return {"error": text}
    raw = text.encode("utf-8", "surrogatepass").strip()
    if raw.startswith(b"{") and b"$ref" not in raw and b"\\u0024" not in raw:
        try:
            _object(raw)
            msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {"output": text}
        return Raw(raw)
    return {"output": text}
