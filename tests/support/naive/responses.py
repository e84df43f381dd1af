"""The naive reading of OpenAI Responses. A stream is read by its deltas, not by the final object in it."""

from typing import Any

from tests.support.naive.values import Answer, Call, Counts, Reading, arguments, number, reported
from tests.support.sse import events

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def of_body(body: Any) -> Reading:
    """A whole response object."""
    text, thinking, refusal = [], [], []
    calls: list[Call] = []
    media: list[str] = []
    logprobs: list[tuple[str, float]] = []
    for item in body.get("output") or []:
        parts = item.get("content") or []
        match item["type"]:
            case "message":
                text += [part["text"] for part in parts if part["type"] == "output_text"]
                refusal += [part["refusal"] for part in parts if part["type"] == "refusal"]
                tokens = [token for part in parts for token in part.get("logprobs") or []]
                logprobs += [(token["token"], token["logprob"]) for token in tokens]
            case "reasoning":
                # The summary is what may be shown; the raw text stands in where there is none.
                thinking += [part["text"] for part in item.get("summary") or []] or [part["text"] for part in parts]
            case "function_call":
                calls.append(Call(item["name"], arguments(item["arguments"])))
            case "custom_tool_call":
                calls.append(Call(item["name"], item["input"]))
            case "image_generation_call" if item.get("result"):
                media.append("image")
    answer = Answer(
        text="".join(text),
        thinking="".join(thinking),
        refusal="".join(refusal),
        calls=tuple(calls),
        finish="tools" if calls else "filter" if refusal else _finish(body),
        media=tuple(media),
        logprobs=tuple(logprobs),
    )
    failed = body.get("status") in ("failed", "cancelled") or bool(body.get("error"))
    return Reading((answer,), _counts(body.get("usage")), failed)


def of_stream(stream: bytes) -> Reading:
    """A stream: items as they were opened, filled by their deltas, closed by the terminal object's status and usage.

    It ends there: some recordings hold the responses of a whole loop.
    """
    items: dict[int, dict[str, Any]] = {}
    last: dict[str, Any] = {}
    failed = False
    for event in events(stream):
        if event == "[DONE]":
            continue
        match event["type"]:
            case "error":
                failed = True
            case kind if kind in _TERMINAL:
                last = event["response"]
                break
            case "response.output_item.added":
                items[event["output_index"]] = {**event["item"], "content": [], "summary": []}
            case "response.output_item.done":
                # Only what no delta brings: the picture, the input of a custom tool that came at once.
                item = items.setdefault(event["output_index"], dict(event["item"]))
                item.update({key: event["item"].get(key) for key in ("result", "name")})
            case _ if "output_index" in event:
                _extend(items[event["output_index"]], event)
    reading = of_body({**last, "output": [items[index] for index in sorted(items)]})
    return Reading(reading.answers, reading.usage, failed or reading.failed)


def _extend(item: dict[str, Any], event: dict[str, Any]) -> None:
    delta = event.get("delta")
    match event["type"]:
        case "response.output_text.delta":
            item["content"].append({"type": "output_text", "text": delta, "logprobs": event.get("logprobs")})
        case "response.refusal.delta":
            item["content"].append({"type": "refusal", "refusal": delta})
        case "response.reasoning_text.delta":
            item["content"].append({"type": "reasoning_text", "text": delta})
        case "response.reasoning_summary_text.delta":
            item["summary"].append({"type": "summary_text", "text": delta})
        case "response.function_call_arguments.delta":
            item["arguments"] += delta
        case "response.custom_tool_call_input.delta":
            item["input"] += delta
        case "response.function_call_arguments.done" if not item["arguments"]:
            item["arguments"] = event["arguments"]


def _finish(body: Any) -> str:
    if body.get("status") != "incomplete":
        return "end"
    reason = (body.get("incomplete_details") or {}).get("reason")
    return {"max_output_tokens": "length", "content_filter": "filter"}.get(reason, "pause")


def _counts(usage: dict[str, Any] | None) -> Counts | None:
    if not usage:
        return None
    details = usage.get("input_tokens_details")
    counts = Counts(
        input=number(usage, "input_tokens"),
        output=number(usage, "output_tokens"),
        cached=number(details, "cached_tokens"),
        written=number(details, "cache_write_tokens"),
        reasoning=number(usage.get("output_tokens_details"), "reasoning_tokens"),
    )
    return reported(counts)
