"""AT-07, B-06: usage objects of every protocol, read by the protocol's own readers and priced by hand.

Each object is read twice, in a whole answer and at the end of a stream. Both must come to the amount that was worked
out by hand in the file, class by class.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from codegen import prices, spec
from nexusflow.ir.chat import Origin
from nexusflow.ir.events import Done, UsageSeen
from nexusflow.ir.usage import Usage
from nexusflow.pricing import cost_of
from nexusflow.pricing.cost import PIECES, TOKENS
from tests.support import bridge
from tests.support.canonical import CHAT, MESSAGES, RESPONSES

ROOT = Path(__file__).parent / "usage"
FILES: dict[str, Origin] = {
    "openai-chat": "openai/chat-completions",
    "openai-responses": "openai/responses",
    "anthropic-messages": "anthropic/messages",
    "gemini": "google/generate-content",
}
LIST = prices.resolve(msgspec.convert(yaml.safe_load((ROOT / "prices.yaml").read_text()), spec.Price))


class Case(NamedTuple):
    protocol: Origin
    id: str
    usage: dict[str, Any]
    beside: dict[str, Any]
    arithmetic: str
    amount: int


def cases() -> list[Case]:
    found = []
    for name, protocol in FILES.items():
        for line in (ROOT / f"{name}.txt").read_text().splitlines():
            if not line.startswith("#"):
                ident, usage, beside, arithmetic, amount = line.split(" | ")
                found.append(Case(protocol, ident, json.loads(usage), json.loads(beside), arithmetic, int(amount)))
    return found


CASES = cases()


def whole(case: Case) -> dict[str, Any]:
    """A whole answer that reports the case's usage."""
    usage, beside = case.usage, case.beside
    if case.protocol == CHAT:
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        return {**head, "choices": [choice], "usage": usage, **beside}
    if case.protocol == RESPONSES:
        search = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
        output: list[dict[str, Any]] = [{**search, "id": f"ws_{at}"} for at in range(beside.get("web_searches", 0))]
        text = {"type": "output_text", "text": "x", "annotations": []}
        output.append({"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [text]})
        head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
        return {**head, "output": output, "usage": usage, "service_tier": beside.get("service_tier")}
    if case.protocol == MESSAGES:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
        return {**head, "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": usage}
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}
    if "queries" in beside:
        candidate["groundingMetadata"] = {"webSearchQueries": beside["queries"]}
    if "maps" in beside:
        candidate["groundingMetadata"] = {"groundingChunks": [{"maps": {"uri": "https://maps.google.com/?cid=1"}}]}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}


def frames(case: Case) -> list[dict[str, Any]]:
    """The same answer as the data of a stream's events."""
    answer = whole(case)
    if case.protocol == CHAT:
        head = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        head |= case.beside
        first = {"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": None}
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        return [{**head, "choices": [first]}, {**head, "choices": [last]}, {**head, "choices": [], "usage": case.usage}]
    if case.protocol == RESPONSES:
        begun = {**answer, "status": "in_progress", "output": [], "usage": None}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
        for at, item in enumerate(answer["output"]):
            opened = {**item, "status": "in_progress"} | ({"content": []} if "content" in item else {})
            events.append({"type": "response.output_item.added", "output_index": at, "item": opened})
            if "content" in item:
                place = {"item_id": item["id"], "output_index": at, "content_index": 0}
                part = {"type": "output_text", "text": "", "annotations": []}
                events.append({"type": "response.content_part.added", **place, "part": part})
                events.append({"type": "response.output_text.delta", **place, "delta": "x"})
                events.append({"type": "response.output_text.done", **place, "text": "x"})
                events.append({"type": "response.content_part.done", **place, "part": item["content"][0]})
            events.append({"type": "response.output_item.done", "output_index": at, "item": item})
        events.append({"type": "response.completed", "response": answer})
        return [{**event, "sequence_number": at} for at, event in enumerate(events)]
    if case.protocol == MESSAGES:
        begun = {**answer, "content": [], "stop_reason": None, "usage": {**case.usage, "output_tokens": 1}}
        begun["usage"].pop("output_tokens_details", None)
        return [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": case.usage},
            {"type": "message_stop"},
        ]
    early = {"promptTokenCount": case.usage["promptTokenCount"], "totalTokenCount": case.usage["promptTokenCount"]}
    content = {"role": "model", "parts": [{"text": "x"}]}
    return [{"candidates": [{"content": content}], "usageMetadata": early, "modelVersion": "m"}, answer]


def as_stream(case: Case) -> bytes:
    text = ""
    for frame in frames(case):
        name = f"event: {frame['type']}\n" if case.protocol in (RESPONSES, MESSAGES) else ""
        text += f"{name}data: {json.dumps(frame)}\n\n"
    return (text + ("data: [DONE]\n\n" if case.protocol == CHAT else "")).encode()


def of_stream(case: Case) -> Usage:
    events = bridge.read_stream(case.protocol, [as_stream(case)])
    assert isinstance(events[-1], Done), events[-1]
    return [event.usage for event in events if isinstance(event, UsageSeen)][-1]


def test_AT07_there_are_enough_cases_of_every_protocol() -> None:
    assert len(CASES) >= 60
    assert {case.protocol for case in CASES} == set(FILES.values())
    assert all(sum(case.protocol == protocol for case in CASES) >= 15 for protocol in FILES.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.protocol}-{case.id}")
def test_AT07_the_arithmetic_in_the_file_comes_to_the_amount_in_the_file(case: Case) -> None:
    terms = [term.split("*") for term in case.arithmetic.split(" + ")]
    assert sum(Decimal(units) * Decimal(price) for units, price in terms) * 1000 == case.amount


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.protocol}-{case.id}")
def test_AT07_a_whole_answer_and_a_stream_cost_what_was_worked_out_by_hand(case: Case) -> None:
    usage = bridge.read_reply(case.protocol, json.dumps(whole(case)).encode()).usage
    assert usage is not None
    assert cost_of(LIST, usage, 0) == (case.amount, case.amount)
    streamed = of_stream(case)
    assert cost_of(LIST, streamed, 0) == (case.amount, case.amount)
    for name in (*TOKENS, *PIECES):
        assert (getattr(usage, name) or 0) == (getattr(streamed, name) or 0), name
