"""The simulated provider's replies: a function of the request, well-formed, and with usage that adds up."""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator import asked, tokens, wire
from nexusflow.simulator.asked import Asked
from nexusflow.simulator.reply import reply, usage

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time"}}
NOTE = {"type": "custom", "custom": {"name": "take_note"}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def ask(content: Any, **more: Any) -> Asked:
    """A request whose last message is the user's."""
    return asked.read(
        json.dumps({"model": "chat", "messages": [{"role": "user", "content": content}], **more}).encode()
    )


def names(request: Asked) -> list[str]:
    """The tools that the reply calls."""
    return [call.name for call in reply(request, 0).calls]


@given(st.text(max_size=200))
def test_pieces_join_to_the_text_and_number_its_tokens(text: str) -> None:
    found = tokens.pieces(text)
    assert "".join(found) == text
    if tokens.count(text):
        assert len(found) == tokens.count(text)


def test_tokens_are_words_and_marks() -> None:
    assert tokens.count("It's 20 °C, isn't it?") == 12
    assert tokens.count(" \n") == 0


def test_the_same_request_gets_the_same_reply_streamed_or_not() -> None:
    first, second = ask("hello", n=2, seed=1), ask("hello", seed=1, n=2, stream=True)
    assert first.identity == second.identity
    assert reply(first, 0) == reply(second, 0)
    assert reply(first, 0) != reply(first, 1)
    assert ask("bye").identity != first.identity
    assert reply(first, 0).text == "[simulated] You said: hello."


@given(st.text(max_size=80), st.integers(1, 20), st.integers(1, 3), st.booleans())
def test_usage_adds_up_and_bounds_hold(text: str, bound: int, choices: int, thinks: bool) -> None:
    request = ask(text, max_completion_tokens=bound)
    replies = [reply(request, at, thinks=thinks) for at in range(choices)]
    counted = usage(request, replies)
    assert counted["total_tokens"] == counted["prompt_tokens"] + counted["completion_tokens"]
    assert counted["completion_tokens"] <= bound * choices
    assert counted["completion_tokens_details"]["reasoning_tokens"] <= counted["completion_tokens"]
    for at, one in enumerate(replies):
        whole = reply(ask(text), at, thinks=thinks)
        cut = tokens.count(whole.text + " " + whole.reasoning) > bound
        assert one.finish == ("length" if cut else "stop")


def test_prompt_tokens_count_messages_tools_and_images() -> None:
    def prompt(request: Asked) -> int:
        counted: int = usage(request, [])["prompt_tokens"]
        return counted

    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    assert prompt(ask("one two")) == 5
    assert prompt(ask([{"type": "text", "text": "one two"}, image])) == 5 + tokens.TOKENS_OF_AN_IMAGE
    assert prompt(ask("one two", tools=[WEATHER])) > 20


def test_a_bound_cuts_the_arguments_of_a_tool_call() -> None:
    whole = reply(ask("x", tools=[WEATHER]), 0)
    cut = reply(ask("x", tools=[WEATHER], max_tokens=4), 0)
    assert (whole.finish, cut.finish) == ("tool_calls", "length")
    assert whole.calls[0].payload.startswith(cut.calls[0].payload)
    assert tokens.count(cut.calls[0].payload) == 3


@pytest.mark.parametrize("stop", ["You", ["never", "You"]])
def test_stop_sequences_end_the_text_before_them(stop: Any) -> None:
    found = reply(ask("x", stop=stop), 0)
    assert (found.text, found.finish) == ("[simulated] ", "stop")


def test_json_modes_answer_in_json() -> None:
    text = reply(ask("x", response_format={"type": "json_object"}), 0).text
    assert json.loads(text) == {"simulated": True, "reply": "[simulated] You said: x."}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert json.loads(reply(ask("x", response_format=wanted), 0, size=900).text) == {"a": 1}


def test_images_are_counted_and_described() -> None:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in (PIXEL, "https://example.com/cat.jpg")]
    text = reply(ask([{"type": "text", "text": "look"}, *parts]), 0).text
    assert "I see 2 images: image/png of 8 bytes, at https://example.com/cat.jpg." in text


