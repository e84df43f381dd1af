"""generateContent and streamGenerateContent: candidates, plain and in frames (protocols 1.5.2 to 1.5.5)."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from nexusflow.simulator import likely
from nexusflow.simulator.failure import Failure, Vendor
from nexusflow.simulator.form import EVENTS, JSON, Call, Event, Form
from nexusflow.simulator.gemini.body import FunctionCall
from nexusflow.simulator.gemini.rules import FORM, beside
from nexusflow.simulator.gemini.vendor import GEMINI
from nexusflow.simulator.reply import Reply
from nexusflow.simulator.seal import seal
from nexusflow.simulator.tokens import count, pieces
from nexusflow.simulator.tools import ToolCall
from nexusflow.simulator.usage import Usage

FINISH = {
    "end": "STOP",
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tools": "STOP",
    "refusal": "SAFETY",
    "filter": "SAFETY",
}
RATING = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}


class Generate(Form):
    """One request. Without `alt=sse` a stream is one JSON array, sent element by element."""

    vendor: ClassVar[Vendor] = GEMINI
    line_end: ClassVar[bytes] = b"\r\n"

    def __init__(self, *, sse: bool) -> None:
        self.in_events, self.stream_headers = sse, EVENTS if sse else JSON
        self._begun = False

    def unary(self, call: Call) -> dict[str, Any]:
        replies = call.replies()
        candidates = [
            _candidate(at, _parts(call, one), one) | _logprobs(call, one.text) for at, one in enumerate(replies)
        ]
        return _answer(call, candidates, call.usage(replies))

    def events(self, call: Call) -> Iterator[Event]:
        replies = call.replies()
        spoken = 0
        for at, one in enumerate(replies):
            spoken += 0 if call.asked.shows else count(one.thought)
            for part, tokens in _deltas(call, one):
                spoken += tokens
                frame = {"content": {"role": "model", "parts": [part]}, "index": at}
                frame |= {} if part.get("thought") else _logprobs(call, part.get("text", ""))
                yield Event(_answer(call, [frame], call.usage(replies, spoken=spoken)), "delta")
            last: dict[str, Any] = {"text": ""}
            if one.thought and not one.calls:
                last["thoughtSignature"] = seal(FORM, one.thought, beside(None))
            told = call.usage(replies, spoken=None if at == len(replies) - 1 else spoken)
            yield Event(_answer(call, [_candidate(at, [last], one)], told))
        if not replies:
            yield Event(_answer(call, [], call.usage(replies)))
        if not self.in_events:
            yield Event(b"", "end")

    def usage(self, usage: Usage) -> dict[str, Any]:
        modalities = {"TEXT": usage.input - usage.media, "IMAGE": usage.media}
        optional = {"cachedContentTokenCount": usage.cached, "thoughtsTokenCount": usage.thought}
        return {
            "promptTokenCount": usage.input,
            "candidatesTokenCount": usage.output - usage.thought,
            "totalTokenCount": usage.input + usage.output,
            **{name: tokens for name, tokens in optional.items() if tokens},
            "promptTokensDetails": [
                {"modality": kind, "tokenCount": tokens} for kind, tokens in modalities.items() if tokens
            ],
        }

    def failing(self, failure: Failure, call: Call, sent: Sequence[Event]) -> Event:
        return Event(self.vendor.error(failure, call.asked.identity)[1])

    def block(self, call: Call) -> "Form":
        return Blocked(sse=self.in_events)

    def wrap(self, name: str | None, data: bytes) -> bytes:
        if self.in_events:
            return super().wrap(name, data)
        between, self._begun = b",\r\n" if self._begun else b"[", True
        return between + data if data else (b"]" if between != b"[" else b"[]")


class Blocked(Generate):
    """One whose prompt is not let through: no candidates, and word of that, with status 200."""

    def unary(self, call: Call) -> dict[str, Any]:
        feedback = {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [RATING]}}
        return {**feedback, **_answer(call, [], call.usage([]))}

    def events(self, call: Call) -> Iterator[Event]:
        yield Event(self.unary(call))
        if not self.in_events:
            yield Event(b"", "end")


def _answer(call: Call, candidates: list[dict[str, Any]], told: dict[str, Any] | None) -> dict[str, Any]:
    return {
        **({"candidates": candidates} if candidates else {}),
        **({} if told is None else {"usageMetadata": told}),
        "modelVersion": call.model,
        "responseId": f"sim{call.asked.identity}",
    }


def _candidate(at: int, parts: list[dict[str, Any]], one: Reply) -> dict[str, Any]:
    ratings = {"safetyRatings": [RATING]} if FINISH[one.finish] == "SAFETY" else {}
    content = {} if one.finish == "refusal" else {"content": {"role": "model", "parts": parts}}
    return {**content, "finishReason": FINISH[one.finish], "index": at, **ratings}


def _logprobs(call: Call, text: str) -> dict[str, Any]:
    """How likely the tokens of `text` were, where that is asked."""
    if call.asked.chances is None or not text:
        return {}
    found = likely.gemini(text, call.asked.chances)
    chosen = [one["logProbability"] for one in found["chosenCandidates"]]
    return {"avgLogprobs": sum(chosen) / len(chosen), "logprobsResult": found}


def _parts(call: Call, one: Reply) -> list[dict[str, Any]]:
    """All parts. A signature stands on the first call, or on the text."""
    shown = [{"text": one.thought, "thought": True}] if one.thought and call.asked.shows else []
    said: dict[str, Any] = {"text": one.text}
    if one.thought:
        said["thoughtSignature"] = seal(FORM, one.thought, beside(None))
    return [*shown, *_calls(call, one)] if one.calls else [*shown, said]


def _calls(call: Call, one: Reply) -> Iterator[dict[str, Any]]:
    """The parts of the calls; one that was cut off is none."""
    for at, made in enumerate(one.calls):
        given = _given(made)
        if given is None:
            return
        body = {"name": made.name, "args": given}
        part: dict[str, Any] = {"functionCall": {"id": made.id, **body} if call.traits.newest else body}
        if one.thought and at == 0:
            part["thoughtSignature"] = seal(FORM, one.thought, beside(FunctionCall(name=made.name, args=given)))
        yield part


def _given(made: ToolCall) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(made.payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _deltas(call: Call, one: Reply) -> Iterator[tuple[dict[str, Any], int]]:
    """The parts of a stream, each with its tokens. Calls come whole."""
    if one.finish == "refusal":
        return
    for piece in pieces(one.thought) if call.asked.shows else ():
        yield {"text": piece, "thought": True}, count(piece)
    for part, made in zip(_calls(call, one), one.calls, strict=False):
        yield part, count(made.name) + count(made.payload)
    for piece in call.pieces(one.text):
        yield {"text": piece}, count(piece)
