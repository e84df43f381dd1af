"""What a well-behaved provider of each chat protocol says, and how its client reads it: pieces for the fault matrix.

All four describe one answer, "Hello", in their own words, so that a row of the matrix can be written once. Frames
without `Content-Length` are put into transfer chunks by the scripts.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
UPSTREAM_NAME = "upstream-name"
SECRET_TEXT = "your key sk-live-abcdef123456 at https://internal.example/v1 failed"
"""What a careless provider might say; no part of it may reach a customer."""
TOLD = {
    "E-CTX": "This model's maximum context length is 8 tokens.",
    "E-CONTENT": "The prompt was rejected.",
    "E-PARAM": "your key [redacted] at [redacted] failed",
}
"""What a provider says of the caller's own request, which the caller gets to read."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An error as a client of the protocol finds it. `code` is where the protocol has one: `error.code` or `reason`."""

    status: int
    type: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol. `Usage` arguments are wire objects of it, None for a provider that says nothing."""

    id: str
    name: str
    base: str
    """The path that belongs to a provider's base URL."""
    path: Callable[[str, bool], str]
    """Where a client asks, by the model's name and whether it streams."""
    ask: Callable[[str, bool, str], Json]
    """The body: model, whether it streams, the prompt."""
    usage: Callable[[Any, Any, Any], Json]
    """Input, output and cached tokens as a wire object."""
    answer: Callable[[Json | None], Json]
    """The whole unary answer."""
    opening: Callable[[Json | None], bytes]
    """Frames that come before any content."""
    content: Callable[[str], bytes]
    ending: Callable[[Json | None], bytes]
    """Frames after the content: the reason to finish, and usage."""
    terminal: bytes
    """The marker after the last frame, where the protocol has one."""
    empty: tuple[Json, ...]
    """Unary answers with no output and no reason to finish."""
    refusal: Callable[[int, str], Json]
    """An error body by its status and words."""
    error_frame: Callable[[int], bytes]
    """An error inside a stream, mapped as the status would be."""
    errors: Mapping[str, Shown]
    """How the gateway tells each kind of problem."""
    read_text: Callable[[Json], str]
    """The text of a unary answer or of one event."""
    read_error: Callable[[Json], tuple[str, str | None, str]]
    """Type, code and message of an error body, whose form is checked."""
    read_usage: Callable[[list[Json]], Json | None]
    """The last usage among events or of a unary answer."""
    read_model: Callable[[Json], str | None]
    early_input: bool = False
    """Whether a stream says its input tokens before its content."""


def frame(body: Json, event: bool = False, end: str = "\n\n") -> bytes:
    """One server-sent event; `event` names it by the type of its body."""
    name = f"event: {body['type']}\n" if event else ""
    return f"{name}data: {json.dumps(body, separators=(',', ':'), ensure_ascii=False)}{end}".encode()


def _with(body: Json, name: str, value: Json | None) -> Json:
    return body if value is None else {**body, name: value}


# OpenAI Chat Completions.


def _chunk(choices: list[Json], usage: Json | None = None) -> bytes:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": UPSTREAM_NAME}
    return frame(_with({**head, "choices": choices}, "usage", usage))


def _choice(delta: Json, finish: str | None = None) -> list[Json]:
    return [{"index": 0, "delta": delta, "finish_reason": finish}]


_SILENT = {"role": "assistant", "content": ""}


