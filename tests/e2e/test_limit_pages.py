"""What a key may know of its limits, how it asks for more, and what the operator's commands do (contract 2.10)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.testing.faulty import running
from nexusflow.testing.gateway import nexusflow, running_gateway
from tests.e2e.test_limits import Stage, completion
from tests.faults.raw import Connection, request, wait_until
from tests.support.drive import chat_model, chat_provider, spec


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    import threading

    usage = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
    with running({"quick": (completion(usage),)}) as provider:
        models = {
            "quick": chat_model("p", "quick", max_output_tokens=100),
            "scarce": chat_model("p", "quick", max_output_tokens=100, limits={"rpm": 4}),
        }
        document = json.loads(spec(models, {"p": chat_provider(f"http://127.0.0.1:{provider.port}/v1")}))
        document["stores"] = {"limits": {"kind": "sqlite"}}
        document["limits"] = {"default": {"rpm": 10, "tpm": 10_000}}
        with running_gateway(json.dumps(document), tmp_path_factory.mktemp("pages")) as gateway:
            yield Stage(gateway, provider, threading.Event())


def page(stage: Stage, key: str, path: str, body: Any = None) -> Any:
    with Connection(stage.gateway.url) as connection:
        raw = b"" if body is None else json.dumps(body).encode()
        connection.send(request(key, raw, method="GET" if body is None else "POST", path=path))
        answer = connection.answer()
    return answer.status, json.loads(answer.body)


def command(stage: Stage, *arguments: str) -> Any:
    done = nexusflow("limits", *arguments, "--format", "json", root=stage.gateway.root)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_key_sees_its_limits_and_which_of_them_binds(stage: Stage) -> None:
    key = stage.key("--rpm", "6")
    assert stage.ask(key, max_tokens=10).status == 200
    status, found = page(stage, key, "/v1/limits")
    assert status == 200
    requests = [one for one in found["data"] if one["kind"] == "requests"]
    assert {one["from"]: (one["amount"], one["remaining"], one["binds"]) for one in requests} == {
        "system default": (10, 9, False),
        "key": (6, 5, True),
    }
    [tokens] = [one for one in found["data"] if one["kind"] == "tokens"]
    assert tokens["remaining"] >= 9_950
    _, of_model = page(stage, key, "/v1/limits?model=scarce")
    assert ("model override", 4, "scarce") in [(one["from"], one["amount"], one["model"]) for one in of_model["data"]]
    # The operator reads the same from the shared counters.
    shown = command(stage, "show", key, "--model", "scarce")
    assert [(one["from"], one["amount"]) for one in shown] == [(one["from"], one["amount"]) for one in of_model["data"]]
    assert all(one["remaining"] is not None for one in shown)


def test_a_request_for_more_is_decided_by_the_operator(stage: Stage) -> None:
    key = stage.key()
    status, asked = page(stage, key, "/v1/limit-requests", {"model": "scarce", "rpm": 50, "reason": "launch"})
    assert (status, asked["state"], asked["rpm"], asked["model"]) == (200, "open", 50, "scarce")
    _, other = page(stage, key, "/v1/limit-requests", {"tpm": 90_000})
    assert {one["id"] for one in command(stage, "requests")} >= {asked["id"], other["id"]}
    assert command(stage, "approve", asked["id"], "--answer", "good luck")["state"] == "approved"
    assert command(stage, "deny", other["id"], "--answer", "not now")["state"] == "denied"
    _, filed = page(stage, key, "/v1/limit-requests")
    assert [(one["state"], one["answer"]) for one in filed["data"]] == [
        ("approved", "good luck"),
        ("denied", "not now"),
    ]
    raised = lambda: stage.ask(key, "scarce", max_tokens=10).header("x-ratelimit-limit-requests") == "50"  # noqa: E731
    assert wait_until(raised)
    # For other models nothing changed.
    assert stage.ask(key, max_tokens=10).header("x-ratelimit-limit-requests") == "10"
    again = nexusflow("limits", "approve", other["id"], root=stage.gateway.root)
    assert again.returncode == 2
    assert "denied already" in again.stderr


def test_what_is_agreed_with_a_key_holds_until_it_ends(stage: Stage) -> None:
    key = stage.key()
    command(stage, "set", key, "--rpm", "77")
    limit = lambda: stage.ask(key, max_tokens=10).header("x-ratelimit-limit-requests")  # noqa: E731
    assert wait_until(lambda: limit() == "77")
    [agreed] = [one for one in command(stage, "list") if one["rpm"] == 77]
    command(stage, "set", agreed["subject"])
    assert wait_until(lambda: limit() == "10")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"rpm": "many"}, 400, "rpm"),
        ({"rpm": -1}, 400, "rpm"),
        ({"reason": "please"}, 400, "rpm"),
        ({"rpm": 1, "model": "unheard"}, 404, "model"),
        ({"rpm": 1, "reason": "x" * 1_001}, 400, "reason"),
    ],
)
def test_a_wish_that_nobody_can_grant_names_its_field(stage: Stage, body: Any, status: int, param: str) -> None:
    found = page(stage, stage.gateway.key, "/v1/limit-requests", body)
    assert (found[0], found[1]["error"]["param"]) == (status, param)


def test_other_methods_are_refused(stage: Stage) -> None:
    assert page(stage, stage.gateway.key, "/v1/limits", {})[0] == 405
    assert page(stage, "sk-air-wrong", "/v1/limits")[0] == 401
