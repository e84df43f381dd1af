"""The gateway in front of a real model server: llama.cpp with a real small model, through the official OpenAI SDK."""

import time
from collections.abc import Iterator

import pytest
from openai import OpenAI

from nexusflow.testing.gateway import running_gateway
from tests.support.drive import chat_model, chat_provider, spec
from tests.support.llama import Llama, llama_serving

MODEL = "local/smollm2"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    with llama_serving(tmp_path_factory.mktemp("llama") / "llama.log") as server:
        yield server


@pytest.fixture(scope="module")
def client(llama: Llama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    text = spec({MODEL: chat_model("llama", "smollm2")}, {"llama": chat_provider(f"{llama.url}/v1")})
    with (
        running_gateway(text, tmp_path_factory.mktemp("gateway")) as gateway,
        OpenAI(base_url=gateway.openai_base_url, api_key=gateway.key, max_retries=0) as client,
    ):
        yield client


def test_a_real_model_answers_through_the_gateway_as_it_does_alone(client: OpenAI, llama: Llama) -> None:
    """At temperature 0 the model says the same twice, so the gateway's answer can be held against the server's own."""
    direct = OpenAI(base_url=f"{llama.url}/v1", api_key="none", max_retries=0)
    alone = direct.chat.completions.create(model="smollm2", messages=QUESTION, max_tokens=16, temperature=0)
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=16, temperature=0)
    assert answer.choices[0].message.content
    assert answer.choices == alone.choices
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_real_stream_says_the_same_and_ends_with_its_usage(client: OpenAI) -> None:
    plain = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=16, temperature=0)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=16,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert len(chunks) > 3
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert plain.usage is not None
    assert chunks[-1].usage.completion_tokens == plain.usage.completion_tokens
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_usage_that_only_the_gateway_asked_for_is_not_shown(client: OpenAI) -> None:
    stream = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=8, temperature=0, stream=True)
    chunks = list(stream)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_the_model_is_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_a_client_that_leaves_ends_the_generation(client: OpenAI, llama: Llama) -> None:
    """Decided by how many tokens were decoded, not by time: without the cancel all 3,500 are."""
    before = llama.metric("n_decode_total")
    stream = client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=3500, stream=True, extra_body={"ignore_eos": True}
    )
    for _, _chunk in zip(range(3), stream, strict=False):
        pass
    stream.close()
    deadline = time.monotonic() + 120
    while llama.metric("requests_processing"):
        assert time.monotonic() < deadline, "the generation goes on"
        time.sleep(0.05)
    assert llama.metric("n_decode_total") - before < 1000