def _chat_answer(usage: Json | None) -> Json:
    message = {"role": "assistant", "content": "Hello"}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": UPSTREAM_NAME}
    return _with({**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, "usage", usage)


_OPENAI_WORDS = {
    401: "invalid_api_key", 403: "permission_error", 404: "model_not_found", 429: "rate_limit_exceeded",
    503: "overloaded", 529: "overloaded",
}  # fmt: skip


def _openai_refusal(status: int, said: str) -> Json:
    code = {TOLD["E-CTX"]: "context_length_exceeded", TOLD["E-CONTENT"]: "content_policy_violation"}.get(said)
    code = code or _OPENAI_WORDS.get(status)
    return {"error": {"message": said, "type": "x", "param": None, "code": code}}


def _openai_error(body: Json) -> tuple[str, str | None, str]:
    assert list(body) == ["error"], body
    assert set(body["error"]) == {"message", "type", "param", "code"}, body
    return body["error"]["type"], body["error"]["code"], body["error"]["message"]


def _chat_text(body: Json) -> str:
    parts = (choice.get("message") or choice["delta"] for choice in body["choices"])
    return "".join(part.get("content") or "" for part in parts)


_OPENAI_ERRORS = {
    "E-UPSTREAM": Shown(502, "server_error", "upstream_error"),
    "E-TIMEOUT": Shown(504, "server_error", "upstream_timeout"),
    "E-BUSY": Shown(503, "server_error", "overloaded"),
    "E-RATE": Shown(429, "requests", "rate_limit_exceeded"),
    "E-CTX": Shown(400, "invalid_request_error", "context_length_exceeded"),
    "E-CONTENT": Shown(400, "invalid_request_error", "content_policy_violation"),
    "E-PARAM": Shown(400, "x", "invalid_value"),
}


def _last(name: str) -> Callable[[list[Json]], Json | None]:
    def read(events: list[Json]) -> Json | None:
        found = [event[name] for event in events if event.get(name) is not None]
        return found[-1] if found else None

    return read


CHAT = Dialect(
    id="openai/chat-completions",
    name="chat",
    base="/v1",
    path=lambda model, stream: "/v1/chat/completions",
    ask=lambda model, stream, text: {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    },
    usage=lambda read, written, cached: {
        "prompt_tokens": read,
        "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
    },
    answer=_chat_answer,
    opening=lambda usage: _chunk(_choice({"role": "assistant", "content": ""})),
    content=lambda text: _chunk(_choice({"content": text})),
    ending=lambda usage: _chunk(_choice({}, "stop")) + (b"" if usage is None else _chunk([], usage)),
    terminal=b"data: [DONE]\n\n",
    empty=(
        {**_chat_answer(None), "choices": []},
        {**_chat_answer(None), "choices": [{"index": 0, "message": _SILENT, "finish_reason": None}]},
    ),
    refusal=_openai_refusal,
    error_frame=lambda status: frame({"error": {"message": SECRET_TEXT, "type": "x", "code": status}}),
    errors=_OPENAI_ERRORS,
    read_text=_chat_text,
    read_error=_openai_error,
    read_usage=_last("usage"),
    read_model=lambda body: body["model"],
)


# OpenAI Responses.


def _response(status: str, output: list[Json], usage: Json | None = None) -> Json:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": UPSTREAM_NAME}
    return _with({**head, "error": None, "output": output}, "usage", usage)


def _message(text: str, status: str = "completed") -> Json:
    parts = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": parts}


_NUMBERS = ("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
            "response.output_text.delta", "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "response.completed")  # fmt: skip
_AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def _event(type_: str, **members: Any) -> bytes:
    return frame({"type": type_, "sequence_number": _NUMBERS.index(type_), **members}, event=True)


def _responses_opening(usage: Json | None) -> bytes:
    """Only the prelude: whatever comes after it already belongs to the answer."""
    begun = _response("in_progress", [])
    return _event("response.created", response=begun) + _event("response.in_progress", response=begun)


def _responses_content(text: str) -> bytes:
    item, part = _message("", "in_progress"), {"type": "output_text", "text": "", "annotations": []}
    return (
        _event("response.output_item.added", output_index=0, item=item)
        + _event("response.content_part.added", **_AT, part=part)
        + _event("response.output_text.delta", **_AT, delta=text)
    )


def _responses_ending(usage: Json | None) -> bytes:
    item = _message("Hello")
    return (
        _event("response.output_text.done", **_AT, text="Hello")
        + _event("response.content_part.done", **_AT, part=item["content"][0])
        + _event("response.output_item.done", output_index=0, item=item)
        + _event("response.completed", response=_response("completed", [item], usage))
    )


def _responses_text(body: Json) -> str:
    if "output" in body:
        return "".join(part.get("text", "") for item in body["output"] for part in item["content"])
    return str(body["delta"]) if body["type"] == "response.output_text.delta" else ""


def _responses_error(body: Json) -> tuple[str, str | None, str]:
    """An HTTP error, or the `response.failed` with which a stream that was announced breaks; it has no type."""
    if body.get("type") != "response.failed":
        return _openai_error(body)
    failed = body["response"]
    assert (failed["status"], body["sequence_number"]) == ("failed", 5), body
    return "server_error", failed["error"]["code"], failed["error"]["message"]


def _responses_usage(events: list[Json]) -> Json | None:
    return _last("usage")([event.get("response") or event for event in events])


RESPONSES = Dialect(
    id="openai/responses",
    name="responses",
    base="/v1",
    path=lambda model, stream: "/v1/responses",
    ask=lambda model, stream, text: {
        "model": model,
        "input": text,
        "store": False,
        **({"stream": True} if stream else {}),
    },
    usage=lambda read, written, cached: {
        "input_tokens": read,
        "output_tokens": written,
        "input_tokens_details": {"cached_tokens": cached},
    },
    answer=lambda usage: _response("completed", [_message("Hello")], usage),
    opening=_responses_opening,
    content=_responses_content,
    ending=_responses_ending,
    terminal=b"",
    empty=(_response("completed", []),),
    refusal=_openai_refusal,
    error_frame=lambda status: frame(
        {
            "type": "error",
            "sequence_number": 5,
            "message": SECRET_TEXT,
            "code": _OPENAI_WORDS.get(status, "server_error"),
            "param": None,
        },
        event=True,
    ),
    errors=_OPENAI_ERRORS,
    read_text=_responses_text,
    read_error=_responses_error,
    read_usage=_responses_usage,
    read_model=lambda body: (body.get("response") or body).get("model"),
)


# Anthropic Messages.

_ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


def _anthropic_answer(usage: Json | None, text: str = "Hello", stop: str | None = "end_turn") -> Json:
    content = [{"type": "text", "text": text}] if text else []
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": UPSTREAM_NAME, "content": content}
    return _with({**head, "stop_reason": stop, "stop_sequence": None}, "usage", usage)


def _anthropic_opening(usage: Json | None) -> bytes:
    """The input is known from the start, of the output a token at most."""
    if usage is not None and isinstance(usage["output_tokens"], int):
        usage = {**usage, "output_tokens": min(usage["output_tokens"], 1)}
    return (
        frame({"type": "message_start", "message": _anthropic_answer(usage, "", None)}, event=True)
        + frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, event=True)
        + frame({"type": "ping"}, event=True)
    )


def _anthropic_ending(usage: Json | None) -> bytes:
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    return frame({"type": "content_block_stop", "index": 0}, event=True) + frame(
        _with(delta, "usage", usage), event=True
    )


def _anthropic_text(body: Json) -> str:
    if body["type"] == "message":
        return "".join(part["text"] for part in body["content"])
    return str(body["delta"]["text"]) if body["type"] == "content_block_delta" else ""


def _anthropic_refusal(status: int, said: str) -> Json:
    error: Json = {"type": _ANTHROPIC_TYPES[status], "message": said}
    if said == TOLD["E-CONTENT"]:  # this protocol has no word of its own for it; the code is what its SDKs read
        error["details"] = {"error_code": "content_policy_violation"}
    return {"type": "error", "error": error}


def _anthropic_error(body: Json) -> tuple[str, str | None, str]:
    assert set(body) == {"type", "error", "request_id"}, body
    assert (body["type"], len(body["request_id"])) == ("error", 26), body
    assert set(body["error"]) - {"details"} == {"type", "message"}, body
    return body["error"]["type"], None, body["error"]["message"]


def _anthropic_usage(events: list[Json]) -> Json | None:
    return _last("usage")([event.get("message") or event for event in events])


ANTHROPIC = Dialect(
    id="anthropic/messages",
    name="anthropic",
    base="",
    path=lambda model, stream: "/v1/messages",
    ask=lambda model, stream, text: {
        "model": model,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": text}],
        **({"stream": True} if stream else {}),
    },
    usage=lambda read, written, cached: {
        "input_tokens": read,
        "output_tokens": written,
        "cache_read_input_tokens": cached,
    },
    answer=_anthropic_answer,
    opening=_anthropic_opening,
    content=lambda text: frame(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}, event=True
    ),
    ending=_anthropic_ending,
    terminal=frame({"type": "message_stop"}, event=True),
    empty=(_anthropic_answer(None, "", None),),
    refusal=_anthropic_refusal,
    error_frame=lambda status: frame(_anthropic_refusal(status, SECRET_TEXT), event=True),
    errors={
        "E-UPSTREAM": Shown(502, "api_error"),
        "E-TIMEOUT": Shown(504, "timeout_error"),
        "E-BUSY": Shown(529, "overloaded_error"),
        "E-RATE": Shown(429, "rate_limit_error"),
        "E-CTX": Shown(400, "invalid_request_error"),
        "E-CONTENT": Shown(400, "invalid_request_error"),
        "E-PARAM": Shown(400, "invalid_request_error"),
    },
    read_text=_anthropic_text,
    read_error=_anthropic_error,
    read_usage=_anthropic_usage,
    read_model=lambda body: (body.get("message") or body).get("model"),
    early_input=True,
)


