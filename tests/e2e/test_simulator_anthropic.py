"""The official Anthropic SDK against the simulated provider, in both versions of the API."""

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from nexusflow.simulator.models import MODELS
from nexusflow.testing.simulator import forget, received, running_simulator

HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL: Any = {
    "type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
}  # fmt: skip
BUDGET: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_simulator() as address:
        yield address


@pytest.fixture(scope="module", params=["2023-06-01", "2026-10-21"])
def client(address: str, request: pytest.FixtureRequest) -> Iterator[Anthropic]:
    headers = {"anthropic-version": request.param}
    with Anthropic(base_url=address, api_key="any", max_retries=0, default_headers=headers) as client:
        yield client


def text(message: Any) -> str:
    """The text of a message."""
    return "".join(block.text for block in message.content if block.type == "text")


def test_plain_and_streamed(client: Anthropic) -> None:
    plain = client.messages.create(model="chat", max_tokens=100, messages=HELLO)
    with client.messages.stream(model="chat", max_tokens=100, messages=HELLO) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text(plain) == text(final) == streamed == "[simulated] You said: Hello."
    assert (plain.id, plain.usage, plain.stop_reason) == (final.id, final.usage, "end_turn")


def test_the_sdks_own_version_is_the_second(address: str) -> None:
    forget(address)
    with Anthropic(base_url=address, api_key="any", max_retries=0) as client:
        client.messages.create(model="chat", max_tokens=100, messages=HELLO)
    (seen,) = received(address)
    assert (seen["headers"]["anthropic-version"], seen["headers"]["authorization"]) == ("2026-10-21", "... any")


def test_thinking_and_tools_over_two_turns(client: Anthropic) -> None:
    asked: list[Any] = [{"role": "user", "content": "weather, in parallel"}]
    ask: Any = {"model": "reasoning", "max_tokens": 4000, "tools": [WEATHER], "thinking": BUDGET}
    with client.messages.stream(messages=asked, **ask) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert first.stop_reason == "tool_use"
    results: Any = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
        for block in first.content
        if block.type == "tool_use"
    ]

    def go_on(content: list[Any]) -> Any:
        more: Any = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
        return client.messages.create(messages=[*asked, *more], **ask)

    replayed = [block.to_dict() for block in first.content]
    assert text(go_on(replayed)) == "[simulated] The tool answered: sunny; sunny"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        go_on([{**replayed[0], "thinking": "Something else."}, *replayed[1:]])
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking`"):
        go_on(replayed[1:])


def test_redacted_and_hidden_thinking(client: Anthropic) -> None:
    ask: Any = {"max_tokens": 4000, "messages": HELLO}
    redacted = client.messages.create(model="reasoning@redacted=1", thinking={"type": "adaptive"}, **ask)
    assert [block.type for block in redacted.content] == ["redacted_thinking", "text"]
    with client.messages.stream(model="thinker", **ask) as stream:
        hidden = stream.get_final_message()
    thinking: Any = hidden.content[0]
    assert (thinking.thinking, len(thinking.signature) > 60) == ("", True)
    assert hidden.usage.output_tokens_details is not None
    assert hidden.usage.output_tokens_details.thinking_tokens == 10


def test_structured_output_images_and_stops(client: Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    wanted: Any = {"format": {"type": "json_schema", "schema": schema}}
    answer = client.messages.create(model="chat", max_tokens=100, messages=HELLO, output_config=wanted)
    assert text(answer) == '{"a":1}'
    parts: Any = [{"role": "user", "content": [PIXEL, {"type": "text", "text": "See?"}]}]
    assert "1 image: image/png of 8 bytes" in text(client.messages.create(model="chat", max_tokens=100, messages=parts))
    stopped = client.messages.create(model="chat", max_tokens=100, messages=HELLO, stop_sequences=["said"])
    assert (stopped.stop_reason, stopped.stop_sequence, text(stopped)) == ("stop_sequence", "said", "[simulated] You ")
    refused = client.messages.create(model="refusing", max_tokens=100, messages=HELLO)
    assert refused.stop_reason == "refusal"
    assert refused.stop_details is not None


def test_caches_are_written_and_read(client: Anthropic) -> None:
    system: Any = [{"type": "text", "text": "one two three", "cache_control": {"type": "ephemeral"}}]
    first = client.messages.create(model="chat", max_tokens=100, system=system, messages=HELLO).usage
    assert (first.input_tokens, first.cache_creation_input_tokens, first.cache_read_input_tokens) == (4, 6, 0)
    more: Any = [*HELLO, {"role": "assistant", "content": "Hi"}, *HELLO]
    with client.messages.stream(model="chat", max_tokens=100, system=system, messages=more) as stream:
        second = stream.get_final_message().usage
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, 6)


def test_tokens_and_models(client: Anthropic) -> None:
    assert client.messages.count_tokens(model="chat", messages=HELLO).input_tokens == 4
    assert [model.id for model in client.models.list()] == list(MODELS)
    assert client.models.retrieve("thinker").display_name == "Simulated thinker"


def test_versions_differ(address: str, client: Anthropic) -> None:
    """Protocols 0.1: the second version takes no sampling parameters, whatever the model."""
    version = client.default_headers["anthropic-version"]
    body = {"model": "chat", "max_tokens": 9, "messages": HELLO, "temperature": 1.0}
    answer = httpx2.post(f"{address}/v1/messages", json=body, headers={"anthropic-version": str(version)})
    assert answer.status_code == (200 if version == "2023-06-01" else 400)


ERRORS: dict[str, tuple[type[anthropic.APIStatusError], str]] = {
    "400": (anthropic.BadRequestError, "invalid_request_error"),
    "401": (anthropic.AuthenticationError, "authentication_error"),
    "403": (anthropic.PermissionDeniedError, "permission_error"),
    "404": (anthropic.NotFoundError, "not_found_error"),
    "429": (anthropic.RateLimitError, "rate_limit_error"),
    "500": (anthropic.InternalServerError, "api_error"),
    "529": (anthropic.APIStatusError, "overloaded_error"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_have_their_classes(client: Anthropic, fault: str) -> None:
    error, kind = ERRORS[fault]
    with pytest.raises(error) as caught:
        client.messages.create(model=f"fault-{fault}", max_tokens=9, messages=HELLO)
    assert caught.value.type == kind
    assert caught.value.request_id == caught.value.response.headers["request-id"]


def test_broken_streams_are_noticed(client: Anthropic) -> None:
    ask: Any = {"max_tokens": 100, "messages": HELLO}
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.stream(model="fault-error-event", **ask) as stream,
    ):
        stream.get_final_message()
    assert caught.value.type == "overloaded_error"
    with (
        pytest.raises((anthropic.APIError, httpx2.HTTPError)),
        client.messages.stream(model="fault-cut", **ask) as stream,
    ):
        stream.get_final_message()
    raw: Any = list(client.messages.create(model="fault-no-done", stream=True, **ask))
    assert raw[-1].type == "message_delta"
