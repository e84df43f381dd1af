"""OpenAI's own SDK over Chat Completions and embeddings, against providers of each of the four protocols."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import Omit, OpenAI
from pydantic import BaseModel

from tests.support.bridge_gateway import (
    BROKEN_OFF,
    FAILURES,
    HELLO,
    PDF,
    PIXEL,
    PROTOCOLS,
    SAID,
    STATE,
    THOUGHT,
    UPSTREAMS,
    Bridged,
    models,
)

MESSAGES: list[Any] = [{"role": "user", "content": HELLO}]
BOTH: list[Any] = [{"role": "user", "content": "get_weather and get_time, in parallel"}]


def tool(name: str, argument: str) -> Any:
    """A function tool with one text argument."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


@pytest.fixture(scope="module")
def client(bridged: Bridged) -> Iterator[OpenAI]:
    gateway = bridged.gateway
    with OpenAI(base_url=gateway.openai_base_url, api_key=gateway.key, max_retries=0) as client:
        yield client


def text_of(chunks: list[Any]) -> str:
    """The text of a stream."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def answered(message: Any) -> list[Any]:
    """The assistant's turn as the SDK has it, and a result for each of its calls."""
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} is done"}
        for call in message.tool_calls
    ]
    return [message.model_dump(exclude_none=True), *results]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_plain_and_streamed_chats_say_the_same(client: OpenAI, upstream: str) -> None:
    """T11 and T110: one id, one time and the public name on every chunk; usage in a chunk of its own."""
    name = f"{upstream}/chat"
    plain = client.chat.completions.create(model=name, messages=MESSAGES)
    *chunks, last = client.chat.completions.create(
        model=name, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert (plain.model, plain.choices[0].message.content) == (name, SAID)
    assert plain.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "stop"
    assert text_of(chunks) == SAID
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {(last.id, last.created, name)}
    assert (last.choices, last.usage) == ([], plain.usage)
    assert plain.usage is not None
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens > 0


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_accumulating_helper(client: OpenAI, upstream: str) -> None:
    with client.chat.completions.stream(model=f"{upstream}/chat", messages=MESSAGES) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 1
    assert final.choices[0].message.content == "".join(pieces) == SAID


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T06_T08_parallel_tools_in_two_turns(client: OpenAI, upstream: str, streams: bool) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "tools": TOOLS}
    if streams:
        with client.chat.completions.stream(messages=BOTH, **asked) as stream:
            first = stream.get_final_completion().choices[0]
    else:
        first = client.chat.completions.create(messages=BOTH, **asked).choices[0]
    calls: Any = first.message.tool_calls
    assert first.finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [set(json.loads(call.function.arguments)) for call in calls] == [{"city"}, {"zone"}]
    assert len({call.id for call in calls}) == 2
    second = client.chat.completions.create(messages=[*BOTH, *answered(first.message)], **asked).choices[0]
    assert second.finish_reason == "stop"
    assert "get_weather is done" in (second.message.content or "")
    assert "get_time is done" in (second.message.content or "")


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_arguments_arrive_under_one_index_each(client: OpenAI, upstream: str) -> None:
    """T01, T08, T19: raw deltas; the first of each call has id and name, and all have the index."""
    chunks = client.chat.completions.create(model=f"{upstream}/chat", messages=BOTH, tools=TOOLS, stream=True)
    deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    for index, name in enumerate(("get_weather", "get_time")):
        first, *rest = [call for call in deltas if call.index == index]
        assert first.id
        assert first.function is not None
        assert first.function.name == name
        arguments = "".join((call.function.arguments or "") for call in (first, *rest) if call.function)
        assert isinstance(json.loads(arguments), dict)
        assert not any(call.id not in (None, first.id) for call in rest)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_one_call_at_a_time_and_none(client: OpenAI, upstream: str) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "messages": BOTH, "tools": TOOLS}
    none = client.chat.completions.create(**asked, tool_choice="none").choices[0]
    assert none.message.tool_calls is None
    chosen: Any = {"type": "function", "function": {"name": "get_time"}}
    named = client.chat.completions.create(**asked, tool_choice=chosen).choices[0]
    assert [call.function.name for call in named.message.tool_calls or () if call.type == "function"] == ["get_time"]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_images_are_seen(client: OpenAI, upstream: str) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    content: list[Any] = [{"type": "text", "text": "See?"}, image]
    answer = client.chat.completions.create(model=f"{upstream}/chat", messages=[{"role": "user", "content": content}])
    assert "1 image: image/png of 70 bytes" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_files_are_held(client: OpenAI, upstream: str) -> None:
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
    content: list[Any] = [{"type": "text", "text": "See?"}, file]
    answer = client.chat.completions.create(model=f"{upstream}/chat", messages=[{"role": "user", "content": content}])
    assert "1 file: application/pdf of 20 bytes" in (answer.choices[0].message.content or "")


