"""The naive reading of OpenAI Chat, with the habits of the compatible servers that the recordings show."""

from typing import Any

from tests.support.naive.values import Answer, Call, Counts, Reading, arguments, number, reported
from tests.support.sse import events

# What compatible servers call the cached part of the prompt, beside the details.
_CACHED = ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens")
_FINISH = {"length": "length", "content_filter": "filter"}


def of_body(body: Any) -> Reading:
    """A whole completion."""
    choices = body.get("choices") or []
    answers = tuple(
        _answer(choice.get("message") or {}, choice.get("finish_reason"), _logprobs(choice)) for choice in choices
    )
    return Reading(answers, _counts(body.get("usage")), bool(body.get("error")))


def of_stream(stream: bytes) -> Reading:
    """A stream: each choice's message, put together from its deltas."""
    messages: dict[int, dict[str, Any]] = {}
    finish: dict[int, str | None] = {}
    logprobs: dict[int, tuple[tuple[str, float], ...]] = {}
    usage: dict[str, Any] | None = None
    failed = False
    for chunk in events(stream):
        if chunk == "[DONE]":
            continue
        failed = failed or bool(chunk.get("error"))
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for choice in chunk.get("choices") or []:
            index = choice.get("index", 0)
            message = messages.setdefault(index, {"content": "", "reasoning": "", "refusal": "", "tool_calls": []})
            _extend(message, choice.get("delta") or {})
            finish[index] = choice.get("finish_reason") or finish.get(index)
            logprobs[index] = (*logprobs.get(index, ()), *_logprobs(choice))
    answers = tuple(_answer(messages[index], finish[index], logprobs[index]) for index in sorted(messages))
    return Reading(answers, _counts(usage), failed)


def _extend(message: dict[str, Any], delta: dict[str, Any]) -> None:
    message["content"] += _text(delta.get("content"))
    message["reasoning"] += _thinking(delta)
    message["refusal"] += delta.get("refusal") or ""
    calls = message["tool_calls"]
    for call in delta.get("tool_calls") or []:
        function = call.get("function") or {}
        at = call.get("index", len(calls) if call.get("id") else max(len(calls) - 1, 0))
        known = next((old for old in calls if old["at"] == at), None)
        if known is None:
            known = {"at": at, "function": {"name": "", "arguments": ""}}
            calls.append(known)
        known["function"]["name"] = known["function"]["name"] or function.get("name") or ""
        known["function"]["arguments"] += function.get("arguments") or ""
    if delta.get("function_call"):
        message["function_call"] = delta["function_call"]


def _answer(message: dict[str, Any], reason: str | None, logprobs: tuple[tuple[str, float], ...]) -> Answer:
    calls = [_call(call) for call in message.get("tool_calls") or []]
    if (legacy := message.get("function_call")) and legacy["name"]:
        calls.append(Call(legacy["name"], arguments(legacy.get("arguments"))))
    pictures = ["image" for _ in message.get("images") or []]
    audio = message.get("audio") or {}
    return Answer(
        text=_text(message.get("content")),
        thinking=_thinking(message),
        refusal=message.get("refusal") or "",
        calls=tuple(calls),
        finish="tools" if calls else "filter" if message.get("refusal") else _FINISH.get(reason or "", "end"),
        media=(*pictures, *(["audio"] if audio.get("data") or audio.get("transcript") else [])),
        logprobs=logprobs,
    )


def _call(call: dict[str, Any]) -> Call:
    if call.get("type") == "custom":
        return Call(call["custom"]["name"], call["custom"]["input"])
    return Call(call["function"]["name"], arguments(call["function"].get("arguments")))


def _text(content: Any) -> str:
    """The text of a message: a string, or a list with texts in it (Mistral)."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part["type"] == "text")
    return content or ""


def _thinking(message: dict[str, Any]) -> str:
    """The reasoning: under one of two names, or only in the details, or as parts of the content."""
    if plain := message.get("reasoning_content") or message.get("reasoning"):
        return str(plain)
    if details := message.get("reasoning_details"):
        return "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(_text(part["thinking"]) for part in parts if part["type"] == "thinking")


def _logprobs(choice: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return tuple((token["token"], token["logprob"]) for token in tokens)


def _counts(usage: dict[str, Any] | None) -> Counts | None:
    if not usage:
        return None
    details = usage.get("prompt_tokens_details")
    prompt, output = number(usage, "prompt_tokens"), number(usage, "completion_tokens")
    reasoning = number(usage.get("completion_tokens_details"), "reasoning_tokens")
    # A total above the sum: reasoning that this server counts beside the output; so does more reasoning than output.
    beside = max(number(usage, "total_tokens") - prompt - output, 0) or (reasoning if reasoning > output else 0)
    counts = Counts(
        input=prompt,
        output=output + beside,
        cached=next((found for name in _CACHED if (found := number(usage, name))), number(details, "cached_tokens")),
        written=number(details, "cache_write_tokens"),
        reasoning=reasoning or beside,
    )
    return reported(counts)