def test_tools_are_called_when_the_user_has_the_last_word() -> None:
    tools = [WEATHER, CLOCK]
    assert names(ask("hello", tools=tools)) == ["get_weather"]
    assert names(ask("call get_time", tools=tools)) == ["get_time"]
    assert names(ask("get_time and get_weather", tools=tools)) == ["get_weather", "get_time"]
    assert names(ask("in parallel please", tools=tools)) == ["get_weather", "get_time"]
    assert names(ask("in parallel please", tools=[CLOCK])) == ["get_time", "get_time"]
    assert names(ask("in parallel please", tools=tools, parallel_tool_calls=False)) == ["get_weather"]
    assert len({call.id for call in reply(ask("in parallel", tools=tools), 0).calls}) == 2


def test_tool_choice_is_obeyed() -> None:
    tools = [WEATHER, CLOCK]
    named = {"type": "function", "function": {"name": "get_time"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    assert names(ask("x", tools=tools, tool_choice="none")) == []
    assert names(ask("x", tools=tools, tool_choice=named)) == ["get_time"]
    assert names(ask("x", tools=tools, tool_choice=allowed)) == ["get_time"]
    assert names(ask("x", tools=tools, tool_choice="required")) == ["get_weather"]


def test_arguments_fit_the_parameters_and_custom_tools_get_text() -> None:
    (call,) = reply(ask("x", tools=[WEATHER]), 0).calls
    assert json.loads(call.payload) == {"city": "simulated", "days": 3}
    assert json.loads(reply(ask("x", tools=[CLOCK]), 0).calls[0].payload) == {}
    answered = wire.completion(ask("x"), "chat", [reply(ask("x", tools=[NOTE]), 0)])
    (custom,) = answered["choices"][0]["message"]["tool_calls"]
    assert (custom["type"], custom["custom"]) == ("custom", {"name": "take_note", "input": "simulated input"})


def test_tool_results_are_quoted_all_of_them() -> None:
    results = [{"role": "tool", "tool_call_id": at, "content": f"{at} degrees"} for at in ("four", "five")]
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": []}, *results]
    found = reply(ask("x", tools=[WEATHER], messages=messages), 0)
    assert found.text == "[simulated] The tool answered: four degrees; five degrees"
    assert names(ask("x", tools=[WEATHER], messages=messages, tool_choice="required")) == ["get_weather"]


@given(st.text(min_size=1, max_size=50), st.integers(1, 300), st.integers(1, 40))
def test_size_and_number_of_events_are_as_asked(text: str, size: int, events: int) -> None:
    request = ask(text)
    assert len(reply(request, 0, size=size).text.encode()) == size
    found = reply(request, 0, events=events)
    spoken = [chunk["choices"][0]["delta"] for chunk in wire.chunks(request, "chat", [found], events)]
    assert sum("content" in delta and "role" not in delta for delta in spoken) == events
    assert "".join(delta.get("content") or "" for delta in spoken) == found.text


def test_stream_grammar() -> None:
    """Emitter rules of protocols 1.2.4: what the accumulating helpers of the SDKs rely on."""
    request = ask("in parallel", tools=[WEATHER, CLOCK], stream_options={"include_usage": True})
    replies = [reply(request, 0), reply(ask("hi"), 1, thinks=True)]
    *events, last = list(wire.chunks(request, "chat", replies))
    choices: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        assert event["usage"] is None
        (choice,) = event["choices"]
        choices[choice["index"]].append(choice)
    assert list(choices) == [0, 1]
    for mine in choices.values():
        assert ["role" in choice["delta"] for choice in mine] == [True] + [False] * (len(mine) - 1)
        assert [choice["finish_reason"] is not None for choice in mine] == [False] * (len(mine) - 1) + [True]
        assert mine[-1]["delta"] == {}
    calls = [delta for choice in choices[0] for delta in choice["delta"].get("tool_calls", ())]
    openings = [call for call in calls if "id" in call]
    assert [(call["index"], call["function"]["arguments"]) for call in openings] == [(0, ""), (1, "")]
    later = [call for call in calls if "id" not in call]
    assert all(call.keys() == {"index", "function"} and call["function"].keys() == {"arguments"} for call in later)
    assert last["choices"] == []
    assert last["usage"] == usage(request, replies)
    assert len({(event["id"], event["created"]) for event in [*events, last]}) == 1


def test_without_the_option_no_chunk_speaks_of_usage() -> None:
    assert all("usage" not in chunk for chunk in wire.chunks(ask("hi"), "chat", [reply(ask("hi"), 0)]))


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"model": "chat", "messages": []}', "[" * 100_000, '{"n": NaN}'])
def test_what_is_no_request_is_refused_with_a_reason(body: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        asked.read(body.encode())
