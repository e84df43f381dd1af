"""One gateway, real calls, and every nano-unit of them accounted for: header, own account pages, ledger."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from nexusflow.ir.money import as_nano
from nexusflow.store import open_database
from nexusflow.testing.faulty import END, STREAM_HEAD, Act, Pace, Provider, running, unary
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.faults.provider import DONE, TICK, delta, event
from tests.faults.raw import Connection, chat, request, wait_until

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200,
         "prompt_tokens_details": {"cached_tokens": 400}}  # fmt: skip
# 600 x 2,000 + 400 x 200 + 200 x 8,000 nano-units; the customer pays 25 % more.
COST = 600 * 2_000 + 400 * 200 + 200 * 8_000
PRICE = COST * 5 // 4
ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}  # fmt: skip
HELLO = event(choices=delta("Hello dear reader of this long stream. " * 4, role="assistant"))
STOP = event(choices=delta(finish="stop"))
METER = event(choices=[], usage=USAGE)


@dataclass(frozen=True, slots=True)
class Stage:
    """The gateway and its provider. `enough` ends the provider's long streams."""

    gateway: Gateway
    provider: Provider
    enough: threading.Event

    def run(self, *arguments: str) -> Any:
        """One command with JSON output."""
        done = nexusflow(*arguments, "--format", "json", root=self.gateway.root)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def transfers(self, request: str) -> dict[str, tuple[int, str]]:
        """Amount and basis by kind, once posted."""
        found: dict[str, tuple[int, str]] = {}

        def posted() -> bool:
            with open_database(self.gateway.root / ".nexusflow" / "nexusflow.db") as database:
                rows = database.execute("SELECT kind, amount, basis FROM transfer WHERE request = $1", (request,))
            found.update({str(kind): (int(amount or 0), str(basis)) for kind, amount, basis in rows})
            return bool(found)

        assert wait_until(posted), f"{request} was never posted"
        return found

    def logged(self, request: str) -> dict[str, Any]:
        """The call as its own key sees it."""
        found: dict[str, Any] = {}

        def there() -> bool:
            with Connection(self.gateway.url) as connection:
                connection.send(get(self.gateway.key, f"/v1/requests/{request}"))
                answer = connection.answer()
            if answer.status == 200:
                found.update(json.loads(answer.body))
            return answer.status == 200

        assert wait_until(there), f"{request} is not on record"
        return found


