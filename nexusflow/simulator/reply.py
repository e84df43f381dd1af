"""What the simulated model says: a function of the request alone, so that the same request gets the same answer."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from nexusflow.simulator.instance import instance
from nexusflow.simulator.tokens import count, count_prompt, pieces


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a function tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice before it takes a wire form."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    finish: str


def identity(body: dict[str, Any]) -> str:
    """Twenty hexadecimal digits that stand for the request."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:20]


def reply(body: dict[str, Any], choice: int, *, tokens: int | None = None, think: bool = False) -> Reply:
    """The reply of one choice. `tokens` asks for exactly that many text tokens."""
    reasoning = "[simulated] The user asks; I echo." if think else ""
    calls = _calls(body, choice)
    if calls:
        return Reply("", reasoning, calls, "tool_calls")
    text = " ".join(f"word{at}" for at in range(tokens)) if tokens is not None else _text(body, choice)
    return _cut(body, text, reasoning)


def usage(body: dict[str, Any], replies: list[Reply]) -> dict[str, Any]:
    """The usage object: reasoning lies inside completion tokens, and the total is the sum."""
    reasoning = sum(count(one.reasoning) for one in replies)
    spoken = sum(count(one.text) + sum(count(call.name + call.arguments) for call in one.calls) for one in replies)
    prompt = count_prompt(body)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spoken + reasoning,
        "total_tokens": prompt + spoken + reasoning,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _text(body: dict[str, Any], choice: int) -> str:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(instance(wanted.get("json_schema", {}).get("schema", {})))
    if wanted.get("type") == "json_object":
        return json.dumps({"simulated": True})
    last = (body.get("messages") or [{}])[-1]
    said, images = _read(last.get("content"))
    mark = f" (choice {choice})" if choice else ""
    if last.get("role") == "tool":
        return f"[simulated]{mark} The tool answered: {said}"
    seen = f" I see {len(images)} image(s): {', '.join(images)}." if images else ""
    return f"[simulated]{mark} You said: {said}.{seen}"


def _read(content: Any) -> tuple[str, list[str]]:
    """The text of a message, and a description of each image."""
    if isinstance(content, str):
        return content, []
    parts = content if isinstance(content, list) else []
    said = " ".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    urls = [part.get("image_url", {}).get("url", "") for part in parts if part.get("type") == "image_url"]
    return said, [_describe(url) for url in urls]


def _describe(url: str) -> str:
    if not url.startswith("data:"):
        return f"at {url}"
    head, _, data = url[5:].partition(",")
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"{head.split(';')[0]} of unreadable data"
    return f"{head.split(';')[0]} of {size} bytes"


def _calls(body: dict[str, Any], choice: int) -> tuple[ToolCall, ...]:
    """Tools are called when the caller insists, or asks for one and has not been answered yet."""
    functions = [tool["function"] for tool in body.get("tools") or () if tool.get("type", "function") == "function"]
    wanted = body.get("tool_choice", "auto")
    last = (body.get("messages") or [{}])[-1]
    if not functions or wanted == "none" or last.get("role") == "tool":
        return ()
    if isinstance(wanted, dict):
        name = wanted.get("function", {}).get("name")
        chosen = [function for function in functions if function["name"] == name]
    else:
        said = _read(last.get("content"))[0].lower()
        named = [function for function in functions if function["name"].lower() in said]
        parallel = body.get("parallel_tool_calls") is not False and ("parallel" in said or len(named) > 1)
        chosen = (named or functions) if parallel else (named or functions)[:1]
    base = identity(body)[:12]
    return tuple(
        ToolCall(f"call_sim{base}{choice}{at}", one["name"], json.dumps(instance(one.get("parameters", {})) or {}))
        for at, one in enumerate(chosen)
    )


def _cut(body: dict[str, Any], text: str, reasoning: str) -> Reply:
    """Apply stop sequences, then the token bound."""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0] if stop else text
    bound = body.get("max_completion_tokens") or body.get("max_tokens")
    cut = pieces(text)
    if isinstance(bound, int) and len(cut) > bound:
        return Reply("".join(cut[:bound]), reasoning, (), "length")
    return Reply(text, reasoning, (), "stop")
