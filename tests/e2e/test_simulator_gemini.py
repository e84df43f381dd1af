"""The official Google Gen AI SDK against the simulated provider, on both paths that its versions use."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from nexusflow.simulator.models import MODELS
from nexusflow.testing.simulator import running_simulator

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = types.Tool(
    function_declarations=[types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)]
)
PIXEL = types.Part.from_bytes(data=base64.b64decode("iVBORw0KGgo="), mime_type="image/png")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_simulator() as address:
        yield address


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def client(address: str, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=address, api_version=request.param)
    with genai.Client(api_key="any", http_options=options) as client:
        yield client


def config(**more: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **more
    )


def test_plain_and_streamed(client: genai.Client) -> None:
    plain = client.models.generate_content(model="chat", contents="Hello")
    frames = list(client.models.generate_content_stream(model="chat", contents="Hello"))
    assert plain.text == "".join(frame.text or "" for frame in frames) == "[simulated] You said: Hello."
    assert frames[-1].usage_metadata == plain.usage_metadata
    last: Any = frames[-1].candidates
    assert last[0].finish_reason == types.FinishReason.STOP


def test_signed_calls_over_two_turns(client: genai.Client) -> None:
    asked = types.Content(role="user", parts=[types.Part(text="weather, in parallel")])
    wanted = config(tools=[WEATHER], thinking_config=types.ThinkingConfig(include_thoughts=True))
    plain: Any = client.models.generate_content(model="thinker", contents=[asked], config=wanted).candidates
    thought, first, second = plain[0].content.parts
    assert (thought.thought, bool(first.thought_signature), bool(second.thought_signature)) == (True, True, False)
    frames = list(client.models.generate_content_stream(model="thinker", contents=[asked], config=wanted))
    streamed: list[Any] = [part for frame in frames for part in (frame.parts or []) if part.function_call]
    assert [part.function_call for part in streamed] == [first.function_call, second.function_call]
    answers = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id, name=part.function_call.name, response={"output": "sunny"}
            )
        )
        for part in streamed
    ]

    def go_on(*parts: Any) -> Any:
        said = [asked, types.Content(role="model", parts=list(parts)), types.Content(role="user", parts=answers)]
        return client.models.generate_content(model="thinker", contents=said, config=wanted)

    assert go_on(*streamed).text == "[simulated] The tool answered: sunny; sunny"
    bare = types.Part(function_call=first.function_call)
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        go_on(bare, second)
    with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
        go_on(types.Part(function_call=first.function_call, thought_signature=b"foreign"), second)
    placeholder = types.Part(function_call=first.function_call, thought_signature=b"skip_thought_signature_validator")
    assert go_on(placeholder, second).text


def test_functions_are_called_by_the_sdk_itself(client: genai.Client) -> None:
    """The helper of the SDK answers calls on its own, and goes on until there is a text."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    tools: Any = [get_weather]
    answer = client.models.generate_content(
        model="thinker", contents="weather", config=types.GenerateContentConfig(tools=tools)
    )
    assert answer.text == "[simulated] The tool answered: sunny in simulated"


def test_structured_output_images_stops_and_bounds(client: genai.Client) -> None:
    for wanted in ({"response_json_schema": SCHEMA}, {"response_schema": SCHEMA}):
        made = config(response_mime_type="application/json", **wanted)
        assert client.models.generate_content(model="chat", contents="x", config=made).text == '{"city":"simulated"}'
    parts: Any = [PIXEL, "See?"]
    seen = client.models.generate_content(model="chat", contents=parts).text
    assert "1 image: image/png of 8 bytes" in (seen or "")
    stopped = client.models.generate_content(model="chat", contents="x", config=config(stop_sequences=["said"]))
    assert stopped.text == "[simulated] You "
    cut: Any = client.models.generate_content(model="chat", contents="x", config=config(max_output_tokens=2)).candidates
    assert cut[0].finish_reason == types.FinishReason.MAX_TOKENS


def test_refusals(client: genai.Client) -> None:
    refused: Any = client.models.generate_content(model="refusing", contents="x").candidates
    assert refused[0].finish_reason == types.FinishReason.SAFETY
    blocked = client.models.generate_content(model="blocked", contents="x")
    assert blocked.candidates is None
    assert blocked.prompt_feedback is not None
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.SAFETY


def test_tokens_embeddings_and_models(client: genai.Client) -> None:
    assert client.models.count_tokens(model="chat", contents="one two").total_tokens == 5
    made: Any = client.models.embed_content(
        model="embedding", contents=["one", "two"], config=types.EmbedContentConfig(output_dimensionality=8)
    ).embeddings
    assert [len(one.values) for one in made] == [8, 8]
    assert [model.name for model in client.models.list()] == [f"models/{name}" for name in MODELS]
    assert client.models.get(model="thinker").display_name == "Simulated thinker"


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("401", 400, "INVALID_ARGUMENT"),
        ("404", 404, "NOT_FOUND"),
        ("429", 429, "RESOURCE_EXHAUSTED"),
        ("500", 500, "INTERNAL"),
        ("503", 503, "UNAVAILABLE"),
    ],
)
def test_errors_have_their_classes(client: genai.Client, fault: str, code: int, status: str) -> None:
    for streams in (False, True):
        with pytest.raises(errors.APIError) as caught:
            if streams:
                list(client.models.generate_content_stream(model=f"fault-{fault}", contents="x"))
            else:
                client.models.generate_content(model=f"fault-{fault}", contents="x")
        assert (caught.value.code, caught.value.status) == (code, status)


def test_broken_streams(client: genai.Client) -> None:
    """A stream without its end is silent in this SDK; an error in it is not (protocols 1.5.3)."""
    with pytest.raises(errors.ServerError):
        list(client.models.generate_content_stream(model="fault-error-event", contents="x"))
    frames: Any = list(client.models.generate_content_stream(model="fault-truncate", contents="x"))
    assert frames[-1].candidates[0].finish_reason is None