def get(key: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    enough = threading.Event()
    scripts: dict[str, Any] = {
        "chat": (unary(json.dumps(ANSWER).encode()),),
        "stream": (STREAM_HEAD, HELLO, STOP, METER, DONE, END),
        "silent": (unary(json.dumps({**ANSWER, "usage": None}).encode()),),
        "absurd": (unary(json.dumps({**ANSWER, "usage": {**USAGE, "prompt_tokens": -5}}).encode()),),
        "zero": (unary(json.dumps({**ANSWER, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}).encode()),),
        "endless": (STREAM_HEAD, HELLO, Act.HANG),
        "drained": (STREAM_HEAD, HELLO, Pace(enough, TICK), STOP, METER, DONE, END),
        "broken": (STREAM_HEAD, HELLO, Act.RESET),
        "failing": (unary(b'{"error":{"message":"no"}}', status="500 Internal Server Error"),),
        "held": (1.0, unary(json.dumps(ANSWER).encode())),
    }
    with running(scripts) as provider:
        root = tmp_path_factory.mktemp("billing")
        with running_gateway(spec(provider.port, list(scripts)), root) as gateway:
            yield Stage(gateway, provider, enough)


def spec(port: int, names: list[str]) -> str:
    address = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    price = {"input": "2", "output": "8", "cache_read": "0.2", "markup_percent": "25"}
    shared = {
        "owner": "test", "category": "language", "max_output_tokens": 1_000,
        "supported_protocols": ["openai/chat-completions", "anthropic/messages"],
    }  # fmt: skip
    models: dict[str, Any] = {
        name: {**shared, "price": price, "lanes": [{"provider": "scripted", "model": name}]} for name in names
    }
    models["drained"]["lanes"] = [{"provider": "drains", "model": "drained"}]
    models["free"] = {**shared, "free": True, "lanes": [{"provider": "scripted", "model": "chat"}]}
    return json.dumps(
        {
            "version": 1,
            "gateway": {"name": "billing"},
            "providers": {"scripted": address, "drains": {**address, "billing": {"on_disconnect": "drain"}}},
            "models": models,
        }
    )


def ask(stage: Stage, model: str, *, stream: bool = False, key: str | None = None) -> Any:
    with Connection(stage.gateway.url) as connection:
        connection.send(request(key or stage.gateway.key, chat(model, **({"stream": True} if stream else {}))))
        return connection.answer()


def test_unary_call_says_what_it_cost_and_the_ledger_agrees(stage: Stage) -> None:
    answer = ask(stage, "chat")
    assert answer.status == 200
    assert as_nano(answer.header("x-nexusflow-cost") or "") == PRICE
    id_ = answer.header("x-request-id") or ""
    assert stage.transfers(id_) == {"charge": (PRICE, "reported"), "cost": (COST, "reported")}
    logged = stage.logged(id_)
    assert (logged["model"], logged["provider"], logged["status"], logged["outcome"]) == (
        "chat",
        "scripted",
        200,
        "done",
    )
    assert (logged["input"], logged["cache_read"], logged["output"]) == (1_000, 400, 200)
    assert as_nano(logged["amount"]) == PRICE


def test_AT07_a_stream_costs_what_the_same_unary_call_costs(stage: Stage) -> None:
    answer = ask(stage, "stream", stream=True)
    assert answer.complete
    id_ = answer.header("x-request-id") or ""
    assert stage.transfers(id_) == {"charge": (PRICE, "reported"), "cost": (COST, "reported")}
    assert stage.logged(id_)["first_ms"] is not None


def test_AT08_usage_that_is_missing_or_cannot_be_true_is_estimated(stage: Stage) -> None:
    for name in ("silent", "absurd"):
        posted = stage.transfers(ask(stage, name).header("x-request-id") or "")
        amount, basis = posted["charge"]
        assert basis == "estimated", name
        assert amount > 0, name


def test_AT08_usage_of_zero_is_a_report(stage: Stage) -> None:
    answer = ask(stage, "zero")
    assert answer.header("x-nexusflow-cost") == "0.00"
    assert stage.transfers(answer.header("x-request-id") or "") == {"charge": (0, "reported")}


def test_free_models_are_on_record_at_no_cost(stage: Stage) -> None:
    answer = ask(stage, "free")
    assert answer.header("x-nexusflow-cost") == "0.00"
    assert stage.transfers(answer.header("x-request-id") or "") == {"charge": (0, "reported")}


def test_B05_a_failing_provider_costs_the_customer_nothing(stage: Stage) -> None:
    answer = ask(stage, "failing")
    assert answer.status == 502
    assert stage.transfers(answer.header("x-request-id") or "") == {"void": (0, "none")}
    assert stage.logged(answer.header("x-request-id") or "")["outcome"] == "failed"


def test_B06_a_broken_stream_is_charged_for_what_went_out(stage: Stage) -> None:
    answer = ask(stage, "broken", stream=True)
    assert b'"error"' in answer.body
    id_ = answer.header("x-request-id") or ""
    amount, basis = stage.transfers(id_)["charge"]
    assert basis == "estimated"
    assert 0 < amount < PRICE
    assert stage.logged(id_)["outcome"] == "broken"


def test_a_wallet_that_can_run_out_is_told_with_each_answer(stage: Stage) -> None:
    """Contract 2.10: the balance, under a name of its own. Without a bound there is none to tell."""
    stage.run("accounts", "create", "careful")
    stage.run("credit", "careful", "5", "--source", "bank", "--memo", "five")
    made = nexusflow("keys", "create", "--name", "c", "--org", "careful", "--quiet", root=stage.gateway.root)
    key = made.stdout.strip()
    assert wait_until(lambda: ask(stage, "free", key=key).status == 200)
    told = [ask(stage, "chat", key=key).header("x-nexusflow-balance") for _ in range(3)]
    assert [as_nano(one or "") for one in told] == [as_nano("5") - PRICE * calls for calls in (1, 2, 3)]
    assert ask(stage, "chat").header("x-nexusflow-balance") is None


def left(stage: Stage, model: str) -> str:
    """Begin a stream and leave; the request's id."""
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat(model, stream=True)))
        head = connection.read_until(b"\r\n\r\n").decode()
        connection.read_until(b"Hello")
    return next(line for line in head.splitlines() if line.startswith("x-request-id")).partition(":")[2].strip()


