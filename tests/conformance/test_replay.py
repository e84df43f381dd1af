"""The replay provider itself: the official SDK of each protocol gets the recording that it asks for, over a socket."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.support import canonical, replay
from tests.support.corpus import Exchange, exchanges

FOLDERS = (
    "openai-chat",
    "openai-responses",
    "openai-embeddings",
    "anthropic-messages",
    "anthropic-count-tokens",
    "gemini-generate",
    "gemini-stream",
    "gemini-count-tokens",
    "gemini-embeddings",
)


def first(folder: str) -> Exchange:
    """The first recording of a folder that succeeded, as a stream only where the folder holds streams alone."""
    stream = folder == "gemini-stream"
    return next(one for one in exchanges(folder) if one.succeeded and one.stream is stream)


CHOSEN = {folder: first(folder) for folder in FOLDERS}


@pytest.fixture(scope="module")
def provider() -> Iterator[replay.Replay]:
    with replay.replaying(CHOSEN.values()) as running:
        yield running


def named(folder: str) -> str:
    """The model that asks for a folder's recording."""
    return f"replay/{CHOSEN[folder].id}"


def test_openai(provider: replay.Replay) -> None:
    client = openai.OpenAI(base_url=provider.url + "/v1", api_key="none", max_retries=0)
    chat = client.chat.completions.create(model=named("openai-chat"), messages=[{"role": "user", "content": "Hi"}])
    assert canonical.read_body(canonical.CHAT, chat.model_dump(mode="json")) == canonical.read(CHOSEN["openai-chat"])
    response = client.responses.create(model=named("openai-responses"), input="Hi")
    assert response.id == CHOSEN["openai-responses"].response.json()["id"]
    embedded = client.embeddings.create(model=named("openai-embeddings"), input="Hi", encoding_format="float")
    assert len(embedded.data) == len(CHOSEN["openai-embeddings"].response.json()["data"])


def test_anthropic(provider: replay.Replay) -> None:
    client = anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=0)
    model, asked = named("anthropic-messages"), [{"role": "user", "content": "Hi"}]
    message = client.messages.create(model=model, max_tokens=9, messages=asked)  # type: ignore[arg-type]
    assert message.id == CHOSEN["anthropic-messages"].response.json()["id"]
    count = client.messages.count_tokens(model=named("anthropic-count-tokens"), messages=asked)  # type: ignore[arg-type]
    assert count.input_tokens == CHOSEN["anthropic-count-tokens"].response.json()["input_tokens"]


def test_gemini(provider: replay.Replay) -> None:
    """The SDK sends the model in the path, slash and all, and asks for embeddings in a batch."""
    options = types.HttpOptions(base_url=provider.url)
    client = genai.Client(api_key="none", http_options=options)
    answer = client.models.generate_content(model="models/" + named("gemini-generate"), contents="Hi")
    assert answer.model_version == CHOSEN["gemini-generate"].response.json()["modelVersion"]
    frames = list(client.models.generate_content_stream(model="models/" + named("gemini-stream"), contents="Hi"))
    assert "".join(frame.text or "" for frame in frames) == canonical.read(CHOSEN["gemini-stream"]).answers[0].text
    count = client.models.count_tokens(model="models/" + named("gemini-count-tokens"), contents="Hi")
    embedded = client.models.embed_content(model="models/" + named("gemini-embeddings"), contents="Hi")
    assert len(embedded.embeddings or []) == len(CHOSEN["gemini-embeddings"].response.json()["embeddings"])
    assert count.total_tokens == CHOSEN["gemini-count-tokens"].response.json()["totalTokens"]


def test_a_recording_is_not_served_at_another_endpoint(provider: replay.Replay) -> None:
    client = openai.OpenAI(base_url=provider.url + "/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=named("openai-chat"), input="Hi")
