"""Opaque reasoning state makes the round trip through a foreign client and comes back to its maker unchanged.

Each recorded answer with such state goes to a client of another protocol; the client sends it back as its history with
the result of every call; what we then send to the provider must hold the same state (protocols 2.0.4).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.ir.chat import Origin
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS
from tests.support import bridge
from tests.support.canonical import CHAT, FOLDERS, GEMINI, MESSAGES, RESPONSES
from tests.support.corpus import Exchange, exchanges

STATEFUL = ("anthropic-messages", "gemini-generate", "openai-responses")
PAIRS = [
    (folder, client)
    for folder in STATEFUL
    for client in (CHAT, RESPONSES, MESSAGES, GEMINI)
    if client != FOLDERS[folder]
]


def state_in(value: Any) -> Iterator[str]:
    """Every piece of opaque state in an answer or a request, in order."""
    if isinstance(value, list):
        for one in value:
            yield from state_in(one)
    elif isinstance(value, dict):
        kind = value.get("type")
        for key, name in (("thinking", "signature"), ("redacted_thinking", "data"), ("reasoning", "encrypted_content")):
            if kind == key and value.get(name):
                yield f"{kind}:{value[name]}"
        if value.get("thoughtSignature"):
            yield "part:" + value["thoughtSignature"]
        for one in value.values():
            yield from state_in(one)


def plain(answer: Any) -> bool:
    """Whether an answer is complete, and has no picture and no step of a provider's own tool: other clients cannot
    replay those. (Anthropic's have no state of ours in them.)"""
    if "candidates" in answer:
        parts = [part for one in answer["candidates"] for part in (one.get("content") or {}).get("parts") or []]
        malformed = any(one.get("finishReason") == "UNEXPECTED_TOOL_CALL" for one in answer["candidates"])
        return not malformed and all({"text", "functionCall"} & part.keys() for part in parts)
    items = [item["type"] for item in answer.get("output") or []]
    return answer.get("status") != "queued" and {"message", "reasoning", "function_call"}.issuperset(items)


def history(client: str, answer: Any) -> dict[str, Any]:
    """The client's next request: its question, the answer as it got it, a result for every call."""
    if client == CHAT:
        message = answer["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": c["id"], "content": "ok"} for c in message.get("tool_calls") or []]
        return {"model": "m", "messages": [said_in_chat("Go"), message, *(results or [said_in_chat("More")])]}
    if client == MESSAGES:
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c["id"], "content": "ok"} for c in calls]
        turn = {"role": "assistant", "content": answer["content"]}
        after = {"role": "user", "content": results or "More"}
        return {"model": "m", "max_tokens": 9000, "messages": [said_in_chat("Go"), turn, after]}
    if client == RESPONSES:
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": c["call_id"], "output": "ok"} for c in calls]
        return {"model": "m", "input": [said_in_chat("Go"), *answer["output"], *(results or [said_in_chat("More")])]}
    content = answer["candidates"][0]["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {"id": c.get("id"), "name": c["name"], "response": {"output": "ok"}}} for c in calls
    ]
    after = {"role": "user", "parts": results or [{"text": "More"}]}
    return {"contents": [{"role": "user", "parts": [{"text": "Go"}]}, content, after]}


def said_in_chat(text: str) -> dict[str, str]:
    """A user's message."""
    return {"role": "user", "content": text}


def returned(exchange: Exchange, client: Origin) -> list[str]:
    """The state in what the provider gets back."""
    upstream = FOLDERS[exchange.protocol]
    reply = bridge.read_reply(upstream, exchange.response.data)
    body = json.dumps(history(client, json.loads(bridge.write_reply(client, reply)))).encode()
    call = DIALECTS[client].read_request.read(body, model="m", stream=False)
    return list(state_in(json.loads(DIALECTS[upstream].write_request.write(call, bridge.UPSTREAM, Losses()))))


@pytest.mark.parametrize(("folder", "client"), PAIRS)
def test_T86_state_comes_back_to_its_maker(folder: str, client: Origin) -> None:
    """T88, T89, T91, T92: thinking, redacted thinking, and signatures of calls and of texts."""
    differ, tried = {}, 0
    for exchange in exchanges(folder):
        if exchange.stream or not exchange.succeeded or not plain(exchange.response.json()):
            continue
        if sent := list(state_in(exchange.response.json())):
            tried += 1
            if (back := returned(exchange, client)) != sent:
                differ[exchange.id] = (sent, back)
    assert differ == {}
    assert tried > 30
