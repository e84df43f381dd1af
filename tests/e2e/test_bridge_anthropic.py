"""Anthropic's own SDK over Messages, against providers of each of the four protocols."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, Omit
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
THINKING: dict[str, Any] = {
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high"},
}


def tool(name: str, argument: str) -> Any:
    """A tool with one text argument."""
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"name": name, "description": name, "input_schema": schema}


TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


@pytest.fixture(scope="module")
def client(bridged: Bridged) -> Iterator[Anthropic]:
    with Anthropic(base_url=bridged.gateway.url, api_key=bridged.gateway.key, max_retries=0) as client:
        yield client


def asked(model: str, messages: list[Any] = MESSAGES, **more: Any) -> dict[str, Any]:
    """The arguments of a call."""
    return {"model": model, "max_tokens": 4096, "messages": messages, **more}


def text_of(message: Any) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


def answered(message: Any) -> list[Any]:
    """The assistant's turn as the SDK has it, and a result for each of its calls."""
    calls = [block for block in message.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name} is done"} for call in calls]
    content = [block.model_dump(exclude_none=True) for block in message.content]
    return [{"role": "assistant", "content": content}, {"role": "user", "content": results}]


def ask(client: Anthropic, streams: bool, **call: Any) -> Any:
    """An answer, accumulated by the helper where it is streamed."""
    if not streams:
        return client.messages.create(**call)
    with client.messages.stream(**call) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_plain_and_streamed_messages_say_the_same(client: Anthropic, upstream: str) -> None:
    name = f"{upstream}/chat"
    plain = client.messages.create(**asked(name))
    events: list[Any] = list(client.messages.create(**asked(name), stream=True))
    assert (plain.model, plain.stop_reason, text_of(plain)) == (name, "end_turn", SAID)
    assert [event.type for event in events if event.type.startswith("message")] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert events[0].message.model == name
    texts = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert len(texts) > 1
    assert "".join(texts) == SAID
    delta = events[-2]
    assert (delta.delta.stop_reason, delta.usage.output_tokens) == ("end_turn", plain.usage.output_tokens)
    assert (delta.usage.input_tokens, events[0].type) == (plain.usage.input_tokens, "message_start")
    assert plain.usage.input_tokens > 0


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_accumulating_helper(client: Anthropic, upstream: str) -> None:
    with client.messages.stream(**asked(f"{upstream}/chat")) as stream:
        assert "".join(stream.text_stream) == SAID
        final = stream.get_final_message()
    assert (text_of(final), final.stop_reason) == (SAID, "end_turn")


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T06_parallel_tools_in_two_turns(client: Anthropic, upstream: str, streams: bool) -> None:
    call = asked(f"{upstream}/chat", BOTH, tools=TOOLS)
    first = ask(client, streams, **call)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [(call.name, set(call.input)) for call in calls] == [("get_weather", {"city"}), ("get_time", {"zone"})]
    assert len({call.id for call in calls}) == 2
    second = ask(client, streams, **(call | {"messages": [*BOTH, *answered(first)]}))
    assert second.stop_reason == "end_turn"
    assert "get_weather is done" in text_of(second)
    assert "get_time is done" in text_of(second)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T03_T05_blocks_follow_one_another(client: Anthropic, upstream: str) -> None:
    """Raw events: each block is opened once, filled in parts of its own kind and closed before the next."""
    events: list[Any] = list(
        client.messages.create(**asked(f"{upstream}/thinker", BOTH, tools=TOOLS, **THINKING), stream=True)
    )
    blocks: list[list[Any]] = []
    for event in events:
        if event.type == "content_block_start":
            assert event.index == len(blocks)
            blocks.append([event.content_block])
        elif event.type == "content_block_delta":
            assert event.index == len(blocks) - 1
            blocks[-1].append(event.delta)
    assert [block[0].type for block in blocks] == ["thinking", "tool_use", "tool_use"]
    assert sum(event.type == "content_block_stop" for event in events) == len(blocks)
    for _, *deltas in blocks[1:]:
        assert isinstance(json.loads("".join(delta.partial_json for delta in deltas)), dict)
    thinking = blocks[0][1:]
    assert "".join(delta.thinking for delta in thinking if delta.type == "thinking_delta") == THOUGHT


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_choosing_tools(client: Anthropic, upstream: str) -> None:
    call = asked(f"{upstream}/chat", BOTH, tools=TOOLS)
    none = client.messages.create(**call, tool_choice={"type": "none"})
    assert [block.type for block in none.content] == ["text"]
    named = client.messages.create(**call, tool_choice={"type": "tool", "name": "get_time"})
    assert [block.name for block in named.content if block.type == "tool_use"] == ["get_time"]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_images_are_seen_by_users_and_from_tools(client: Anthropic, upstream: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "text", "text": "See?"}, {"type": "image", "source": source}]
    answer = client.messages.create(**asked(f"{upstream}/chat", [{"role": "user", "content": content}]))
    assert "1 image: image/png of 70 bytes" in text_of(answer)
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {"zone": "here"}}
    told = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Now"}, content[1]]}
    history = [*BOTH, {"role": "assistant", "content": [call]}, {"role": "user", "content": [told]}]
    answer = client.messages.create(**asked(f"{upstream}/chat", history, tools=TOOLS))
    assert "1 image: image/png of 70 bytes" in text_of(answer)
    assert "Now" in text_of(answer)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_documents_are_held(client: Anthropic, upstream: str) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    said = [{"role": "user", "content": [{"type": "document", "source": source}, {"type": "text", "text": "See?"}]}]
    assert "1 file: application/pdf of 20 bytes" in text_of(client.messages.create(**asked(f"{upstream}/chat", said)))


