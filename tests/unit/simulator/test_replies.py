"""The simulated provider's replies: a function of the request, well-formed, and with usage that adds up."""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator import tokens
from nexusflow.simulator.asked import TOKENS_OF_MEDIA, Asked
from nexusflow.simulator.openai import chat_request
from nexusflow.simulator.reply import Reply, reply
from nexusflow.simulator.traits import Traits
from nexusflow.simulator.usage import measure
from tests.support.simulated import Simulated

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
THINKS = Traits(("none", "low"))


def ask(content: Any, *, traits: Traits | None = None, **more: Any) -> Asked:
    """A request whose last message is the user's."""
    body = {"model": "chat", "messages": [{"role": "user", "content": content}], **more}
    return chat_request.read(body, traits or Traits())[0]


def names(request: Asked) -> list[str]:
    """The tools that the reply calls."""
    return [call.name for call in reply(request).calls]


def chunks(content: Any, model: str = "chat", **more: Any) -> list[Any]:
    """The chunks of a stream, without [DONE]."""
    body = {"messages": [{"role": "user", "content": content}], "stream": True, **more}
    *events, done = Simulated().chat(body, model=model).events
    assert done == "[DONE]"
    return events


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
    assert reply(first) == reply(second)
    assert reply(first) != reply(first, 1)
    assert ask("bye").identity != first.identity
    assert reply(first).text == "[simulated] You said: hello."


@given(st.text(max_size=80), st.integers(1, 20), st.integers(1, 3), st.booleans())
def test_usage_adds_up_and_bounds_hold(text: str, bound: int, choices: int, thinks: bool) -> None:
    traits = THINKS if thinks else Traits()
    request = ask(text, traits=traits, max_completion_tokens=bound)
    replies = [reply(request, at) for at in range(choices)]
    counted = measure(request, replies)
    assert counted.output <= bound * choices
    assert counted.thought <= counted.output
    for at, one in enumerate(replies):
        whole = reply(ask(text, traits=traits), at)
        cut = tokens.count(whole.text + " " + whole.thought) > bound
        assert one.finish == ("length" if cut else "end")


def test_prompt_tokens_count_messages_tools_and_images() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    assert ask("one two").tokens == 5
    assert ask([{"type": "text", "text": "one two"}, image]).tokens == 5 + TOKENS_OF_MEDIA
    assert ask("one two", tools=[WEATHER]).tokens > 20


def test_a_bound_cuts_the_arguments_of_a_tool_call() -> None:
    whole = reply(ask("x", tools=[WEATHER]))
    cut = reply(ask("x", tools=[WEATHER], max_tokens=4))
    assert (whole.finish, cut.finish) == ("tools", "length")
    assert whole.calls[0].payload.startswith(cut.calls[0].payload)
    assert tokens.count(cut.calls[0].payload) == 3


@pytest.mark.parametrize("stop", ["You", ["never", "You"], ["said", "You"]])
def test_the_first_stop_sequence_ends_the_text_before_it(stop: Any) -> None:
    assert reply(ask("x", stop=stop)) == Reply("[simulated] ", finish="stop", stopped="You")


def test_json_modes_answer_in_json() -> None:
    text = reply(ask("x", response_format={"type": "json_object"})).text
    assert json.loads(text) == {"simulated": True, "reply": "[simulated] You said: x."}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert json.loads(reply(ask("x", response_format=wanted), size=900).text) == {"a": 1}


def test_images_and_files_are_counted_and_described() -> None:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in (PIXEL, "https://example.com/cat.jpg")]
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
    text = reply(ask([{"type": "text", "text": "look"}, *parts, file])).text
    assert "I see 2 images: image/png of 8 bytes, at https://example.com/cat.jpg." in text
    assert text.endswith("I hold 1 file: application/pdf of 5 bytes.")


def test_tools_are_called_when_the_user_has_the_last_word() -> None:
    tools = [WEATHER, CLOCK]
    assert names(ask("hello", tools=tools)) == ["get_weather"]
    assert names(ask("call get_time", tools=tools)) == ["get_time"]
    assert names(ask("get_time and get_weather", tools=tools)) == ["get_weather", "get_time"]
    assert names(ask("in parallel please", tools=tools)) == ["get_weather", "get_time"]
    assert names(ask("in parallel please", tools=[CLOCK])) == ["get_time", "get_time"]
    assert names(ask("in parallel please", tools=tools, parallel_tool_calls=False)) == ["get_weather"]
    assert len({call.id for call in reply(ask("in parallel", tools=tools)).calls}) == 2


