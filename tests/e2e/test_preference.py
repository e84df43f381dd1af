"""`provider` in a request: which providers the caller wants, in which order, and at which price (contract 2.11)."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.testing.faulty import running, unary
from nexusflow.testing.gateway import running_gateway
from tests.e2e.test_failover import ANSWER, ERROR, Stage
from tests.faults.raw import Answer, Connection, chat, request

LANGUAGES = ["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]
PROVIDERS: dict[str, dict[str, Any]] = {
    "paris": {"region": "eu-west", "data_policy": {"trains_on_data": False, "zero_retention": True}},
    "oslo": {"region": "eu-north", "data_policy": {"trains_on_data": False, "retention_days": 30}},
    "reno": {"region": "us-west", "data_policy": {"trains_on_data": True}},
}
PRICES = {"paris": "5", "oslo": "3", "reno": "1"}


def spec(port: int) -> str:
    lanes = [
        {"provider": name, "model": "good", "priority": at, "price": {"input": price, "output": price}}
        for at, (name, price) in enumerate(PRICES.items())
    ]
    model = {
        "owner": "test",
        "category": "language",
        "max_output_tokens": 1_000,
        "supported_protocols": LANGUAGES,
        "price": {"input": "9", "output": "9"},
        "lanes": lanes,
    }
    even = [{**lane, "priority": 0} for lane in lanes]
    models = {
        "many": model,
        "even": {**model, "lanes": even, "strategy": "cost"},
        "sticky": {**model, "lanes": even, "strategy": "sticky"},
        "single": {**model, "lanes": lanes[:1]},
        "broken": {**model, "lanes": [{**lane, "model": "broken"} for lane in lanes]},
    }
    base = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    return json.dumps(
        {"version": 1, "providers": {name: {**base, **more} for name, more in PROVIDERS.items()}, "models": models}
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    scripts = {"good": (unary(json.dumps(ANSWER).encode()),), "broken": (unary(ERROR, "500 Internal Server Error"),)}
    with running(scripts) as provider, running_gateway(spec(provider.port), tmp_path_factory.mktemp("p")) as gateway:
        yield Stage(gateway, provider, provider, provider)


def ask(stage: Stage, wish: Any, model: str = "many") -> Answer:
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat(model, provider=wish)))
        return connection.answer()


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [
        ({"order": ["oslo"]}, "oslo"),
        ({"order": ["unheard", "reno", "oslo"]}, "reno"),
        ({"only": ["reno", "oslo"]}, "oslo"),
        ({"ignore": ["paris"]}, "oslo"),
        ({"sort": "price"}, "paris"),  # within a priority only
        ({"max_price": {"prompt": 3, "completion": "3"}}, "oslo"),
        ({"max_price": {"completion": 1.5}}, "reno"),
        ({"regions": ["us-west"]}, "reno"),
        ({"zdr": True, "order": ["oslo"]}, "paris"),
        ({"data_collection": "deny", "ignore": ["paris"]}, "oslo"),
        ({"only": ["reno"], "allow_fallbacks": False}, "reno"),
        (None, "paris"),
    ],
)
def test_the_wish_decides_who_answers(stage: Stage, wish: Any, chosen: str) -> None:
    answer = ask(stage, wish)
    assert answer.status == 200, answer.body
    assert answer.header("x-nexusflow-provider") == chosen
    assert "provider" not in stage.first.of("good")[-1].json() or wish is None


def test_a_sort_takes_the_place_of_the_models_strategy(stage: Stage) -> None:
    assert ask(stage, {"ignore": []}, "even").header("x-nexusflow-provider") == "reno"
    assert ask(stage, {"sort": "price", "ignore": ["reno"]}, "even").header("x-nexusflow-provider") == "oslo"
    assert ask(stage, {"sort": "price"}, "sticky").header("x-nexusflow-provider") == "reno"
    sticky = Counter(ask(stage, {"ignore": []}, "sticky").header("x-nexusflow-provider") for _ in range(8))
    assert len(sticky) == 1


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/v1beta/models/many:generateContent"])
def test_it_holds_for_every_protocol(stage: Stage, path: str) -> None:
    said: dict[str, Any] = {
        "/v1/responses": {"model": "many", "input": "Hello"},
        "/v1/messages": {"model": "many", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]},
    }.get(path, {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})
    with Connection(stage.gateway.url) as connection:
        body = json.dumps({**said, "provider": {"only": ["reno"]}}).encode()
        connection.send(request(stage.gateway.key, body, path=path))
        answer = connection.answer()
    assert (answer.status, answer.header("x-nexusflow-provider")) == (200, "reno"), answer.body


def test_without_fallbacks_only_one_provider_is_tried(stage: Stage) -> None:
    many = ask(stage, {"order": ["reno"]}, "broken")
    assert (many.status, many.header("x-nexusflow-attempts")) == (502, "3")
    one = ask(stage, {"order": ["reno"], "allow_fallbacks": False}, "broken")
    assert (one.status, one.header("x-nexusflow-attempts")) == (502, "1")


def test_when_nobody_fits_it_says_of_each_why(stage: Stage) -> None:
    answer = ask(stage, {"zdr": True, "regions": ["eu-north"], "ignore": ["paris"]})
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "provider", "no_provider_fits")
    assert "`paris` is in `ignore`" in answer.error["message"]
    assert "`oslo` is not known to keep nothing" in answer.error["message"]


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"order": "reno"}, "provider.order"),
        ({"only": ["reno"], "sort": "fame"}, "provider.sort"),
        ({"only": ["reno"], "max_price": {"prompt": "cheap"}}, "provider.max_price.prompt"),
        ({"only": ["reno"], "colour": "red"}, "provider"),
        ("reno", "provider"),
    ],
)
def test_a_wish_that_is_none_names_its_field(stage: Stage, wish: Any, param: str) -> None:
    answer = ask(stage, wish)
    assert (answer.status, answer.error["param"]) == (400, param), answer.body


def test_a_wish_for_a_gateway_behind_this_one_is_passed_on(stage: Stage) -> None:
    wish = {"order": ["deepinfra"], "quantizations": ["fp8"]}
    assert ask(stage, wish).status == 200
    assert stage.first.of("good")[-1].json()["provider"] == wish
    assert ask(stage, {"sort": "price"}, "single").status == 200
    assert stage.first.of("good")[-1].json()["provider"] == {"sort": "price"}
