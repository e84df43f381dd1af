"""The official OpenAI SDK against the simulated provider's Responses and embeddings."""

import struct
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from nexusflow.testing.simulator import running_simulator

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SEALED: Any = {"include": ["reasoning.encrypted_content"], "store": False, "reasoning": {"summary": "auto"}}


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with (
        running_simulator() as address,
        OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


def test_plain_and_streamed(client: OpenAI) -> None:
    plain = client.responses.create(model="chat", input="Hello")
    assert plain.output_text == "[simulated] You said: Hello."
    with client.responses.stream(model="chat", input="Hello") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == plain.output_text == text
    assert (final.id, final.usage) == (plain.id, plain.usage)
    assert plain.usage is not None
    assert plain.usage.total_tokens == plain.usage.input_tokens + plain.usage.output_tokens


def test_a_tool_is_called_and_answered_without_anything_kept(client: OpenAI) -> None:
    """Reasoning comes back sealed in the second turn, and a broken seal is noticed."""
    said: list[Any] = [{"role": "user", "content": "weather, in parallel"}]
    with client.responses.stream(model="thinker", input=said, tools=[WEATHER], **SEALED) as stream:
        first = stream.get_final_response()
    assert [item.type for item in first.output] == ["reasoning", "function_call", "function_call"]
    replayed: Any = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    results: Any = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
        for item in first.output
        if item.type == "function_call"
    ]
    ask: Any = {"model": "thinker", "tools": [WEATHER], **SEALED}
    second = client.responses.create(input=[*said, *replayed, *results], **ask)
    assert second.output_text == "[simulated] The tool answered: sunny; sunny"
    replayed[0]["encrypted_content"] = "gAAAAABforeign"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(input=[*said, *replayed, *results], **ask)
    assert caught.value.code == "invalid_encrypted_content"


def test_a_conversation_is_kept(client: OpenAI) -> None:
    first = client.responses.create(model="thinker", input="weather", tools=[WEATHER])
    (call,) = [item for item in first.output if item.type == "function_call"]
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    second = client.responses.create(model="thinker", input=output, previous_response_id=first.id)
    assert second.output_text == "[simulated] The tool answered: rain"
    assert client.responses.retrieve(first.id).output == first.output
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_structured_output_is_parsed(client: OpenAI) -> None:
    class Person(BaseModel):
        name: str
        age: int | None

    answer = client.responses.parse(model="chat", input="Who?", text_format=Person)
    assert isinstance(answer.output_parsed, Person)


def test_images_reasoning_and_tokens(client: OpenAI) -> None:
    parts: Any = [{"type": "input_text", "text": "See?"}, {"type": "input_image", "image_url": PIXEL, "detail": "auto"}]
    answer = client.responses.create(
        model="reasoning", input=[{"role": "user", "content": parts}], reasoning={"summary": "auto"}
    )
    assert "1 image: image/png of 8 bytes" in answer.output_text
    (reasoning,) = [item for item in answer.output if item.type == "reasoning"]
    assert reasoning.summary[0].text == "[simulated] The user asks; I echo."
    assert answer.usage is not None
    assert 0 < answer.usage.output_tokens_details.reasoning_tokens < answer.usage.output_tokens
    counted = client.responses.input_tokens.count(model="chat", input="one two")
    assert counted.input_tokens == 5


def test_refusals_filters_and_bounds(client: OpenAI) -> None:
    (item,) = client.responses.create(model="refusing", input="x").output
    assert item.type == "message"
    assert item.content[0].type == "refusal"
    cut = client.responses.create(model="filtered", input="x")
    assert cut.incomplete_details is not None
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "content_filter")
    with pytest.raises(openai.BadRequestError, match=">= 16"):
        client.responses.create(model="chat", input="x", max_output_tokens=5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", openai.AuthenticationError), ("429", openai.RateLimitError), ("500", openai.InternalServerError)],
)
def test_errors_have_their_classes(client: OpenAI, fault: str, error: type[openai.APIStatusError]) -> None:
    with pytest.raises(error) as caught:
        client.responses.create(model=f"fault-{fault}", input="x")
    assert caught.value.request_id == caught.value.response.headers["x-request-id"]


def test_broken_streams_are_noticed(client: OpenAI) -> None:
    with client.responses.stream(model="fault-error-event", input="Hello") as stream:
        events = list(stream)
    assert events[-1].type == "response.failed"
    with pytest.raises(openai.APIError), client.responses.stream(model="fault-cut", input="Hello") as stream:
        list(stream)
    raw = list(client.responses.create(model="fault-truncate", input="Hello", stream=True))
    assert raw[-1].type == "response.output_text.delta"


def test_embeddings_as_the_sdk_asks_for_them(client: OpenAI) -> None:
    """The SDK asks for base64 unasked, and decodes it (protocols 0.5)."""
    coded = client.embeddings.create(model="embedding", input=["one", "two"], dimensions=8)
    plain = client.embeddings.create(model="embedding", input=["one", "two"], dimensions=8, encoding_format="float")
    assert [one.embedding for one in coded.data] == [one.embedding for one in plain.data]
    raw: Any = client.embeddings.create(model="embedding", input="one", dimensions=8, encoding_format="base64")
    assert list(struct.unpack("<8f", b64decode(raw.data[0].embedding))) == plain.data[0].embedding
    assert coded.usage.prompt_tokens == 2
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="chat", input="x")
