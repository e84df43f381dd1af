"""Parameters that nobody knows: forwarded, dropped with a word, or refused, and never dropped for a strict caller
(protocols 2.0.3)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.testing.faulty import Script, running, unary
from nexusflow.testing.gateway import running_gateway
from tests.e2e.test_embedding_ways import OPENAI
from tests.e2e.test_failover import ANSWER, Stage
from tests.faults.raw import Answer, Connection, request

CHAT, MESSAGES, RESPONSES, GEMINI = PROTOCOLS = [
    "openai/chat-completions", "anthropic/messages", "openai/responses", "google/generate-content",
]  # fmt: skip
TURNS = [{"role": "user", "content": "Hello"}]
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    CHAT: ("/v1/chat/completions", {"messages": TURNS}),
    MESSAGES: ("/v1/messages", {"messages": TURNS, "max_tokens": 100}),
    RESPONSES: ("/v1/responses", {"input": "Hello", "store": False}),
    GEMINI: ("/v1beta/models/{model}:generateContent", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
    "openai/embeddings": ("/v1/embeddings", {"input": "Hello"}),
}
SCRIPTS: dict[str, Script] = {
    "chat": (unary(json.dumps(ANSWER).encode()),),
    "vectors": (unary(json.dumps(OPENAI).encode()),),
}
STRICT = "x-nexusflow-strict: true"
POLICIES = ("pass", "drop", "reject")


def spec(port: int) -> str:
    def model(upstream: str, **more: Any) -> dict[str, Any]:
        lanes = [{"provider": "p", "model": upstream}]
        return {"owner": "test", "category": "language", "supported_protocols": PROTOCOLS, "free": True,
                "max_output_tokens": 1_000, "lanes": lanes, **more}  # fmt: skip

    vectors = {"category": "embedding", "supported_protocols": ["openai/embeddings"], "output": ["embedding"]}
    models = {}
    for policy in POLICIES:
        models[f"chat-{policy}"] = model("chat", unknown_params=policy)
        models[f"vectors-{policy}"] = model("vectors", unknown_params=policy, **vectors)
        del models[f"vectors-{policy}"]["max_output_tokens"]
    provider = {"protocol": CHAT, "base_url": f"http://127.0.0.1:{port}/v1"}
    return json.dumps({"version": 1, "providers": {"p": provider}, "models": models})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(SCRIPTS) as provider, running_gateway(spec(provider.port), tmp_path_factory.mktemp("u")) as gateway:
        yield Stage(gateway, provider, provider, provider)


def ask(stage: Stage, protocol: str, policy: str, *headers: str, **more: Any) -> Answer:
    kind = "vectors" if protocol == "openai/embeddings" else "chat"
    path, body = FORMS[protocol]
    body = {**body, **more, **({} if protocol == GEMINI else {"model": f"{kind}-{policy}"})}
    with Connection(stage.gateway.url) as connection:
        sent = json.dumps(body).encode()
        connection.send(request(stage.gateway.key, sent, path=path.format(model=f"{kind}-{policy}"), headers=headers))
        return connection.answer()


def seen(stage: Stage) -> Any:
    return stage.first.requests[-1].json()


@pytest.mark.parametrize("protocol", FORMS)
def test_what_is_dropped_is_said(stage: Stage, protocol: str) -> None:
    answer = ask(stage, protocol, "drop", novel=1)
    assert (answer.status, answer.header("x-nexusflow-warnings")) == (200, "dropped=novel"), answer.body
    assert "novel" not in seen(stage)


@pytest.mark.parametrize("protocol", FORMS)
def test_a_strict_caller_is_refused_rather_than_left_without(stage: Stage, protocol: str) -> None:
    before = len(stage.first.requests)
    answer = ask(stage, protocol, "drop", STRICT, novel=1)
    assert answer.status == 400
    assert b"novel" in answer.body
    assert len(stage.first.requests) == before
    assert ask(stage, protocol, "drop", STRICT).status == 200


@pytest.mark.parametrize("protocol", [CHAT, "openai/embeddings"])
def test_what_is_forwarded_is_nothing_to_be_strict_about(stage: Stage, protocol: str) -> None:
    answer = ask(stage, protocol, "pass", STRICT, novel=1)
    assert (answer.status, answer.header("x-nexusflow-warnings")) == (200, None), answer.body
    assert seen(stage)["novel"] == 1


@pytest.mark.parametrize("protocol", [MESSAGES, RESPONSES, GEMINI])
def test_what_has_no_place_in_the_providers_protocol_is_dropped_with_a_word(stage: Stage, protocol: str) -> None:
    answer = ask(stage, protocol, "pass", novel=1)
    assert (answer.status, answer.header("x-nexusflow-warnings")) == (200, "dropped=novel"), answer.body
    assert ask(stage, protocol, "pass", STRICT, novel=1).status == 400


@pytest.mark.parametrize("protocol", FORMS)
def test_a_model_that_takes_none_refuses_them(stage: Stage, protocol: str) -> None:
    answer = ask(stage, protocol, "reject", novel=1)
    assert answer.status == 400
    assert b"novel" in answer.body
