"""The naive reading of Gemini generateContent and streamGenerateContent."""

import json
import re
from itertools import pairwise
from typing import Any

from tests.support.naive.values import Answer, Call, Counts, Reading, number, reported
from tests.support.sse import events

_FILTERS = frozenset(
    (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "ESCALATION",
    )
)
_MALFORMED = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    )
)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_EMPTY = frozenset(("NO_IMAGE", "IMAGE_OTHER", "OTHER", "FINISH_REASON_UNSPECIFIED"))


def of_body(body: Any) -> Reading:
    """A whole answer."""
    return of_chunks([body])


def of_stream(stream: bytes) -> Reading:
    """A stream of events, or the JSON array that the API sends without `alt=sse`."""
    text = stream.decode().lstrip()
    return of_chunks(json.loads(text) if text.startswith("[") else events(stream))


def of_chunks(chunks: list[Any]) -> Reading:
    """The frames of a stream, decoded, in order."""
    parts: dict[int, list[Any]] = {}
    finish: dict[int, str] = {}
    logprobs: dict[int, list[tuple[str, float]]] = {}
    usage: dict[str, Any] = {}
    grounded = failed = False
    blocked = ""
    for chunk in chunks:
        failed = failed or "error" in chunk
        blocked = chunk.get("promptFeedback", {}).get("blockReason") or blocked
        usage = chunk.get("usageMetadata") or usage
        for position, candidate in enumerate(chunk.get("candidates") or []):
            index = candidate.get("index", position)
            parts.setdefault(index, []).extend((candidate.get("content") or {}).get("parts") or [])
            finish[index] = candidate.get("finishReason") or finish.get(index, "")
            chosen = (candidate.get("logprobsResult") or {}).get("chosenCandidates") or []
            logprobs.setdefault(index, []).extend((token["token"], token["logProbability"]) for token in chosen)
            grounded = grounded or bool((candidate.get("groundingMetadata") or {}).get("webSearchQueries"))
    answers = tuple(_answer(parts[index], finish[index], tuple(logprobs[index])) for index in sorted(parts))
    if blocked and not answers:
        answers = (Answer(refusal=f"blocked: {blocked}", finish="filter"),)
    return Reading(answers, _counts(usage, grounded), failed)


def _answer(parts: list[Any], reason: str, logprobs: tuple[tuple[str, float], ...]) -> Answer:
    texts = [part for part in parts if "text" in part]
    calls = _calls([part["functionCall"] for part in parts if "functionCall" in part])
    return Answer(
        text="".join(part["text"] for part in texts if not part.get("thought")),
        thinking="".join(part["text"] for part in texts if part.get("thought")),
        calls=calls,
        finish="tools" if calls and reason not in _MALFORMED else _finish(reason, bool(parts)),
        media=tuple(part["inlineData"]["mimeType"].split("/")[0] for part in parts if "inlineData" in part),
        logprobs=logprobs,
    )


def _calls(pieces: list[Any]) -> tuple[Call, ...]:
    """The calls: whole ones, and Vertex AI's that come in pieces, of which only the first is named."""
    calls: list[Call] = []
    for piece in pieces:
        if piece.get("name"):
            calls.append(Call(piece["name"], piece.get("args") or {}))
        for argument in piece.get("partialArgs") or []:
            _put(calls[-1].arguments, _STEP.findall(argument["jsonPath"].removeprefix("$")), argument)
    return tuple(calls)


def _put(into: Any, steps: list[tuple[str, str]], argument: dict[str, Any]) -> None:
    """Put the value of one partial argument where its path says; a string grows."""
    keys = [name or int(index) for name, index in steps]
    for step, after in pairwise(keys):
        into = _at(into, step, [] if isinstance(after, int) else {})
    last = keys[-1]
    value = next(argument[key] for key in _VALUES if key in argument)
    if isinstance(value, str) and "stringValue" in argument:
        value = _at(into, last, "") + value
    _at(into, last, None)
    into[last] = value


def _at(into: Any, step: str | int, empty: Any) -> Any:
    if isinstance(step, str):
        return into.setdefault(step, empty)
    if step == len(into):
        into.append(empty)
    return into[step]


def _finish(reason: str, has_content: bool) -> str:
    if reason == "MAX_TOKENS":
        return "length"
    if reason in _FILTERS:
        return "filter"
    if reason in _MALFORMED:
        return "malformed"
    return "empty" if reason in _EMPTY and not has_content else "end"


def _counts(usage: dict[str, Any], grounded: bool) -> Counts | None:
    if not usage:
        return None
    prompt, candidates = number(usage, "promptTokenCount"), number(usage, "candidatesTokenCount")
    thoughts, tool = number(usage, "thoughtsTokenCount"), number(usage, "toolUsePromptTokenCount")
    inclusive = thoughts > 0 and prompt + candidates + tool == number(usage, "totalTokenCount")
    # What a search fed back is paid for by the query, not by the token.
    counts = Counts(
        input=prompt + (0 if grounded else tool),
        output=candidates if inclusive else candidates + thoughts,
        cached=number(usage, "cachedContentTokenCount"),
        reasoning=thoughts,
    )
    return reported(counts)