@pytest.mark.parametrize("upstream", [one for one in UPSTREAMS if one != "messages"])
def test_usage_that_nobody_reported_is_estimated(client: Anthropic, upstream: str) -> None:
    raw = client.messages.with_raw_response.create(**asked(f"{upstream}/no-usage"))
    usage = raw.parse().usage
    assert raw.headers["x-nexusflow-estimated"] == "tokens"
    assert min(usage.input_tokens, usage.output_tokens) > 0
    streamed = ask(client, True, **asked(f"{upstream}/no-usage")).usage
    assert (streamed.input_tokens, streamed.output_tokens) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_structured_output_is_parsed(client: Anthropic, upstream: str) -> None:
    parsed = client.messages.parse(**asked(f"{upstream}/chat"), output_format=City)
    assert isinstance(parsed.parsed_output, City)
    with client.messages.stream(**asked(f"{upstream}/chat"), output_format=City) as stream:
        assert isinstance(stream.get_final_message().parsed_output, City)


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T89_T91_thinking_comes_back(client: Anthropic, bridged: Bridged, upstream: str, streams: bool) -> None:
    """The provider gets its own state in the second turn, and refuses any other."""
    call = asked(f"{upstream}/thinker", BOTH, tools=TOOLS, **THINKING)
    first = ask(client, streams, **call)
    thoughts = [block for block in first.content if block.type == "thinking"]
    assert "".join(block.thinking for block in thoughts) == THOUGHT
    assert all(block.signature for block in thoughts) or upstream == "chat"
    second = ask(client, streams, **(call | {"messages": [*BOTH, *answered(first)]}))
    assert "get_time is done" in text_of(second)
    assert (THOUGHT if upstream == "chat" else STATE) in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T88_thinking_before_text_comes_back(client: Anthropic, bridged: Bridged, upstream: str, streams: bool) -> None:
    call = asked(f"{upstream}/thinker", **THINKING)
    first = ask(client, streams, **call)
    assert text_of(first) == SAID
    assert first.content[-1].text == SAID
    history = [*MESSAGES, *answered(first)[:1], {"role": "user", "content": "And?"}]
    second = ask(client, streams, **(call | {"messages": history}))
    assert "And?" in text_of(second)
    assert (THOUGHT if upstream == "chat" else STATE) in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("made", UPSTREAMS)
def test_T94_state_of_one_provider_does_not_go_to_another(client: Anthropic, bridged: Bridged, made: str) -> None:
    first = client.messages.create(**asked(f"{made}/thinker", BOTH, tools=TOOLS, **THINKING))
    for used in UPSTREAMS:
        if used != made:
            history = [*BOTH, *answered(first)]
            second = client.messages.create(**asked(f"{used}/thinker", history, tools=TOOLS, **THINKING))
            assert "get_time is done" in text_of(second)
            assert STATE not in json.dumps(bridged.last()["body"])


