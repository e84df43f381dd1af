"""The official OpenAI SDK for Python, unmodified, against a gateway in front of the simulated provider."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from nexusflow.testing.gateway import Gateway
from tests.conftest import CHAT, MODELS

HELLO: list[Any] = [{"role": "user", "content": "Hello from Python"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


def tool(name: str, argument: str) -> Any:
    """A function tool with one text argument."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


WEATHER, CLOCK = tool("get_weather", "city"), tool("get_time", "zone")


@pytest.fixture(scope="module")
def client(simulated: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=simulated.openai_base_url, api_key=simulated.key, max_retries=0) as client:
        yield client


def text_of(chunks: list[Any]) -> str:
    """The text of a stream."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_plain_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=CHAT, messages=HELLO)
    assert answer.model == CHAT
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_L07_every_answer_names_its_request_and_its_simulation(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=HELLO)
    assert raw.headers["x-request-id"]
    assert raw.headers["x-nexusflow-simulated"] == "true"
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_streamed_chat_says_what_the_plain_one_says(client: OpenAI) -> None:
    plain = client.chat.completions.create(model=CHAT, messages=HELLO)
    chunks = list(client.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
    assert text_of(chunks) == plain.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {CHAT}
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_arrives_last_when_asked_for(client: OpenAI) -> None:
    plain = client.chat.completions.create(model=CHAT, messages=HELLO)
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(model=CHAT, messages=HELLO, stream=True, stream_options=options)
    *before, last = list(stream)
    assert last.choices == []
    assert last.usage == plain.usage
    assert [chunk.usage for chunk in before] == [None] * len(before)


def test_the_accumulating_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model=CHAT, messages=HELLO) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 1
    assert final.choices[0].message.content == "".join(pieces)


def test_tool_calling_round_trip(client: OpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model=CHAT, messages=question, tools=[WEATHER])
    (call,) = first.choices[0].message.tool_calls or []
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    told = [*question, first.choices[0].message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model=CHAT, messages=told, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert "18 degrees" in (second.choices[0].message.content or "")


def test_streamed_tool_calls_accumulate_to_the_plain_ones(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": CHAT, "messages": HELLO, "tools": [WEATHER, CLOCK]}
    plain = client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked) as stream:
        final = stream.get_final_completion()
    calls = [call.function for call in final.choices[0].message.tool_calls or []]
    expected = [call.function for call in plain.choices[0].message.tool_calls or [] if call.type == "function"]
    assert calls
    assert [(call.name, call.arguments) for call in calls] == [(call.name, call.arguments) for call in expected]


def test_parallel_tool_calls(client: OpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "Weather and time, in parallel"}]
    answer = client.chat.completions.create(model=CHAT, messages=question, tools=[WEATHER, CLOCK])
    calls = answer.choices[0].message.tool_calls or []
    names = [call.function.name for call in calls if call.type == "function"]
    assert names == ["get_weather", "get_time"]
    assert len({call.id for call in calls}) == 2
    asked: dict[str, Any] = {"model": CHAT, "messages": question, "tools": [WEATHER, CLOCK]}
    single = client.chat.completions.create(**asked, parallel_tool_calls=False)
    assert len(single.choices[0].message.tool_calls or []) == 1


def test_image_input(client: OpenAI) -> None:
    parts: list[Any] = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": parts}])
    assert "image" in (answer.choices[0].message.content or "")


def test_structured_output_is_parsed(client: OpenAI) -> None:
    class City(BaseModel):
        name: str
        people: int

    answer = client.chat.completions.parse(model=CHAT, messages=HELLO, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


def test_L39_models_are_listed_and_found_by_an_id_with_a_slash(client: OpenAI) -> None:
    assert {model.id for model in client.models.list()} == set(MODELS)
    assert client.models.retrieve(CHAT).id == CHAT
    assert client.models.retrieve("chat-alias").id == CHAT
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such")


def test_an_alias_answers_under_the_models_own_name(client: OpenAI) -> None:
    assert client.chat.completions.create(model="chat-alias", messages=HELLO).model == CHAT


# What a caller can do wrong: the SDK's class, status, code and parameter (reliability 1.7).
MISTAKES: dict[str, tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = {
    "model": ({"model": "no/such"}, openai.NotFoundError, "model_not_found", "model"),
    "shape": (
        {"messages": [{"role": "user", "content": 7}]},
        openai.BadRequestError,
        "invalid_type",
        "messages[0].content",
    ),
    "role": ({"messages": [{"role": "wizard"}]}, openai.BadRequestError, "invalid_type", "messages[0].role"),
    "image": (
        {
            "model": "text-only",
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}],
        },
        openai.BadRequestError,
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "tools": ({"model": "text-only", "tools": [WEATHER]}, openai.BadRequestError, "unsupported_parameter", "tools"),
    "range": ({"temperature": 9}, openai.UnprocessableEntityError, "value_out_of_range", "temperature"),
    "narrowed": (
        {"model": "bounded", "temperature": 1.5},
        openai.UnprocessableEntityError,
        "value_out_of_range",
        "temperature",
    ),
    "empty": ({"messages": []}, openai.UnprocessableEntityError, "value_out_of_range", "messages"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_callers_mistake_is_the_sdks_own_exception(client: OpenAI, name: str, stream: bool) -> None:
    change, error_type, code, param = MISTAKES[name]
    with pytest.raises(error_type) as caught:
        client.chat.completions.create(**{"model": CHAT, "messages": HELLO, "stream": stream, **change})
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.request_id


def test_a_wrong_key_is_an_authentication_error(simulated: Gateway) -> None:
    stranger = OpenAI(base_url=simulated.openai_base_url, api_key="sk-air-unknown", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.chat.completions.create(model=CHAT, messages=HELLO)
    assert caught.value.code == "invalid_api_key"


# What the provider can do wrong before it has said anything: the SDK's class and code.
FAILURES: dict[str, tuple[type[openai.APIStatusError], int, str]] = {
    "429": (openai.RateLimitError, 429, "rate_limit_exceeded"),
    "500": (openai.InternalServerError, 502, "upstream_error"),
    "401": (openai.InternalServerError, 502, "upstream_error"),
    "html": (openai.InternalServerError, 502, "upstream_error"),
    "empty": (openai.InternalServerError, 502, "upstream_error"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAILURES)
def test_a_providers_failure_is_the_sdks_own_exception(client: OpenAI, fault: str, stream: bool) -> None:
    error_type, status, code = FAILURES[fault]
    with pytest.raises(error_type) as caught:
        client.chat.completions.create(model=f"simulator/fault-{fault}", messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    if status == 429:
        assert int(caught.value.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", ["cut", "reset", "truncate", "error-event", "malformed"])
def test_U08_a_failure_in_mid_stream_raises_after_what_was_said(client: OpenAI, fault: str) -> None:
    seen: list[Any] = []
    stream = client.chat.completions.create(model=f"simulator/fault-{fault}", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as caught:
        seen.extend(stream)
    assert text_of(seen)
    assert not isinstance(caught.value, openai.APIStatusError)
    assert caught.value.message


def test_U09_a_missing_done_is_supplied(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="simulator/fault-no-done", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_U13_odd_framing_is_not_seen(client: OpenAI) -> None:
    plain = list(client.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
    odd = list(client.chat.completions.create(model="simulator/fault-framing", messages=HELLO, stream=True))
    assert text_of(odd) == text_of(plain)


def test_a_client_that_leaves_does_not_disturb_the_next(client: OpenAI) -> None:
    for _ in range(3):
        with client.chat.completions.create(model="simulator/fault-stall", messages=HELLO, stream=True) as stream:
            next(iter(stream))
    assert client.chat.completions.create(model=CHAT, messages=HELLO).choices


def test_the_asynchronous_client(simulated: Gateway) -> None:
    """Plain, streamed and failing calls side by side on one client."""

    async def chat(client: AsyncOpenAI, text: str) -> tuple[str | None, str]:
        messages: list[Any] = [{"role": "user", "content": text}]
        plain = await client.chat.completions.create(model=CHAT, messages=messages)
        stream = await client.chat.completions.create(model=CHAT, messages=messages, stream=True)
        return plain.choices[0].message.content, text_of([chunk async for chunk in stream])

    async def run() -> list[Any]:
        async with AsyncOpenAI(base_url=simulated.openai_base_url, api_key=simulated.key, max_retries=0) as client:
            chats = [chat(client, f"Number {number}") for number in range(8)]
            lost = client.chat.completions.create(model="no/such", messages=HELLO)
            return await asyncio.gather(*chats, lost, return_exceptions=True)

    *answers, failure = asyncio.run(run())
    assert isinstance(failure, openai.NotFoundError)
    assert all(plain and plain == streamed for plain, streamed in answers)


def test_an_asynchronous_client_that_is_cancelled_does_not_disturb_the_next(simulated: Gateway) -> None:
    async def read(client: AsyncOpenAI) -> None:
        stalling = "simulator/fault-stall"
        async for _ in await client.chat.completions.create(model=stalling, messages=HELLO, stream=True):
            pass

    async def run() -> None:
        async with AsyncOpenAI(base_url=simulated.openai_base_url, api_key=simulated.key, max_retries=0) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(read(client), 0.5)
            assert (await client.chat.completions.create(model=CHAT, messages=HELLO)).choices

    asyncio.run(run())