def test_AT05_leaving_a_stream_is_neither_free_nor_the_full_price(stage: Stage) -> None:
    id_ = left(stage, "endless")
    amount, basis = stage.transfers(id_)["charge"]
    assert basis == "estimated"
    assert 0 < amount < PRICE
    logged = stage.logged(id_)
    assert (logged["outcome"], logged["status"]) == ("left", 499)
    assert logged["output"] > 20
    assert stage.provider.of("endless")[-1].left.wait(10)


def test_B03_where_the_provider_is_to_be_drained_the_real_usage_is_charged(stage: Stage) -> None:
    id_ = left(stage, "drained")
    stage.enough.set()
    assert stage.transfers(id_) == {"charge": (PRICE, "reported"), "cost": (COST, "reported")}
    assert stage.logged(id_)["outcome"] == "left"


@pytest.fixture(scope="module")
def poor(stage: Stage) -> str:
    """A key of an organisation with money for ten calls of the model `held`, by the reservation of each."""
    stage.run("accounts", "create", "poor")
    done = nexusflow("credit", "poor", "0.12", "--source", "bank", "--memo", "ten calls", root=stage.gateway.root)
    assert done.returncode == 0, done.stderr
    made = nexusflow("keys", "create", "--name", "p", "--org", "poor", "--quiet", root=stage.gateway.root)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert wait_until(lambda: ask(stage, "free", key=key).status == 200)
    return key


def test_AT01_parallel_calls_never_overdraw_a_wallet(stage: Stage, poor: str) -> None:
    """0.12 is money for eleven reservations of 1,000 output tokens at 8 per million and a markup of a quarter."""
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: ask(stage, "held", key=poor), range(60)))
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in refused} <= {403, 429}
    assert len(served) >= 1
    assert all(answer.error["code"] in ("inflight_budget_exhausted", "insufficient_quota") for answer in refused)
    for answer in served:
        stage.transfers(answer.header("x-request-id") or "")
    with Connection(stage.gateway.url) as connection:
        connection.send(get(poor, "/v1/balance"))
        balance = json.loads(connection.answer().body)
    assert as_nano(balance["spent"]) == PRICE * len(served)
    assert as_nano(balance["balance"]) == as_nano("0.12") - PRICE * len(served)


def test_empty_wallet_is_403_in_every_protocol(stage: Stage) -> None:
    stage.run("accounts", "create", "broke")
    made = nexusflow("keys", "create", "--name", "b", "--org", "broke", "--quiet", root=stage.gateway.root)
    key = made.stdout.strip()
    assert wait_until(lambda: ask(stage, "free", key=key).status == 200)
    client = openai.OpenAI(base_url=stage.gateway.openai_base_url, api_key=key)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x"}])
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    other = anthropic.Anthropic(base_url=stage.gateway.url, api_key=key)
    with pytest.raises(anthropic.PermissionDeniedError) as denied:
        other.messages.create(model="chat", max_tokens=10, messages=[{"role": "user", "content": "x"}])
    assert "billing_error" in str(denied.value.body)


def test_key_sees_its_own_usage_only(stage: Stage, poor: str) -> None:
    with Connection(stage.gateway.url) as connection:
        connection.send(get(poor, "/v1/usage?group_by=model,key"))
        mine = json.loads(connection.answer().body)["data"]
    assert {row["model"] for row in mine} <= {"free", "held"}
    assert len({row["key"] for row in mine}) == 1
    id_ = ask(stage, "chat").header("x-request-id") or ""
    stage.transfers(id_)
    with Connection(stage.gateway.url) as connection:
        connection.send(get(poor, f"/v1/requests/{id_}"))
        assert connection.answer().status == 404


def test_nothing_that_was_said_is_stored(stage: Stage) -> None:
    secret = "a-prompt-that-nobody-may-keep-4711"
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat("chat", messages=[{"role": "user", "content": secret}])))
        id_ = connection.answer().header("x-request-id") or ""
    stage.transfers(id_)
    folder = Path(stage.gateway.root) / ".nexusflow"
    assert not [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