def test_an_image_at_an_address_of_the_gateways_own_network_is_not_fetched(client: OpenAI, bridged: Bridged) -> None:
    """Google takes bytes alone, so the gateway would have to fetch it."""
    image = {"type": "image_url", "image_url": {"url": f"{bridged.simulator}/image.png"}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gemini/chat", messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item, misc]
    assert caught.value.code == "media_not_fetched"


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_custom_tools_take_plain_text(client: OpenAI, upstream: str, streams: bool) -> None:
    """Where the provider has none, they are functions of one text on the way (2.1.3)."""
    shell: Any = {"type": "custom", "custom": {"name": "shell", "description": "Run a command."}}
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "messages": MESSAGES, "tools": [shell]}
    if streams:  # the SDK's helper knows no custom tools
        chunks = client.chat.completions.create(**asked, stream=True)
        calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        first, *rest = [call.model_dump(exclude_none=True) for call in calls]
        first["custom"]["input"] += "".join(call["custom"]["input"] for call in rest)
        kept: dict[str, Any] = {"role": "assistant", "tool_calls": [first]}
        del first["index"]
    else:
        kept = client.chat.completions.create(**asked).choices[0].message.model_dump(exclude_none=True)
    (call,) = kept["tool_calls"]
    assert (call["type"], call["custom"]["name"]) == ("custom", "shell")
    assert call["custom"]["input"] in ("simulated input", "simulated")
    told = {"role": "tool", "tool_call_id": call["id"], "content": "no such file"}
    history: list[Any] = [*MESSAGES, kept, told]
    second = client.chat.completions.create(**(asked | {"messages": history}))
    assert "no such file" in (second.choices[0].message.content or "")


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
def test_T101_functions_of_a_model_that_thinks_go_to_responses(client: OpenAI, bridged: Bridged, streams: bool) -> None:
    """An unset effort counts as thinking; with none, or without functions, Chat it is."""
    rows: list[tuple[dict[str, Any], str]] = [
        ({"tools": TOOLS}, "/v1/responses"),
        ({"tools": TOOLS, "reasoning_effort": "low"}, "/v1/responses"),
        ({"tools": TOOLS, "reasoning_effort": "none"}, "/v1/chat/completions"),
        ({"reasoning_effort": "low"}, "/v1/chat/completions"),
        ({}, "/v1/chat/completions"),
    ]
    for more, path in rows:
        answer: Any = client.chat.completions.create(model="chat/both", messages=BOTH, stream=streams, **more)
        last = list(answer)[-1] if streams else answer
        assert last.choices[0].finish_reason == ("tool_calls" if "tools" in more else "stop")
        assert bridged.last()["path"] == path


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T84_structured_output_is_parsed(client: OpenAI, upstream: str) -> None:
    answer = client.chat.completions.parse(model=f"{upstream}/chat", messages=MESSAGES, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)
    with client.chat.completions.stream(model=f"{upstream}/chat", messages=MESSAGES, response_format=City) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, City)


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T86_reasoning_state_comes_back(client: OpenAI, bridged: Bridged, upstream: str, streams: bool) -> None:
    """Thinking with tools: the provider gets its own state in the second turn, and refuses any other."""
    asked: dict[str, Any] = {"model": f"{upstream}/thinker", "tools": TOOLS, "reasoning_effort": "high"}
    if streams:
        with client.chat.completions.stream(messages=BOTH, **asked) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=BOTH, **asked).choices[0].message
    assert THOUGHT in str(message.model_dump())
    second = client.chat.completions.create(messages=[*BOTH, *answered(message)], **asked)
    assert "get_time is done" in (second.choices[0].message.content or "")
    assert (THOUGHT if upstream == "chat" else STATE) in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