# Google's generateContent.

_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}  # fmt: skip
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def _candidate(text: str, finish: str | None = None, usage: Json | None = None) -> Json:
    parts = [{"text": text}] if text else []
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    whole = {"candidates": [candidate], "modelVersion": UPSTREAM_NAME, "responseId": "r1"}
    return _with(whole, "usageMetadata", usage)


def _google_frame(body: Json) -> bytes:
    return frame(body, end="\r\n\r\n")


def _google_text(body: Json) -> str:
    parts = (part for candidate in body.get("candidates", ()) for part in candidate["content"].get("parts", ()))
    return "".join(part["text"] for part in parts)


def _google_refusal(status: int, said: str) -> Json:
    return {"error": {"code": status, "message": said, "status": _GOOGLE_STATUSES[status]}}


def _google_error(body: Json) -> tuple[str, str | None, str]:
    assert list(body) == ["error"], body
    assert set(body["error"]) == {"code", "message", "status", "details"}, body
    info = [one for one in body["error"]["details"] if one["@type"] == _ERROR_INFO]
    return body["error"]["status"], info[0]["reason"], body["error"]["message"]


GOOGLE = Dialect(
    id="google/generate-content",
    name="google",
    base="",
    path=lambda model, stream: (
        f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
    ),
    ask=lambda model, stream, text: {"contents": [{"role": "user", "parts": [{"text": text}]}]},
    usage=lambda read, written, cached: {
        "promptTokenCount": read,
        "candidatesTokenCount": written,
        "cachedContentTokenCount": cached,
    },
    answer=lambda usage: _candidate("Hello", "STOP", usage),
    opening=lambda usage: _google_frame(_candidate("")),
    content=lambda text: _google_frame(_candidate(text)),
    ending=lambda usage: _google_frame(_candidate("", "STOP", usage)),
    terminal=b"",
    empty=({"candidates": [], "modelVersion": UPSTREAM_NAME}, _candidate("")),
    refusal=_google_refusal,
    error_frame=lambda status: _google_frame(_google_refusal(status, SECRET_TEXT)),
    errors={
        "E-UPSTREAM": Shown(502, "UNAVAILABLE", "UPSTREAM_ERROR"),
        "E-TIMEOUT": Shown(504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
        "E-BUSY": Shown(503, "UNAVAILABLE", "OVERLOADED"),
        "E-RATE": Shown(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        "E-CTX": Shown(400, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"),
        "E-CONTENT": Shown(400, "INVALID_ARGUMENT", "CONTENT_POLICY_VIOLATION"),
        "E-PARAM": Shown(400, "INVALID_ARGUMENT", "INVALID_VALUE"),
    },
    read_text=_google_text,
    read_error=_google_error,
    read_usage=_last("usageMetadata"),
    read_model=lambda body: body["modelVersion"],
)

DIALECTS = (CHAT, RESPONSES, ANTHROPIC, GOOGLE)
_FRAME_END = re.compile(r"\r?\n\r?\n")


def frames_of(body: bytes) -> list[str]:
    """The data of the events of a stream, which consists of whole frames; comments are left out."""
    *frames, rest = _FRAME_END.split(body.decode())
    assert rest == "", body
    lines = [line for one in frames for line in one.splitlines() if line.startswith("data:")]
    return [line.removeprefix("data:").strip() for line in lines]
