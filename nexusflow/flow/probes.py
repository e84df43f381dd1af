"""What a translation carries over, found out by asking the writers themselves: one small call for each feature.

The table of losses that `nexusflow losses` prints is therefore never out of step with what a request meets
(protocols 2.0.3).
"""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from nexusflow.flow import media
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import (
    CacheMark,
    ChatCall,
    Data,
    Document,
    FileRef,
    HostedTool,
    Media,
    Origin,
    OutputFormat,
    Part,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Url,
)
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS

Outcome = Literal["carried", "changed", "dropped", "refused"]

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_PDF = "JVBERi0xLjQKJSVFT0YK"
_SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}')
_HELLO = Turn(role="user", parts=(Text(text="Hello"),), path="messages[0]")
_TOOL = Tool(name="look", description="Looks.", parameters=_SCHEMA, path="tools[0]")
_OTHER = Tool(name="listen", description="Listens.", parameters=_SCHEMA, path="tools[1]")
_CALLED = Turn(role="assistant", parts=(ToolCall(id="call_1", name="look", arguments='{"a":"b"}'),), path="messages[1]")


class Finding(Struct, frozen=True):
    """What became of one feature. `detail` is the refusal, or the losses in the form of the warning header."""

    feature: str
    outcome: Outcome
    detail: str = ""


def findings(origin: Origin, upstream: Origin, to: Destination) -> Iterator[Finding]:
    """Every feature, asked for over `origin` of a provider that speaks `upstream`."""
    if origin == upstream:
        return
    for feature, call in calls(origin):
        yield _probe(feature, call, upstream, to)


def _probe(feature: str, call: ChatCall, upstream: Origin, to: Destination) -> Finding:
    losses = Losses()
    fetched = media.needed(call, to.capabilities, upstream)
    if fetched:
        call = asyncio.run(media.resolve(call, to.capabilities, upstream, _Nothing()))
    try:
        DIALECTS[upstream].write_request.write(call, to, losses)
    except RequestRefused as refused:
        return Finding(feature, "refused", refused.problem.message)
    if not losses:
        return Finding(feature, "carried", "fetched by the gateway" if fetched else "")
    dropped = any(loss.action == "dropped" for loss in losses)
    return Finding(feature, "dropped" if dropped else "changed", losses.header())


class _Nothing:
    """Stands for whatever is behind an address: a probe only asks whether bytes would be taken."""

    async def fetch(self, url: str) -> tuple[bytes, str]:
        return base64.b64decode(_PDF if url.endswith(".pdf") else _PIXEL), ""


def calls(origin: Origin) -> Iterator[tuple[str, ChatCall]]:
    """A name and a call for each feature of the canonical chat."""
    base = ChatCall(origin=origin, model="model", turns=(_HELLO,), max_tokens=4096)
    for feature, changes in _CHANGES.items():
        yield feature, msgspec.structs.replace(base, **changes)
    for feature, parts in _PARTS.items():
        turn = Turn(role="user", parts=(Text(text="See:"), *parts), path="messages[0]")
        yield feature, msgspec.structs.replace(base, turns=(turn,))
    for feature, result in _RESULTS.items():
        answered = Turn(role="user", parts=(result,), path="messages[2]")
        yield feature, msgspec.structs.replace(base, turns=(_HELLO, _CALLED, answered), tools=(_TOOL,))


def _sampling(**values: Any) -> dict[str, Any]:
    return {"sampling": Sampling(**values)}


def _history(*parts: Part) -> dict[str, Any]:
    answer = Turn(role="assistant", parts=parts, path="messages[1]")
    return {"turns": (_HELLO, answer, Turn(role="user", parts=(Text(text="And?"),), path="messages[2]"))}


def _hosted(origin: Origin, type_: str, kind: Any = None) -> dict[str, Any]:
    raw = Raw(msgspec.json.encode({"type": type_}))
    return {"tools": (HostedTool(origin=origin, type=type_, raw=raw, kind=kind, path="tools[0]"),)}