def test_T92_redacted_thinking_survives(client: Anthropic, bridged: Bridged) -> None:
    for streams in (False, True):
        call = asked("messages/redacted", BOTH, tools=TOOLS, **THINKING)
        first = ask(client, streams, **call)
        assert first.content[0].type == "redacted_thinking"
        assert "is done" in text_of(ask(client, streams, **(call | {"messages": [*BOTH, *answered(first)]})))


# The SDK's class and `error.type` of each status (protocols 1.10.2).
CLASSES = {
    400: (anthropic.BadRequestError, "invalid_request_error"),
    413: (anthropic._exceptions.ContentTooLargeError, "request_too_large"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    502: (anthropic.InternalServerError, "api_error"),
    504: (anthropic._exceptions.GatewayTimeoutError, "timeout_error"),
    529: (anthropic._exceptions.OverloadedError, "overloaded_error"),
}


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T105_a_providers_failure_is_the_sdks_own_exception(
    client: Anthropic, upstream: str, fault: str, streams: bool
) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**asked(f"{upstream}/{fault}"), stream=streams)
    error, status = caught.value, FAILURES[fault] if FAILURES[fault] != 503 else 529
    expected, kind = CLASSES[status]
    body: Any = error.body
    assert (error.status_code, type(error), body["error"]["type"]) == (status, expected, kind)
    assert body["type"] == "error"
    assert body["request_id"] == error.request_id
    assert "secret" not in error.message
    if status == 429:
        assert int(error.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", BROKEN_OFF)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T102_a_broken_stream_raises_after_what_was_said(client: Anthropic, upstream: str, fault: str) -> None:
    seen: list[Any] = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        seen.extend(client.messages.create(**asked(f"{upstream}/{fault}"), stream=True))
    body: Any = caught.value.body
    assert body["error"]["type"] in ("api_error", "overloaded_error")
    assert any(event.type == "content_block_delta" for event in seen)
    assert not any(event.type in ("message_delta", "message_stop") for event in seen)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_odd_framing_is_not_seen_and_refusals_are(client: Anthropic, upstream: str) -> None:
    assert text_of(ask(client, True, **asked(f"{upstream}/framing"))) == SAID
    refused = ask(client, False, **asked(f"{upstream}/refusing"))
    assert refused.stop_reason == ask(client, True, **asked(f"{upstream}/refusing")).stop_reason == "refusal"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_ends_by_length_and_by_a_stop_sequence(client: Anthropic, upstream: str) -> None:
    cut = client.messages.create(**(asked(f"{upstream}/chat") | {"max_tokens": 16, "messages": [
        {"role": "user", "content": "word " * 100}
    ]}))  # fmt: skip
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 16)
    if upstream != "responses":
        stopped = client.messages.create(**asked(f"{upstream}/chat"), stop_sequences=["wör"])
        assert text_of(stopped).endswith("Hello ")
        assert stopped.stop_reason in ("stop_sequence", "end_turn")


# ---- counting


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T113_tokens_are_counted_for_every_model(client: Anthropic, upstream: str) -> None:
    raw = client.messages.with_raw_response.count_tokens(model=f"{upstream}/chat", messages=MESSAGES, tools=TOOLS)
    assert raw.parse().input_tokens > 10
    assert (raw.headers.get("x-nexusflow-estimated") == "tokens") == (upstream == "chat")
    assert client.beta.messages.count_tokens(model=f"{upstream}/chat", messages=MESSAGES).input_tokens > 0
    assert client.messages.count_tokens(model=f"{upstream}/500", messages=MESSAGES).input_tokens > 0


def test_counting_for_a_model_that_is_not_there(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="no/such", messages=MESSAGES)


# ---- versions, keys, addresses


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21", None])
@pytest.mark.parametrize("place", ["x-api-key", "authorization", "x-goog-api-key"])
def test_versions_and_credentials(bridged: Bridged, version: str | None, place: str) -> None:
    """Older SDKs send `x-api-key` and the first version, newer ones a bearer and the second."""
    key = bridged.gateway.key
    headers: dict[str, Any] = {"anthropic-version": version or Omit(), "authorization": Omit()}
    headers[place] = f"Bearer {key}" if place == "authorization" else key
    with Anthropic(base_url=bridged.gateway.url, api_key="none", max_retries=0) as client:
        for upstream in UPSTREAMS:
            answer = client.messages.create(**asked(f"{upstream}/chat"), extra_headers=headers)
            assert text_of(answer) == SAID


