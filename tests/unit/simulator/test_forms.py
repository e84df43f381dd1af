"""One reply, four wire forms: the same conversation gets the same words, calls and tokens in each."""

import json
from typing import Any

import pytest

from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.support.openapi import faults_of_reply, faults_of_stream
from tests.support.simulated import Answer, Simulated
from tests.unit.simulator.conversations import TALKS, Talk

MODELS = ("chat", "reasoning", "refusing", "filtered")


def spoken(protocol: str, answer: Answer) -> dict[str, Any]:
    """What a plain answer says: text, calls, why it ended, tokens in and out."""
    body = answer.json
    if protocol == CHAT:
        (choice,) = body["choices"]
        message, usage = choice["message"], body["usage"]
        calls = [
            (one["function"]["name"], json.loads(one["function"]["arguments"])) for one in message.get("tool_calls", ())
        ]
        ends = {"stop": "end", "length": "length", "tool_calls": "tools", "content_filter": "filter"}
        text = message["content"] or message["refusal"] or ""
        end = "refusal" if message["refusal"] else ends[choice["finish_reason"]]
        return told(text, calls, end, usage["prompt_tokens"], usage["completion_tokens"])
    if protocol == RESPONSES:
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        calls = [
            (item["name"], json.loads(item["arguments"])) for item in body["output"] if item["type"] == "function_call"
        ]
        why = (body["incomplete_details"] or {}).get("reason")
        end = {"max_output_tokens": "length", "content_filter": "filter", None: "tools" if calls else "end"}[why]
        end = "refusal" if parts and parts[0]["type"] == "refusal" else end
        text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
        return told(text, calls, end, body["usage"]["input_tokens"], body["usage"]["output_tokens"])
    if protocol == MESSAGES:
        text = "".join(block["text"] for block in body["content"] if block["type"] == "text")
        calls = [(block["name"], block["input"]) for block in body["content"] if block["type"] == "tool_use"]
        ends = {"end_turn": "end", "max_tokens": "length", "tool_use": "tools", "refusal": "refusal"}
        return told(
            text, calls, ends[body["stop_reason"]], body["usage"]["input_tokens"], body["usage"]["output_tokens"]
        )
    (candidate,) = body["candidates"]
    found = candidate.get("content", {"parts": []})["parts"]
    text = "".join(part.get("text", "") for part in found if not part.get("thought"))
    calls = [(part["functionCall"]["name"], part["functionCall"]["args"]) for part in found if "functionCall" in part]
    usage = body["usageMetadata"]
    ends = {"STOP": "tools" if calls else "end", "MAX_TOKENS": "length", "SAFETY": "refusal"}
    output = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    return told(text, calls, ends[candidate["finishReason"]], usage["promptTokenCount"], output)


def told(text: str, calls: list[Any], end: str, tokens_in: int, tokens_out: int) -> dict[str, Any]:
    return {"text": text, "calls": calls, "end": end, "in": tokens_in, "out": tokens_out}


def ask_all(talk: Talk, model: str) -> dict[str, Answer]:
    """The plain answers; on Messages thinking is asked for, since it has to be there."""
    provider = Simulated()
    thinking = {"thinking": {"type": "adaptive"}} if model == "reasoning" else {}
    return {
        CHAT: provider.chat(talk.chat(), model=model),
        RESPONSES: provider.respond(talk.responses(), model=model),
        MESSAGES: provider.message({**talk.messages(), **thinking}, model=model),
        GEMINI: provider.generate(talk.gemini(), model),
    }


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TALKS)
def test_the_same_conversation_gets_the_same_reply(name: str, model: str) -> None:
    found = {protocol: spoken(protocol, answer) for protocol, answer in ask_all(TALKS[name], model).items()}
    if model == "refusing":
        assert (found[GEMINI].pop("text"), found[CHAT]["end"]) == ("", "refusal")  # Google sends no words with SAFETY
    if model == "filtered":
        assert {one.pop("end") for one in found.values()} <= {"filter", "refusal", "tools"}
    expected = found[CHAT]
    for protocol, one in found.items():
        assert one == {key: expected[key] for key in one}, protocol


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TALKS)
def test_replies_are_as_the_vendors_describe_theirs(name: str, model: str) -> None:
    for protocol, answer in ask_all(TALKS[name], model).items():
        assert answer.status == 200, answer.body
        assert faults_of_reply(protocol, answer.body) == [], protocol


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TALKS)
def test_streams_are_as_the_vendors_describe_theirs(name: str, model: str) -> None:
    talk, provider = TALKS[name], Simulated()
    thinking = {"thinking": {"type": "adaptive"}} if model == "reasoning" else {}
    streams = {
        CHAT: provider.chat(talk.chat(), model=model, stream=True),
        RESPONSES: provider.respond(talk.responses(), model=model, stream=True),
        MESSAGES: provider.message({**talk.messages(), **thinking}, model=model, stream=True),
        GEMINI: provider.stream(talk.gemini(), model),
    }
    for protocol, answer in streams.items():
        assert answer.headers["content-type"].startswith("text/event-stream"), protocol
        assert faults_of_stream(protocol, answer.body) == [], protocol