def test_T87_signatures_are_kept_for_clients_that_drop_them(client: OpenAI, bridged: Bridged, streams: bool) -> None:
    asked: dict[str, Any] = {"model": "gemini/thinker", "tools": TOOLS}
    question: list[Any] = [{"role": "user", "content": f"get_weather for a {streams} stream"}]
    if streams:
        with client.chat.completions.stream(messages=question, **asked) as stream:
            message: Any = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=question, **asked).choices[0].message
    (call,) = message.tool_calls
    function = {"name": call.function.name, "arguments": call.function.arguments}
    kept = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call.id, "type": "function", "function": function}],
    }
    history: list[Any] = [*question, kept, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert "sunny" in (client.chat.completions.create(messages=history, **asked).choices[0].message.content or "")
    assert STATE in json.dumps(bridged.last()["body"])
    kept["tool_calls"][0]["id"] = history[2]["tool_call_id"] = "call_of_elsewhere"  # type: ignore[index]
    assert "sunny" in (client.chat.completions.create(messages=history, **asked).choices[0].message.content or "")
    assert STATE not in json.dumps(bridged.last()["body"])


def test_T94_state_of_one_provider_does_not_go_to_another(client: OpenAI, bridged: Bridged) -> None:
    for made, used in (("messages", "gemini"), ("gemini", "responses"), ("responses", "messages")):
        asked: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": "high"}
        first = client.chat.completions.create(model=f"{made}/thinker", messages=BOTH, **asked)
        history = [*BOTH, *answered(first.choices[0].message)]
        second = client.chat.completions.create(model=f"{used}/thinker", messages=history, **asked)
        assert "get_time is done" in (second.choices[0].message.content or "")
        assert STATE not in json.dumps(bridged.last()["body"])


def test_T92_redacted_thinking_survives(client: OpenAI, bridged: Bridged) -> None:
    asked: dict[str, Any] = {"model": "messages/redacted", "tools": TOOLS, "reasoning_effort": "high"}
    first = client.chat.completions.create(messages=BOTH, **asked).choices[0].message
    second = client.chat.completions.create(messages=[*BOTH, *answered(first)], **asked)
    assert "get_time is done" in (second.choices[0].message.content or "")
    blocks = [block["type"] for block in bridged.last()["body"]["messages"][1]["content"]]
    assert blocks == ["redacted_thinking", "tool_use", "tool_use"]


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_providers_failure_is_the_sdks_own_exception(
    client: OpenAI, upstream: str, fault: str, streams: bool
) -> None:
    """T105, T106, T108: with its HTTP status, in a stream too; the secrets in the provider's words stay here."""
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=f"{upstream}/{fault}", messages=MESSAGES, stream=streams)
    error, status = caught.value, FAILURES[fault]
    classes = {
        400: openai.BadRequestError,
        413: openai.APIStatusError,
        429: openai.RateLimitError,
    }
    assert (error.status_code, type(error).__name__) == (
        status, classes.get(status, openai.InternalServerError).__name__
    )  # fmt: skip
    assert error.request_id
    assert error.code
    assert "secret" not in error.message
    if fault == "400":
        assert error.code == "context_length_exceeded"
    if status == 429:
        assert int(error.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", BROKEN_OFF)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T102_a_broken_stream_raises_after_what_was_said(client: OpenAI, upstream: str, fault: str) -> None:
    seen: list[Any] = []
    stream = client.chat.completions.create(model=f"{upstream}/{fault}", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError) as caught:
        seen.extend(stream)
    assert text_of(seen)
    assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)
    assert not isinstance(caught.value, openai.APIStatusError)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_odd_framing_is_not_seen_and_missing_usage_is_estimated(client: OpenAI, upstream: str) -> None:
    odd = list(client.chat.completions.create(model=f"{upstream}/framing", messages=MESSAGES, stream=True))
    assert text_of(odd) == SAID
    raw = client.chat.completions.with_raw_response.create(model=f"{upstream}/no-usage", messages=MESSAGES)
    if upstream != "chat":
        usage = raw.parse().usage
        assert usage is not None
        assert raw.headers["x-nexusflow-estimated"] == "tokens"
        options: Any = {"include_usage": True}
        asked: dict[str, Any] = {"model": f"{upstream}/no-usage", "messages": MESSAGES}
        *_, last = client.chat.completions.create(**asked, stream=True, stream_options=options)
        assert last.usage == usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > usage.prompt_tokens > 0