_CHANGES: dict[str, dict[str, Any]] = {
    "text": {},
    "system prompt": {"turns": (Turn(role="system", parts=(Text(text="Be kind."),), path="messages[0]"), _HELLO)},
    "developer prompt": {"turns": (Turn(role="developer", parts=(Text(text="Be kind."),), path="messages[0]"), _HELLO)},
    "system prompt in the middle": {
        "turns": (
            _HELLO,
            Turn(role="system", parts=(Text(text="Be brief."),), path="messages[1]"),
            Turn(role="user", parts=(Text(text="And?"),), path="messages[2]"),
        )
    },
    "beginning of the answer (prefill)": {
        "turns": (_HELLO, Turn(role="assistant", parts=(Text(text="I"),), path="messages[1]"))
    },
    "tools": {"tools": (_TOOL,)},
    "strict tools": {"tools": (msgspec.structs.replace(_TOOL, strict=True),)},
    "free-form tool": {"tools": (Tool(name="write", custom=True, path="tools[0]"),)},
    "grammar tool": {
        "tools": (
            Tool(
                name="write",
                custom=True,
                format=Raw(b'{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \\"a\\""}}'),
                path="tools[0]",
            ),
        )
    },
    "tool choice: required": {"tools": (_TOOL,), "tool_choice": ToolChoice(mode="required")},
    "tool choice: one by name": {"tools": (_TOOL,), "tool_choice": ToolChoice(mode="required", names=("look",))},
    "tool choice: none": {"tools": (_TOOL,), "tool_choice": ToolChoice(mode="none")},
    "tool choice: some of the tools": {
        "tools": (_TOOL, _OTHER),
        "tool_choice": ToolChoice(mode="auto", names=("look",)),
    },
    "parallel tool calls off": {"tools": (_TOOL,), "parallel_tools": False},
    "web search": _hosted("openai/responses", "web_search", "web_search"),
    "web fetch": _hosted("anthropic/messages", "web_fetch_20250910", "web_fetch"),
    "code execution": _hosted("google/generate-content", "codeExecution", "code_execution"),
    "other provider-run tools": _hosted("openai/responses", "file_search"),
    "reasoning effort: none": {"reasoning": Reasoning(effort="none")},
    "reasoning effort: low": {"reasoning": Reasoning(effort="low")},
    "reasoning effort: high": {"reasoning": Reasoning(effort="high")},
    "reasoning effort: max": {"reasoning": Reasoning(effort="max")},
    "reasoning budget": {"reasoning": Reasoning(budget=2048)},
    "reasoning in the history": _history(Thinking(text="Hm."), Text(text="Yes.")),
    "JSON mode": {"format": OutputFormat(kind="json_object", path="response_format")},
    "JSON schema": {"format": OutputFormat(kind="json_schema", name="out", schema=_SCHEMA, path="response_format")},
    "stop sequence": {"stop": ("END",)},
    "six stop sequences": {"stop": tuple("123456")},
    "temperature": _sampling(temperature=0.5),
    "temperature above 1": _sampling(temperature=1.5),
    "top_p": _sampling(top_p=0.5),
    "top_k": _sampling(top_k=40),
    "penalties": _sampling(frequency_penalty=0.5, presence_penalty=0.5),
    "logit bias": _sampling(logit_bias={"1": 1.0}),
    "seed": _sampling(seed=1),
    "token probabilities": _sampling(logprobs=True, top_logprobs=2),
    "several answers": {"n": 2},
    "verbosity": {"verbosity": "low"},
    "sound as output": {"modalities": ("text", "audio")},
    "service tier: flex": {"tier": "flex"},
    "service tier: priority": {"tier": "priority"},
    "end user's id": {"user": "u-1"},
    "metadata": {"metadata": {"a": "b"}},
    "store": {"store": True},
}
_PARTS: dict[str, tuple[Part, ...]] = {
    "image as data": (Media(kind="image", source=Data("image/png", _PIXEL)),),
    "image by URL": (Media(kind="image", source=Url("https://example.com/a.png")),),
    "image detail": (Media(kind="image", source=Data("image/png", _PIXEL), detail="low"),),
    "sound as input": (Media(kind="audio", source=Data("audio/wav", "UklGRg==")),),
    "video as input": (Media(kind="video", source=Data("video/mp4", "AAAA")),),
    "PDF as data": (Media(kind="file", source=Data("application/pdf", _PDF), name="a.pdf"),),
    "PDF by URL": (Media(kind="file", source=Url("https://example.com/a.pdf", "application/pdf")),),
    "file kept by a vendor": (Media(kind="file", source=FileRef("file-1", "openai/chat-completions")),),
    "document as text": (Document(text="Long text.", title="A"),),
    "cache mark": (Text(text="Long.", cache=CacheMark()),),
}
_RESULTS: dict[str, ToolResult] = {
    "tool result": ToolResult(call_id="call_1", content=(Text(text="b"),)),
    "tool result marked as error": ToolResult(call_id="call_1", content=(Text(text="b"),), is_error=True),
    "tool result with an image": ToolResult(
        call_id="call_1", content=(Media(kind="image", source=Data("image/png", _PIXEL)),)
    ),
}
