"""How likely tokens were: the same numbers in each form that tells, plain or streamed, and only where asked."""

from typing import Any

from tests.support.simulated import Simulated

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
INCLUDE = {"include": ["message.output_text.logprobs"]}
GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
TOKENS = ["[", "simulated", "]", " You", " said", ":", " x", "."]


def pairs(logprobs: list[Any]) -> list[tuple[str, float]]:
    return [(one["token"], one["logprob"]) for one in logprobs]


def test_chat() -> None:
    provider = Simulated()
    plain = provider.chat(CHAT, logprobs=True, top_logprobs=2).json["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in plain] == TOKENS
    assert all(one["logprob"] < 0 and bytes(one["bytes"]).decode() == one["token"] for one in plain)
    assert all(pairs(one["top_logprobs"])[0] == (one["token"], one["logprob"]) for one in plain)
    assert {len(one["top_logprobs"]) for one in plain} == {2}
    events = provider.chat(CHAT, logprobs=True, top_logprobs=2, stream=True).events[:-1]
    choices = [event["choices"][0] for event in events]
    assert [one for choice in choices if choice.get("logprobs") for one in choice["logprobs"]["content"]] == plain
    assert provider.chat(CHAT).json["choices"][0]["logprobs"] is None


def test_the_others_say_the_same() -> None:
    provider = Simulated()
    chat = provider.chat(CHAT, logprobs=True, top_logprobs=1).json["choices"][0]["logprobs"]["content"]
    asked = {"input": "x", **INCLUDE, "top_logprobs": 1}
    (item,) = provider.respond(asked).json["output"]
    assert item["content"][0]["logprobs"] == chat
    events = provider.respond(asked, stream=True).events
    assert [one for event in events if event["type"].endswith("text.delta") for one in event["logprobs"]] == chat
    assert provider.respond({"input": "x"}).json["output"][0]["content"][0]["logprobs"] == []
    wanted = {**GEMINI, "generationConfig": {"responseLogprobs": True, "logprobs": 1}}
    (candidate,) = provider.generate(wanted).json["candidates"]
    chosen = candidate["logprobsResult"]["chosenCandidates"]
    assert [(one["token"], one["logProbability"]) for one in chosen] == pairs(chat)
    frames = provider.stream(wanted).events
    streamed = [frame["candidates"][0].get("logprobsResult", {"chosenCandidates": []}) for frame in frames]
    assert [one for result in streamed for one in result["chosenCandidates"]] == chosen


def test_who_does_not_tell() -> None:
    provider = Simulated()
    assert (
        "not enabled" in provider.generate({**GEMINI, "generationConfig": {"responseLogprobs": True}}, "thinker").said
    )
    assert "only supported with" in provider.generate({**GEMINI, "generationConfig": {"logprobs": 3}}).said
