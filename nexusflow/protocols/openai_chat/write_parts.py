"""Pieces of an answer that its whole and its streamed form share, as a Chat client reads them."""

from collections.abc import Sequence
from typing import Any

from nexusflow.ir.chat import ChatCall, Data, Finish, Logprob, Media, Opaque, Tool, ToolCall, Url
from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common import envelope, ids, media, speech
from nexusflow.protocols.openai_chat.tables import CHAT, WRITTEN

LEGACY = "functions"
"""How a caller spells tools that wants a `function_call` back."""


def failure(finish: Finish) -> Problem | None:
    """The problem of a finish that no Chat client has a word for (2.1.7), else None."""
    if finish.reason not in ("malformed", "empty"):
        return None
    word = finish.raw or finish.reason
    fault = "broke off its answer" if finish.reason == "malformed" else "gave an empty answer"
    return Problem(
        kind=Kind.UPSTREAM,
        message=finish.text or f"The provider {fault}: {word}.",
        code=f"upstream_{finish.reason}:{word}",
    )


def finish_members(finish: Finish, *, legacy: bool) -> dict[str, Any]:
    """`finish_reason`, and what this protocol has no word for as extensions."""
    word = WRITTEN[finish.reason]
    if finish.reason == "refusal" and finish.raw == "stop":
        word = "stop"  # OpenAI's own spelling of a refusal
    if legacy and word == "tool_calls":
        word = "function_call"
    members: dict[str, Any] = {"finish_reason": word}
    if finish.sequence is not None:
        members["stop_sequence"] = finish.sequence
    if finish.raw is not None:
        members["native_finish_reason"] = finish.raw
    return members


def explanation(finish: Finish, *, refused: bool) -> str | None:
    """The provider's words about a filtered answer, for `message.refusal` where the model said none itself."""
    return finish.text if finish.reason in ("refusal", "filter") and not refused else None


def custom_names(call: ChatCall) -> frozenset[str]:
    """The caller's custom tools, whose input other protocols wrap in an object."""
    return frozenset(tool.name for tool in call.tools if isinstance(tool, Tool) and tool.custom)


def tool_call(part: ToolCall, *, custom: bool, given: str) -> dict[str, Any]:
    """A tool call with `given` as its arguments or input."""
    written: dict[str, Any] = {"id": ids.tool_id(part.id), "type": "custom" if custom else "function"}
    written[written["type"]] = {"name": part.name, "input" if custom else "arguments": given}
    if part.signature is not None:
        written["extra_content"] = extra_content(part.signature)
    return written


def extra_content(opaque: Opaque) -> dict[str, Any]:
    """State of a part in Google's place for it, which its compatible endpoint uses too (protocols 2.0.4)."""
    text = opaque.payload if opaque.origin == CHAT else envelope.seal(opaque)
    return {"google": {"thought_signature": text}}


def image(part: Media) -> dict[str, Any]:
    """An image that the model made, as an element of `message.images`."""
    source = part.source
    url = media.data_url(source.mime, source.base64) if isinstance(source, Data) else ""
    if isinstance(source, Url):
        url = source.url
    return {"type": "image_url", "image_url": {"url": url}}


def audio(part: Media, response_id: str, call: ChatCall) -> dict[str, Any]:
    """Sound that the model made, in the form that `call` asked for. Ids and expiry are required by the official types,
    so they are made up if missing."""
    ext = part.ext or {}
    return {
        "id": ext.get("id", f"audio_{response_id}"),
        "data": speech.as_asked(part.source, call) if isinstance(part.source, Data) else "",
        "transcript": part.transcript or "",
        "expires_at": ext.get("expires_at", 0),
    }


def logprobs(tokens: Sequence[Logprob]) -> list[dict[str, Any]]:
    """The list of one `logprobs` member."""
    return [{**_token(one), "top_logprobs": [_token(other) for other in one.top]} for one in tokens]


def _token(one: Logprob) -> dict[str, Any]:
    return {"token": one.token, "logprob": one.logprob, "bytes": one.bytes}
