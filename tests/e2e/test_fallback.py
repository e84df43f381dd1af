"""Other models where all providers of the one that was asked for fail (contract 2.12, R-24, R-25)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.testing.faulty import Script, running, unary
from nexusflow.testing.gateway import nexusflow, running_gateway
from nexusflow.testing.ports import free_port
from tests.e2e.test_failover import ANSWER, CUT, DONE, END, ERROR, HELLO, METER, ROLE, STOP, STREAM_HEAD, Stage
from tests.faults.raw import Answer, Connection, chat, request, wait_until

LANGUAGES = ["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]
PRICES = {"good": ("4", "16"), "cheap": ("1", "2")}
PATHS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}]},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]},
}
SCRIPTS: dict[str, Script] = {
    "broken": (unary(ERROR, "500 Internal Server Error"),),
    "worse": (unary(ERROR, "503 Service Unavailable"),),
    "wrong": (unary(ERROR, "400 Bad Request"),),
    "cut": CUT,
    "good": (unary(json.dumps(ANSWER).encode()),),
    "cheap": (unary(json.dumps(ANSWER).encode()),),
    "stream": (STREAM_HEAD, ROLE, HELLO, STOP, METER, DONE, END),
}


def spec(port: int) -> str:
    def model(name: str, provider: str = "p", **more: Any) -> dict[str, Any]:
        read, written = PRICES.get(name, ("2", "8"))
        return {
            "owner": "test",
            "category": "language",
            "max_output_tokens": 1_000,
            "supported_protocols": LANGUAGES,
            "price": {"input": read, "output": written},
            "lanes": [{"provider": provider, "model": name}],
            **more,
        }

    models = {name: model(name) for name in SCRIPTS}
    models["safe"] = model("broken", fallbacks=["worse", "good"])
    models["locked"] = model("good", "locked", fallbacks=["good"])
    models["scarce"] = model("good", limits={"rpm": 1})
    models["text"] = model("good", capabilities={"tools": False})
    provider = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    locked = {**provider, "base_url": f"http://127.0.0.1:{free_port()}/v1", "credential": {"env": "NEXUSFLOW_NO_SUCH"}}
    return json.dumps({"version": 1, "providers": {"p": provider, "locked": locked}, "models": models})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(SCRIPTS) as provider, running_gateway(spec(provider.port), tmp_path_factory.mktemp("f")) as gateway:
        yield Stage(gateway, provider, provider, provider)


def ask(stage: Stage, model: str, *backups: str, key: str | None = None, **fields: Any) -> Answer:
    named = {"models": list(backups)} if backups else {}
    with Connection(stage.gateway.url) as connection:
        connection.send(request(key or stage.gateway.key, chat(model, **named, **fields)))
        return connection.answer()


@pytest.mark.parametrize("path", PATHS)
def test_the_next_model_that_the_caller_names_answers_in_every_protocol(stage: Stage, path: str) -> None:
    body = {"model": "broken", "models": ["worse", "good"], **PATHS[path]}
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, json.dumps(body).encode(), path=path))
        answer = connection.answer()
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["model"] == "good"
    assert answer.header("x-nexusflow-model") == "good"
    assert answer.header("x-nexusflow-fallback") == "broken"
    assert answer.header("x-nexusflow-attempts") == "3"
    # The list is for us, not for the provider.
    assert "models" not in stage.first.of("good")[-1].json()


def test_gemini_names_its_model_in_the_address(stage: Stage) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "models": ["good"]}
    with Connection(stage.gateway.url) as connection:
        path = "/v1beta/models/broken:generateContent"
        connection.send(request(stage.gateway.key, json.dumps(body).encode(), path=path))
        answer = connection.answer()
    assert (answer.status, answer.header("x-nexusflow-model")) == (200, "good")


def test_it_is_charged_at_the_model_that_answered_and_never_beyond_what_was_held(stage: Stage) -> None:
    answer = ask(stage, "broken", "cheap")
    rows = stage.rows(answer.header("x-request-id") or "")
    charged = 1_000 * 1_000 + 200 * 2_000
    assert [(kind, amount) for kind, amount, _ in rows if kind == "charge"] == [("charge", charged)]
    assert answer.header("x-nexusflow-cost") == "0.0014"
    with Connection(stage.gateway.url) as connection:
        path = f"/v1/requests/{answer.header('x-request-id')}"
        connection.send(request(stage.gateway.key, b"", method="GET", path=path))
        line = json.loads(connection.answer().body)
    assert (line["model"], line["attempts"]) == ("cheap", 2)


def test_gateway_yaml_names_models_too_and_the_caller_may_name_others(stage: Stage) -> None:
    assert ask(stage, "safe").header("x-nexusflow-model") == "good"
    assert ask(stage, "safe", "cheap").header("x-nexusflow-model") == "cheap"


def test_a_model_without_any_lane_is_stood_in_for(stage: Stage) -> None:
    answer = ask(stage, "locked")
    assert (answer.status, answer.header("x-nexusflow-model")) == (200, "good")
    assert answer.header("x-nexusflow-fallback") == "locked"


def test_when_all_fail_the_last_error_is_told(stage: Stage) -> None:
    answer = ask(stage, "broken", "worse")
    assert answer.status == 503
    assert answer.error["code"] == "overloaded"


def test_the_callers_own_error_is_not_passed_on(stage: Stage) -> None:
    before = len(stage.first.of("good"))
    assert ask(stage, "wrong", "good").status == 400
    assert len(stage.first.of("good")) == before


def test_a_stream_turns_to_the_next_model_before_its_first_content_and_not_after(stage: Stage) -> None:
    answer = ask(stage, "broken", "stream", stream=True)
    assert (answer.status, answer.header("x-nexusflow-model")) == (200, "stream")
    assert b'"model":"stream"' in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    cut = ask(stage, "cut", "stream", stream=True)
    assert (cut.status, cut.header("x-nexusflow-model")) == (200, "cut")
    assert b"[DONE]" not in cut.body


def test_models_that_the_key_may_not_call_or_that_cannot_take_the_request_are_left_out(stage: Stage) -> None:
    made = nexusflow("keys", "create", "--name", "b", "--model", "broken", "--quiet", root=stage.gateway.root)
    key = made.stdout.strip()
    assert wait_until(lambda: ask(stage, "broken", key=key).status != 401)
    assert ask(stage, "broken", "good", key=key).status == 502
    assert ask(stage, "broken", "unheard", "good").header("x-nexusflow-model") == "good"


def test_a_limit_of_the_model_that_stands_in_holds(stage: Stage) -> None:
    assert ask(stage, "broken", "scarce").status == 200
    refused = ask(stage, "broken", "scarce")
    assert refused.status == 429
    assert "scarce" in refused.error["message"]


@pytest.mark.parametrize("wrong", ["good", [1], ["a"] * 6, {}])
def test_a_list_that_is_none_is_named(stage: Stage, wrong: Any) -> None:
    answer = ask(stage, "good", models=wrong)
    assert (answer.status, answer.error["param"]) == (400, "models")