@pytest.mark.parametrize("name", ["refusing", "filtered"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_refusals_and_filters_end_as_such(client: OpenAI, upstream: str, name: str) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/{name}", "messages": MESSAGES}
    plain = client.chat.completions.create(**asked).choices[0]
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert chunks[-1].choices[0].finish_reason == plain.finish_reason
    if plain.finish_reason == "stop":
        assert plain.message.refusal == "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks)
        assert plain.message.refusal
    else:
        assert plain.finish_reason == "content_filter"
        assert text_of(chunks) == (plain.message.content or "")


# ---- what is not there


def test_a_model_is_offered_over_its_own_protocols_alone(client: OpenAI) -> None:
    assert client.chat.completions.create(model="chat/only", messages=MESSAGES).choices
    for upstream in UPSTREAMS[1:]:
        with pytest.raises(openai.NotFoundError, match=PROTOCOLS[upstream]) as caught:
            client.chat.completions.create(model=f"{upstream}/only", messages=MESSAGES)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="openai/embeddings"):
        client.chat.completions.create(model="chat/embedding", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="no/such", messages=MESSAGES)


def test_a_wrong_key_and_the_right_one_in_other_places(bridged: Bridged) -> None:
    address, key = bridged.gateway.openai_base_url, bridged.gateway.key
    with OpenAI(base_url=address, api_key="sk-air-unknown", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.chat.completions.create(model="gemini/chat", messages=MESSAGES)
        assert caught.value.code == "invalid_api_key"
        for place in ("x-api-key", "x-goog-api-key"):
            headers: Any = {"authorization": Omit(), place: key}
            answer = stranger.chat.completions.create(model="gemini/chat", messages=MESSAGES, extra_headers=headers)
            assert answer.choices[0].message.content == SAID


@pytest.mark.parametrize("base", ["", "/v1", "/v1beta/openai"])
def test_base_urls_that_are_off_by_a_segment(bridged: Bridged, base: str) -> None:
    with OpenAI(base_url=bridged.gateway.url + base, api_key=bridged.gateway.key, max_retries=0) as client:
        answer = client.chat.completions.create(model="messages/chat", messages=MESSAGES)
        assert answer.choices[0].message.content == SAID


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert {one.id for one in client.models.list()} == set(models())
    assert client.models.retrieve("gemini/chat").id == "gemini/chat"
    assert client.models.retrieve("gemini-alias").id == "gemini/chat"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such")


# ---- what is lost on the way


def test_losses_are_named_in_a_header(client: OpenAI) -> None:
    create = client.chat.completions.with_raw_response.create
    asked: dict[str, Any] = {"messages": MESSAGES, "seed": 7}
    warned = create(model="messages/chat", **asked)
    assert "dropped=seed" in warned.headers["x-nexusflow-warnings"]
    streamed = create(model="messages/chat", stream=True, **asked)
    assert streamed.headers["x-nexusflow-warnings"] == warned.headers["x-nexusflow-warnings"]
    assert "x-nexusflow-warnings" not in create(model="gemini/chat", **asked).headers
    assert "x-nexusflow-warnings" not in create(model="chat/chat", **asked).headers
    assert "x-nexusflow-warnings" not in create(model="messages/allow", **asked).headers
    assert "x-nexusflow-warnings" not in create(model="messages/chat", messages=MESSAGES, temperature=1, n=1).headers


def test_losses_refuse_the_call_where_that_is_wanted(client: OpenAI) -> None:
    strict = {"x-nexusflow-strict": "true"}
    asked: dict[str, Any] = {"messages": MESSAGES, "seed": 7}
    for name, headers in (("messages/reject", {}), ("messages/chat", strict), ("messages/allow", strict)):
        with pytest.raises(openai.BadRequestError, match="seed") as caught:
            client.chat.completions.create(model=name, extra_headers=headers, **asked)
        assert caught.value.param == "seed"
    assert client.chat.completions.create(model="gemini/reject", extra_headers=strict, **asked).choices
    assert client.chat.completions.create(model="messages/reject", extra_headers=strict, messages=MESSAGES).choices


# ---- embeddings


EMBEDDERS = ("chat", "responses", "gemini")


@pytest.mark.parametrize("upstream", EMBEDDERS)
def test_T111_embeddings_in_both_encodings(client: OpenAI, upstream: str) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/embedding", "input": ["one", "two words"]}
    packed = client.embeddings.create(**asked)
    plain = client.embeddings.create(**asked, encoding_format="float")
    assert packed.model == f"{upstream}/embedding"
    assert [one.index for one in packed.data] == [0, 1]
    assert [len(one.embedding) for one in packed.data] == [1536, 1536]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    coded = client.embeddings.create(**asked, encoding_format="base64")
    assert isinstance(coded.data[0].embedding, str)
    assert packed.usage.total_tokens >= packed.usage.prompt_tokens > 0


@pytest.mark.parametrize("upstream", EMBEDDERS)
def test_embeddings_with_fewer_dimensions(client: OpenAI, upstream: str) -> None:
    answer = client.embeddings.create(model=f"{upstream}/embedding", input="one", dimensions=256)
    assert [len(one.embedding) for one in answer.data] == [256]


def test_embeddings_of_a_chat_model_and_of_nothing(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="openai/chat-completions"):
        client.embeddings.create(model="chat/chat", input="one")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="no/such", input="one")
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model="chat/embedding", input=[])
    assert caught.value.status_code in (400, 422)
