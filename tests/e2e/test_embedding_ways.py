"""Embeddings choose among providers, and among models, as chat does (contract 2.11, 2.12, R-24)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.testing.faulty import Script, running, unary
from nexusflow.testing.gateway import nexusflow, running_gateway
from tests.e2e.test_failover import ERROR, Stage
from tests.faults.raw import Answer, Connection, request

VECTOR = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
OPENAI = {"object": "list", "model": "m", "data": [VECTOR], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
GOOGLE = {"embedding": {"values": [0.25, -0.5]}}
SCRIPTS: dict[str, Script] = {
    "broken": (unary(ERROR, "500 Internal Server Error"),),
    "in-band": (unary(b'{"error":{"message":"no","code":"invalid_api_key"}}'),),
    "garbage": (unary(b"{"),),
    "good": (unary(json.dumps(OPENAI).encode()),),
    "g-broken": (unary(ERROR, "500 Internal Server Error"),),
    "g-in-band": (unary(b'{"error":{"code":403,"message":"no"}}'),),
    "g-garbage": (unary(b'{"embedding":[]}'),),
    "g-good": (unary(json.dumps(GOOGLE).encode()),),
}
PROTOCOLS = ["openai/embeddings", "google/generate-content"]


def spec(port: int) -> str:
    def model(name: str, **more: Any) -> dict[str, Any]:
        providers = ("gemini",) if name.startswith("g-") else ("paris", "oslo")
        lanes = [{"provider": one, "model": name, "priority": at} for at, one in enumerate(providers)]
        return {
            "owner": "test", "category": "embedding", "supported_protocols": PROTOCOLS, "price": {"input": "1"},
            "output": ["embedding"], "lanes": lanes, **more,
        }  # fmt: skip

    models = {name: model(name) for name in SCRIPTS}
    models["safe"] = model("broken", fallbacks=["good"])
    chat = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    gemini = {"protocol": "google/generate-content", "base_url": f"http://127.0.0.1:{port}"}
    providers = {"paris": chat, "oslo": chat, "gemini": gemini}
    return json.dumps({"version": 1, "providers": providers, "models": models})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(SCRIPTS) as provider, running_gateway(spec(provider.port), tmp_path_factory.mktemp("e")) as gateway:
        yield Stage(gateway, provider, provider, provider)


def send(stage: Stage, path: str, body: Any) -> Answer:
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, json.dumps(body).encode(), path=path))
        return connection.answer()


def ask(stage: Stage, model: str, **more: Any) -> Answer:
    return send(stage, "/v1/embeddings", {"model": model, "input": "Hello", **more})


def google(stage: Stage, model: str, batch: bool, **more: Any) -> Answer:
    one = {"model": f"models/{model}", "content": {"parts": [{"text": "Hello"}]}}
    verb, body = ("batchEmbedContents", {"requests": [one]}) if batch else ("embedContent", one)
    return send(stage, f"/v1beta/models/{model}:{verb}", {**body, **more})


def check(answer: Answer, model: str, instead_of: str | None, provider: str) -> None:
    assert answer.status == 200, answer.body
    assert answer.header("x-nexusflow-model") == model
    assert answer.header("x-nexusflow-fallback") == instead_of
    assert answer.header("x-nexusflow-provider") == provider


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [({"only": ["oslo"]}, "oslo"), ({"ignore": ["paris"]}, "oslo"), ({"order": ["oslo"]}, "oslo"), (None, "paris")],
)
def test_the_wish_decides_who_embeds(stage: Stage, wish: Any, chosen: str) -> None:
    check(ask(stage, "good", provider=wish), "good", None, chosen)
    assert ("provider" in stage.first.of("good")[-1].json()) == (wish is None)
    for batch in (False, True):
        check(google(stage, "good", batch, provider=wish), "good", None, chosen)


@pytest.mark.parametrize("asked", ["broken", "in-band", "garbage"])
def test_R24_the_next_model_that_the_caller_names_embeds(stage: Stage, asked: str) -> None:
    answer = ask(stage, asked, models=["nowhere", "good"])
    check(answer, "good", asked, "paris")
    assert answer.header("x-nexusflow-attempts") == "3"
    assert json.loads(answer.body)["model"] == "good"
    assert "models" not in stage.first.of("good")[-1].json()


def test_R24_the_models_own_fallbacks_embed(stage: Stage) -> None:
    check(ask(stage, "safe"), "good", "safe", "paris")
    for batch in (False, True):
        check(google(stage, "safe", batch), "good", "safe", "paris")


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_R24_googles_verbs_name_the_first_model_in_the_address(stage: Stage, batch: bool) -> None:
    """Each request of a batch names it too, which is no reason for the next one to refuse."""
    check(google(stage, "broken", batch, models=["good"]), "good", "broken", "paris")
    if not batch:  # the scripted answer is that of one content
        for asked in ("g-broken", "g-in-band", "g-garbage"):
            check(google(stage, asked, batch, models=["g-good"]), "g-good", asked, "gemini")
        sent = stage.first.of("g-good")[-1].json()
        assert (sent["model"], "models" in sent) == ("models/g-good", False)


def test_a_wish_that_nobody_fits_names_the_field(stage: Stage) -> None:
    answer = ask(stage, "good", provider={"only": ["oslo"], "zdr": True})
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "provider", "no_provider_fits")
    answer = ask(stage, "good", models="good")
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "models", "invalid_type")


def test_where_all_fail_the_last_error_is_told(stage: Stage) -> None:
    answer = ask(stage, "broken", models=["in-band"])
    assert (answer.status, answer.header("x-nexusflow-model")) == (502, "in-band")


def test_route_explain_tells_the_same(stage: Stage) -> None:
    body = stage.gateway.root / "request.json"
    body.write_text(json.dumps({"model": "broken", "input": "x", "models": ["good"], "provider": {"order": ["oslo"]}}))
    told = nexusflow("route", "explain", "broken", "--request", str(body), "--json", root=stage.gateway.root)
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert [way["provider"] for way in found["lanes"]][:2] == ["oslo", "paris"], found
    assert [one["model"] for one in found["fallbacks"]] == ["good"]
