"""`nexusflow route explain`: what it tells without a gateway is what a gateway then does (contract 2.10 to 2.12)."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nexusflow.cli.main import main
from nexusflow.ir.money import as_nano, as_text
from nexusflow.testing.faulty import running, unary
from nexusflow.testing.gateway import nexusflow, running_gateway
from tests.e2e.test_failover import ANSWER, Stage
from tests.e2e.test_preference import LANGUAGES, PRICES, PROVIDERS
from tests.faults.raw import Answer, Connection, request, wait_until

HELLO = [{"role": "user", "content": "Hello"}]
VECTORS = {
    "object": "list",
    "model": "vectors",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
PATHS = {
    "openai/embeddings": "/v1/embeddings",
    "openai/chat-completions": "/v1/chat/completions",
    "openai/responses": "/v1/responses",
    "anthropic/messages": "/v1/messages",
    "google/generate-content": "/v1beta/models/many:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai/embeddings": {"model": "vectors", "input": "Hello"},
    "openai/chat-completions": {"model": "many", "messages": HELLO, "max_tokens": 300, "n": 2},
    "openai/responses": {"model": "many", "input": "Hello"},
    "anthropic/messages": {"model": "many", "max_tokens": 10, "messages": HELLO, "top_k": 5},
    "google/generate-content": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


def spec(port: int) -> str:
    base = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    providers = {name: {**base, **more} for name, more in PROVIDERS.items()}
    providers["locked"] = {**base, "credential": {"env": "NEXUSFLOW_NO_SUCH"}, "base_url": "http://127.0.0.1:9/v1"}
    lanes: list[dict[str, Any]] = [
        {
            "provider": name,
            "model": "good",
            "priority": at,
            "weight": at + 1,
            "price": {"input": price, "output": price},
        }
        for at, (name, price) in enumerate(PRICES.items())
    ]
    lanes[0]["price"]["markup_percent"] = "10"
    lanes[1] |= {"limits": {"rpm": 500}, "timeouts": {"connect_seconds": 2, "total_seconds": 90}}
    model = {
        "owner": "test",
        "category": "language",
        "max_output_tokens": 1_000,
        "input": ["text", "file"],
        "supported_protocols": LANGUAGES,
        "price": {"input": "9", "output": "9"},
        "lanes": lanes,
    }
    even = [{**lane, "priority": 0} for lane in lanes]
    locked = {"provider": "locked", "model": "good", "priority": 9}
    models = {
        "many": {**model, "aliases": ["lots"], "lanes": [*lanes, locked]},
        "even": {**model, "lanes": even, "strategy": "cost", "limits": {"rpm": 7}},
        "sticky": {**model, "lanes": even, "strategy": "sticky"},
        "four": {**model, "lanes": [*lanes, {**lanes[0], "model": "other", "priority": 8}]},
        "gone": {**model, "lanes": [locked]},
        "safe": {**model, "lanes": [locked], "fallbacks": ["even", "strict"]},
        "strict": {**model, "unknown_params": "reject", "on_loss": "reject"},
    }
    models["vectors"] = {
        **model,
        "category": "embedding",
        "supported_protocols": ["openai/embeddings"],
        "output": ["embedding"],
        "capabilities": {"embedding_dimensions": [3]},
        "lanes": [{**lane, "model": "vectors"} for lane in lanes],
    }
    limits = {"default": {"rpm": 50, "tpm": 100_000}}
    return json.dumps({"version": 1, "limits": limits, "providers": providers, "models": models})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    good = (unary(json.dumps(ANSWER).encode()),)
    scripts = {"good": good, "other": good, "vectors": (unary(json.dumps(VECTORS).encode()),)}
    with running(scripts) as provider, running_gateway(spec(provider.port), tmp_path_factory.mktemp("r")) as gateway:
        yield Stage(gateway, provider, provider, provider)


def run(stage: Stage, *arguments: str, body: Any = None) -> "subprocess.CompletedProcess[str]":
    """The command; `body` is its request, on stdin."""
    command = ["route", "explain", *arguments, *(("--request", "-") if body is not None else ())]
    text = body if isinstance(body, str) else json.dumps(body)
    with contextlib.chdir(stage.gateway.root):
        done = CliRunner().invoke(main, command, input=text)
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


def told(stage: Stage, *arguments: str, body: Any = None) -> Any:
    done = run(stage, *arguments, "--json", body=body)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def ask(stage: Stage, body: Any, path: str = "/v1/chat/completions", key: str | None = None) -> Answer:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    with Connection(stage.gateway.url) as connection:
        connection.send(request(key or stage.gateway.key, raw, path=path))
        return connection.answer()


def answers(stage: Stage, body: Any, key: str) -> bool:
    return ask(stage, body, key=key).status == 200


def test_the_lanes_are_told_in_order_with_all_that_decides(stage: Stage) -> None:
    found = told(stage, "many")
    assert (found["asked"], found["model"], found["protocol"]) == ("many", "many", LANGUAGES[0])
    assert [(one["provider"], one["priority"], one["weight"], one["region"]) for one in found["lanes"]] == [
        ("paris", 0, 1, "eu-west"),
        ("oslo", 1, 2, "eu-north"),
        ("reno", 2, 3, "us-west"),
    ]
    paris, oslo, _ = found["lanes"]
    assert (paris["upstream_model"], paris["sent"], paris["losses"], paris["refusal"]) == ("good", "as it is", [], None)
    assert (paris["price"], oslo["price"]) == ({"input": "5.50", "output": "5.50"}, {"input": "3.00", "output": "3.00"})
    assert oslo["timeouts"] == {"connect": 2.0, "first_event": 60.0, "gap": 60.0, "total": 90.0}
    assert [(one["kind"], one["amount"], one["scope"]) for one in oslo["limits"]] == [("requests", 500, "deployment")]
    assert [(one["provider"], one["why"]) for one in found["left_out"]] == [
        ("locked", "the gateway has no credential for provider `locked` (environment variable NEXUSFLOW_NO_SUCH)")
    ]
    assert [(one["kind"], one["amount"], one["from"]) for one in found["limits"]] == [
        ("requests", 50, "system default"),
        ("tokens", 100_000, "system default"),
    ]
    even = told(stage, "even")
    assert [one["provider"] for one in even["lanes"]] == ["reno", "oslo", "paris"]
    assert even["worst_case"] == even["lanes"][2]["worst_case"] != even["lanes"][0]["worst_case"]
    assert {one["among"] for one in even["lanes"]} == {3}


def test_a_credential_in_the_environment_makes_its_lane_ready(stage: Stage) -> None:
    environ = {"NEXUSFLOW_NO_SUCH": "secret-of-a-provider"}
    done = nexusflow("route", "explain", "gone", "--json", root=stage.gateway.root, environ=environ)
    assert [one["provider"] for one in json.loads(done.stdout)["lanes"]] == ["locked"]
    assert "secret-of-a-provider" not in done.stdout + done.stderr
    assert run(stage, "gone").returncode == 2


@pytest.mark.parametrize(
    ("model", "wish"),
    [
        ("many", None),
        ("lots", {"order": ["oslo"]}),
        ("many", {"order": ["unheard", "reno", "oslo"], "allow_fallbacks": False}),
        ("many", {"ignore": ["paris"]}),
        ("many", {"max_price": {"completion": "3"}}),
        ("even", {"sort": "price", "ignore": ["reno"]}),
        ("even", None),
        ("four", {"zdr": True}),
        ("safe", None),
    ],
)
def test_the_first_lane_told_is_the_one_that_a_gateway_takes(stage: Stage, model: str, wish: Any) -> None:
    body = {"model": model, "messages": HELLO, **({"provider": wish} if wish is not None else {})}
    first = told(stage, model, body=body)["lanes"][0]
    answer = ask(stage, body)
    assert answer.status == 200, answer.body
    assert answer.header("x-nexusflow-provider") == first["provider"]
    assert answer.header("x-nexusflow-model") == first["model"]


def test_a_model_that_cannot_carry_the_request_leaves_it_to_the_one_that_stands_in(stage: Stage) -> None:
    body = {"model": "strict", "max_tokens": 10, "messages": HELLO, "top_k": 5, "models": ["even"]}
    lanes = told(stage, "strict", "--protocol", "anthropic/messages", body=body)["lanes"]
    assert [(one["model"], one["refusal"] is None) for one in lanes[-3:]] == [("even", True)] * 3
    assert lanes[0]["refusal"]["param"] == "top_k"
    answer = ask(stage, body, "/v1/messages")
    assert (answer.status, answer.header("x-nexusflow-model")) == (200, "even")


def test_a_key_that_sticks_to_a_lane_is_told_which(stage: Stage) -> None:
    body = {"model": "sticky", "messages": HELLO}
    for name in ("one", "two", "three"):
        made = nexusflow("keys", "create", "--name", name, "--quiet", root=stage.gateway.root).stdout.strip()
        assert wait_until(partial(answers, stage, body, made))
        first = told(stage, "sticky", "--key", name, body=body)["lanes"][0]["provider"]
        assert ask(stage, body, key=made).header("x-nexusflow-provider") == first


@pytest.mark.parametrize("protocol", BODIES)
def test_what_is_held_is_what_the_gateway_holds(stage: Stage, protocol: str) -> None:
    """A wallet with a nano-unit less than that is too empty; with exactly that it is enough (R-24, AT-01)."""
    root, body = stage.gateway.root, BODIES[protocol]
    name = protocol.partition("/")[2]
    model = body.get("model", "many")
    found = told(stage, model, "--protocol", protocol, body=body)
    worst, first = found["worst_case"], found["lanes"][0]["provider"]

    def pay(amount: str) -> None:
        assert nexusflow("credit", name, amount, "--source", "bank", "--memo", "m", root=root).returncode == 0

    assert nexusflow("accounts", "create", name, root=root).returncode == 0
    pay(as_text(as_nano(worst) - 1))
    key = nexusflow("keys", "create", "--name", name, "--org", name, "--quiet", root=root).stdout.strip()
    assert wait_until(lambda: ask(stage, body, PATHS[protocol], key).status not in (401, 503))
    refused = ask(stage, body, PATHS[protocol], key)
    assert refused.status == 403
    assert f"This call may cost {worst}," in json.loads(refused.body)["error"]["message"]
    pay("0.000000001")
    answer = ask(stage, body, PATHS[protocol], key)
    assert (answer.status, answer.header("x-nexusflow-provider")) == (200, first), answer.body


def test_what_gets_lost_is_told_lane_by_lane_as_the_answer_says_it(stage: Stage) -> None:
    body = BODIES["anthropic/messages"]
    found = told(stage, "many", "--protocol", "anthropic/messages", body=body)
    assert {one["sent"] for one in found["lanes"]} == {"translated"}
    lost = [(one["action"], one["path"]) for one in found["lanes"][0]["losses"]]
    assert lost == [("dropped", "top_k")]
    assert ask(stage, body, "/v1/messages").header("x-nexusflow-warnings") == "dropped=top_k"


@pytest.mark.parametrize(
    ("protocol", "model", "fields"),
    [
        ("openai/chat-completions", "many", {"n": 0}),
        ("openai/chat-completions", "many", {"messages": "Hello"}),
        ("openai/chat-completions", "many", {"provider": {"only": ["reno"], "sort": "fame"}}),
        ("openai/chat-completions", "many", {"provider": {"zdr": True, "ignore": ["paris"]}}),
        ("openai/chat-completions", "many", {"models": [1]}),
        ("openai/chat-completions", "strict", {"colour": "red"}),
        ("openai/chat-completions", "gone", {}),
        ("openai/chat-completions", "strict", {"max_tokens": 1_000, "n": 101}),
        ("anthropic/messages", "many", {"max_tokens": "many"}),
        ("anthropic/messages", "strict", {"top_k": 5}),
        ("openai/embeddings", "vectors", {"input": []}),
        ("openai/embeddings", "vectors", {"dimensions": 4}),
        ("openai/embeddings", "many", {}),
        ("openai/responses", "many", {"previous_response_id": "resp_none"}),
    ],
)
def test_a_refusal_is_the_gateways_own(stage: Stage, protocol: str, model: str, fields: dict[str, Any]) -> None:
    body = {**BODIES[protocol], "model": model, **fields}
    done = run(stage, model, "--protocol", protocol, "--json", body=body)
    assert done.returncode == 2, done.stdout + done.stderr
    refused = json.loads(done.stdout)["refused"]
    answer = ask(stage, body, PATHS[protocol])
    said = json.loads(answer.body)
    said.pop("request_id", None)
    refused["answer"].pop("request_id", None)
    assert (refused["status"], refused["answer"]) == (answer.status, said)
    people = run(stage, model, "--protocol", protocol, body=body)
    assert (people.returncode, people.stdout) == (2, "")
    assert f"would answer {answer.status} {refused['code']}" in people.stderr


@pytest.mark.parametrize("text", ["{", '{"model":"many","model":"even","messages":[]}', "[]"])
def test_a_body_that_is_none_is_refused_as_the_gateway_does(stage: Stage, text: str) -> None:
    model = "even" if "even" in text else "many"
    done = run(stage, model, "--json", body=text)
    assert done.returncode == 2
    assert json.loads(done.stdout)["refused"]["answer"] == json.loads(ask(stage, text).body)


def test_a_key_brings_its_plan_its_scopes_and_its_cap(stage: Stage) -> None:
    root = stage.gateway.root
    assert nexusflow("keys", "create", "--name", "own", "--plan", "team", "--rpm", "3", root=root).returncode == 0
    limits = told(stage, "even", "--key", "own")["limits"]
    assert {(one["kind"], one["amount"], one["from"]) for one in limits} >= {
        ("requests", 7, "model override"),
        ("requests", 3, "key"),
        ("tokens", 500_000, "user default"),
    }
    shown = json.loads(nexusflow("limits", "show", "own", "--model", "even", "--format", "json", root=root).stdout)
    told_of = [(one["kind"], one["amount"], one["from"]) for one in limits]
    assert told_of == [(one["kind"], one["amount"], one["from"]) for one in shown if one["kind"] != "streams"]
    created = nexusflow("keys", "create", "--name", "narrow", "--model", "even", "--ip", "10.0.0.1", root=root)
    assert created.returncode == 0, created.stderr
    assert told(stage, "even", "--key", "narrow")["key"] == "narrow"
    done = run(stage, "many", "--key", "narrow", "--json")
    assert json.loads(done.stdout)["refused"]["code"] == "model_not_allowed"
    assert nexusflow("keys", "revoke", "narrow", root=root).returncode == 0
    assert "is revoked" in run(stage, "even", "--key", "narrow").stderr


def test_what_is_left_out_says_why(stage: Stage) -> None:
    def left(model: str, wish: Any) -> dict[str, str]:
        body = {"model": model, "messages": HELLO, "provider": wish}
        found = told(stage, model, body=body)
        return {f"{one['provider']}/{one['upstream_model']}": one["why"] for one in found["left_out"]}

    assert left("even", {"only": ["reno"]}) == dict.fromkeys(
        ("paris/good", "oslo/good"), "is not in `only` (`provider`)"
    )
    single = left("even", {"order": ["oslo"], "allow_fallbacks": False})
    assert set(single) == {"paris/good", "reno/good"}
    assert "`allow_fallbacks` is false" in single["paris/good"]
    assert left("four", {"sort": "price"}) == {"paris/other": "comes after 3 others, and no more are tried"}


def test_what_the_caller_puts_first_is_no_choice_of_the_strategy(stage: Stage) -> None:
    body = {"model": "even", "messages": HELLO, "provider": {"order": ["oslo"]}}
    found = told(stage, "even", body=body)["lanes"]
    assert [(one["provider"], one["among"]) for one in found] == [("oslo", 1), ("reno", 2), ("paris", 2)]


def test_a_stored_conversation_is_its_keys_own(stage: Stage) -> None:
    first = {"model": "many", "input": "Hello, and a great many words more to begin with"}
    stored = json.loads(ask(stage, first, "/v1/responses").body)["id"]
    body = {"model": "many", "input": "Hello", "previous_response_id": stored}
    protocol = ("--protocol", "openai/responses")
    stranger = run(stage, "many", *protocol, "--json", body=body)
    assert json.loads(stranger.stdout)["refused"]["code"] == "previous_response_not_found"
    alone = told(stage, "many", *protocol, body=BODIES["openai/responses"])
    assert told(stage, "many", *protocol, "--key", "test", body=body)["input_tokens"] > alone["input_tokens"]


def test_media_that_would_have_to_be_fetched_are_not(stage: Stage) -> None:
    document = {"type": "document", "source": {"type": "url", "url": "https://nowhere.invalid/a.pdf"}}
    asked = [{"role": "user", "content": [document, {"type": "text", "text": "What is it?"}]}]
    body = {**BODIES["anthropic/messages"], "messages": asked}
    found = told(stage, "many", "--protocol", "anthropic/messages", body=body)
    assert {one["losses"] for one in found["lanes"]} == {None}
    assert "media are fetched" in run(stage, "many", "--protocol", "anthropic/messages", body=body).stdout


def test_models_that_stand_in_are_told_with_what_keeps_some_from_it(stage: Stage) -> None:
    body = {"model": "safe", "messages": HELLO, "colour": "red"}
    found = told(stage, "safe", body=body)
    assert (found["asked"], found["model"]) == ("safe", "even")
    assert found["fallbacks"][0] == {"model": "even", "why_not": None}
    assert "`colour`" in found["fallbacks"][1]["why_not"]
    assert {one["model"] for one in found["lanes"]} == {"even"}
    named = told(stage, "many", body={"model": "many", "messages": HELLO, "models": ["even"]})
    assert [one["model"] for one in named["lanes"]] == ["many"] * 3 + ["even"] * 3


def test_people_read_tables_and_sentences(stage: Stage) -> None:
    done = run(stage, "even")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "even over openai/chat-completions, asked by a caller on no plan"
    assert lines[4].split()[:4] == ["1", "even", "reno", "good"]
    assert "Strategy cost: among equals the one goes first that is cheapest" in done.stdout
    assert "the priorities leave it nothing to choose" in run(stage, "many").stdout
    assert "--key tells whose" in run(stage, "sticky").stdout
    translated = run(stage, "many", "--protocol", "anthropic/messages", body=BODIES["anthropic/messages"]).stdout
    assert "1: `top_k` is dropped" in translated
    assert "safe over" in (stands := run(stage, "safe").stdout)
    assert "None of its lanes is ready; even stands in for it." in stands
    assert "locked (good) for safe: the gateway has no credential" in stands


def test_usage_errors_name_what_is_wrong(stage: Stage) -> None:
    assert "has no model nobody" in run(stage, "nobody").stderr
    assert "is none of: openai/chat-completions" in run(stage, "many", "--protocol", "smtp").stderr
    assert "one for `even`, not for `many`" in run(stage, "many", body={"model": "even"}).stderr
    for arguments in (("nobody",), ("many", "--protocol", "smtp")):
        assert run(stage, *arguments).returncode == 2


def test_a_file_is_told_of_before_it_is_built(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(spec(9).replace('"many"', '"more"'), encoding="utf-8")
    found = told(stage, "more", "--file", str(file))
    assert [one["provider"] for one in found["lanes"]] == ["paris", "oslo", "reno"]
    file.write_text("version: 1\nmodels: 3\n", encoding="utf-8")
    assert run(stage, "more", "--file", str(file)).returncode == 1
    nowhere = nexusflow("route", "explain", "many", root=tmp_path)
    assert nowhere.returncode == 1
    assert "run `nexusflow build`" in nowhere.stderr