def test_tool_choice_is_obeyed() -> None:
    tools = [WEATHER, CLOCK]
    named = {"type": "function", "function": {"name": "get_time"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    assert names(ask("x", tools=tools, tool_choice="none")) == []
    assert names(ask("x", tools=tools, tool_choice=named)) == ["get_time"]
    assert names(ask("x", tools=tools, tool_choice=allowed)) == ["get_time"]
    assert names(ask("x", tools=tools, tool_choice="required")) == ["get_weather"]


def test_arguments_fit_the_parameters_and_custom_tools_get_text() -> None:
    (call,) = reply(ask("x", tools=[WEATHER])).calls
    assert json.loads(call.payload) == {"city": "simulated", "days": 3}
    assert json.loads(reply(ask("x", tools=[CLOCK])).calls[0].payload) == {}
    answered = Simulated().chat({"messages": [{"role": "user", "content": "x"}], "tools": [NOTE]}).json
    (custom,) = answered["choices"][0]["message"]["tool_calls"]
    assert (custom["type"], custom["custom"]) == ("custom", {"name": "take_note", "input": "simulated input"})


def test_legacy_functions_are_called_the_legacy_way() -> None:
    legacy: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}], "functions": [WEATHER["function"]]}
    (choice,) = Simulated().chat(legacy).json["choices"]
    assert choice["finish_reason"] == "function_call"
    assert json.loads(choice["message"]["function_call"]["arguments"]) == {"city": "simulated", "days": 3}
    deltas = [event["choices"][0]["delta"] for event in chunks("x", functions=[WEATHER["function"]])]
    parts = [delta["function_call"] for delta in deltas if "function_call" in delta]
    assert json.loads("".join(part["arguments"] for part in parts)) == {"city": "simulated", "days": 3}
    off = {**legacy, "function_call": "none"}
    assert Simulated().chat(off).json["choices"][0]["finish_reason"] == "stop"


def called(*ids: str) -> dict[str, Any]:
    """An assistant's message with calls."""
    calls = [{"id": id_, "type": "function", "function": {"name": "get_time", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def test_tool_results_are_quoted_all_of_them() -> None:
    results = [{"role": "tool", "tool_call_id": at, "content": f"{at} degrees"} for at in ("four", "five")]
    messages = [{"role": "user", "content": "x"}, called("four", "five"), *results]
    found = reply(ask("x", tools=[WEATHER], messages=messages))
    assert found.text == "[simulated] The tool answered: four degrees; five degrees"
    assert names(ask("x", tools=[WEATHER], messages=messages, tool_choice="required")) == ["get_weather"]
    more = [*messages, {"role": "user", "content": "Thanks"}]
    said = reply(ask("x", tools=[WEATHER], messages=more)).text
    assert said == "[simulated] The tool answered: four degrees; five degrees. You said: Thanks."


def test_everything_since_the_last_answer_is_echoed_and_a_beginning_is_gone_on_from() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    two = [*messages, {"role": "user", "content": "c"}, {"role": "user", "content": "d"}]
    assert reply(ask("", messages=two)).text == "[simulated] You said: c d."
    assert reply(ask("", messages=messages)).text == "[simulated] I go on from: b."
    thought = [messages[0], {**messages[1], "reasoning_content": "hm"}]
    assert reply(ask("", messages=thought, traits=THINKS)).text == "[simulated] I go on from: b."


@given(st.text(min_size=1, max_size=50), st.integers(1, 300), st.integers(1, 40))
def test_size_and_number_of_events_are_as_asked(text: str, size: int, events: int) -> None:
    request = ask(text)
    assert len(reply(request, size=size).text.encode()) == size
    deltas = [event["choices"][0]["delta"] for event in chunks(text, f"chat@events={events}")]
    spoken = [delta["content"] for delta in deltas if "content" in delta and "role" not in delta]
    assert len(spoken) == events
    assert "".join(spoken) == reply(request, events=events).text


def test_stream_grammar() -> None:
    """Emitter rules of protocols 1.2.4: what the accumulating helpers of the SDKs rely on."""
    tools, told = [WEATHER, CLOCK], {"include_usage": True}
    *events, last = chunks("in parallel", "reasoning", tools=tools, stream_options=told, n=2)
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
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    assert len({(event["id"], event["created"]) for event in [*events, last]}) == 1


def test_without_the_option_no_chunk_speaks_of_usage() -> None:
    assert all("usage" not in chunk for chunk in chunks("hi"))


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"model": "chat", "messages": []}', "[" * 100_000, '{"n": NaN}'])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"])
def test_what_is_no_request_is_refused_with_a_reason(body: str, path: str) -> None:
    answer = Simulated().ask(path, body.encode(), {"anthropic-version": "2023-06-01"})
    assert answer.status in (400, 404)
    assert answer.said


def test_every_answer_names_the_request_and_is_no_other_vendors() -> None:
    provider = Simulated()
    asked = {"messages": [{"role": "user", "content": "x"}]}
    assert provider.chat(asked).headers["x-request-id"].startswith("req_sim")
    assert provider.message(asked).headers["request-id"].startswith("req_sim")
    wrong = provider.message(asked, model="none")
    assert wrong.json["request_id"] == wrong.headers["request-id"]
    assert "x-request-id" not in wrong.headers