def test_L02_of_two_different_keys_the_one_in_x_api_key_counts(bridged: Bridged) -> None:
    """Protocols 1.1: some clients send a bearer of their own beside the key."""
    call: Any = asked("messages/chat")
    with Anthropic(base_url=bridged.gateway.url, api_key="none", max_retries=0) as client:
        right, wrong = bridged.gateway.key, "sk-air-wrong"
        headers = {"x-api-key": right, "authorization": f"Bearer {wrong}"}
        assert text_of(client.messages.create(**call, extra_headers=headers)) == SAID
        with pytest.raises(anthropic.AuthenticationError):
            headers = {"x-api-key": wrong, "authorization": f"Bearer {right}"}
            client.messages.create(**call, extra_headers=headers)


def test_sampling_belongs_to_the_first_version(client: Anthropic) -> None:
    """Anthropic refuses a temperature under its second version, which it is told."""
    for upstream in UPSTREAMS:
        call = asked(f"{upstream}/chat", extra_body={"temperature": 0.5})
        old = {"anthropic-version": "2023-06-01"}
        assert text_of(client.messages.create(**call, extra_headers=old)) == SAID
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**asked("messages/chat", extra_body={"temperature": 0.5}))


def test_an_unknown_version_and_a_wrong_key(bridged: Bridged, client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        client.messages.create(**asked("chat/chat"), extra_headers={"anthropic-version": "2020-01-01"})
    with (
        Anthropic(base_url=bridged.gateway.url, api_key="sk-air-unknown", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        stranger.messages.create(**asked("gemini/chat"))
    body: Any = caught.value.body
    assert body["error"]["type"] == "authentication_error"


def test_beta_calls_and_a_base_url_with_the_version(bridged: Bridged, client: Anthropic) -> None:
    for upstream in UPSTREAMS:
        answer = client.beta.messages.create(**asked(f"{upstream}/chat"), betas=["interleaved-thinking-2025-05-14"])
        assert text_of(answer) == SAID
    with Anthropic(base_url=bridged.gateway.url + "/v1", api_key=bridged.gateway.key, max_retries=0) as twice:
        assert text_of(twice.messages.create(**asked("gemini/chat"))) == SAID


def test_a_model_is_offered_over_its_own_protocols_alone(client: Anthropic) -> None:
    assert text_of(client.messages.create(**asked("messages/only"))) == SAID
    for upstream in ("chat", "responses", "gemini"):
        with pytest.raises(anthropic.NotFoundError, match=PROTOCOLS[upstream]):
            client.messages.create(**asked(f"{upstream}/only"))
        with pytest.raises(anthropic.NotFoundError, match=PROTOCOLS[upstream]):
            client.messages.count_tokens(model=f"{upstream}/only", messages=MESSAGES)
    with pytest.raises(anthropic.NotFoundError, match="does not exist"):
        client.messages.create(**asked("no/such"))


def test_models_are_listed_in_pages(client: Anthropic) -> None:
    listed = list(client.models.list(limit=50))
    assert {one.id for one in listed} == {
        name for name, model in models().items() if "anthropic/messages" in model["supported_protocols"]
    }
    assert all(one.type == "model" and one.created_at for one in listed)
    assert client.models.retrieve("gemini-alias").id == "gemini/chat"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no/such")


# ---- what is lost on the way


def test_losses_are_named_or_refuse_the_call(client: Anthropic) -> None:
    old = client.with_options(default_headers={"anthropic-version": "2023-06-01"})
    create, more = old.messages.with_raw_response.create, {"top_k": 5}
    warned = create(**asked("chat/chat"), extra_body=more)
    assert warned.headers["x-nexusflow-warnings"] == "dropped=top_k"
    streamed = create(**asked("chat/chat"), extra_body=more, stream=True)
    assert streamed.headers["x-nexusflow-warnings"] == "dropped=top_k"
    for name in ("messages/chat", "gemini/chat", "chat/allow"):
        assert "x-nexusflow-warnings" not in create(**asked(name), extra_body=more).headers
    for name, strict in (("chat/chat", "true"), ("chat/reject", "false"), ("chat/allow", "true")):
        with pytest.raises(anthropic.BadRequestError, match="top_k"):
            create(**asked(name), extra_body=more, extra_headers={"x-nexusflow-strict": strict})
