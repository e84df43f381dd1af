"""Limits of several processes: exactly so many calls get through, wherever they arrive; and official SDKs wait."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from nexusflow.testing.faulty import Provider, running
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.e2e.test_limits import USAGE, Stage, completion
from tests.faults.raw import wait_until
from tests.support.drive import chat_model, chat_provider, spec
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer, running_redis

CALLS, ALLOWED = 80, 12
LANGUAGES = ["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running({"quick": (completion(USAGE),)}) as found:
        yield found


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as found:
        yield found


def document(provider: Provider, counters: dict[str, Any], rpm: int, **more: Any) -> dict[str, Any]:
    model = chat_model("p", "quick", max_output_tokens=100, supported_protocols=LANGUAGES)
    text = spec({"quick": model}, {"p": chat_provider(f"http://127.0.0.1:{provider.port}/v1")})
    return {**json.loads(text), "stores": {"limits": counters, **more}, "limits": {"default": {"rpm": rpm}}}


def statuses(stages: list[Stage], key: str) -> Counter[int]:
    """Of many calls at once, to all the gateways in turn."""
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda n: stages[n % len(stages)].ask(key, max_tokens=10).status, range(CALLS))
        return Counter(found)


def test_four_workers_of_one_machine_let_exactly_the_limit_through(provider: Provider, tmp_path: Path) -> None:
    spec_ = document(provider, {"kind": "sqlite"}, ALLOWED)
    with running_gateway(json.dumps(spec_), tmp_path, workers=4) as gateway:
        stage = Stage(gateway, provider, threading.Event())
        found = statuses([stage], stage.key())
    assert set(found) == {200, 429}
    assert ALLOWED <= found[200] <= ALLOWED + refilled(stage)


def refilled(stage: Stage) -> int:
    """How many requests the bucket can have regained: the time that the calls took, by the provider's clock."""
    began = [seen.began for seen in stage.provider.requests[-ALLOWED:]]
    return int((began[-1] - began[0]) * ALLOWED / 60) + 1


def test_two_hosts_share_limits_in_redis_and_each_takes_its_part_while_it_is_away(
    provider: Provider, redis: RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    environ = {"REDIS_URL": redis.url, "DATABASE_URL": postgres.new_database()}
    counters = {"kind": "redis", "url": {"env": "REDIS_URL"}}
    database = {"kind": "postgres", "url": {"env": "DATABASE_URL"}}
    spec_ = {**document(provider, counters, ALLOWED, database=database), "gateway": {"hosts": 2}}
    with ExitStack() as stack:
        stages = [
            Stage(stack.enter_context(host(spec_, tmp_path / name, environ)), provider, threading.Event())
            for name in ("a", "b")
        ]
        key = new_key(stages, environ)
        found = statuses(stages, key)
        assert set(found) == {200, 429}
        assert ALLOWED <= found[200] <= ALLOWED + refilled(stages[0])
        redis.stop()
        late = new_key(stages, environ)
        found = statuses(stages, late)
        # Half of the limit on each of two hosts: never more than the whole, and nobody hangs or gets a 500.
        assert set(found) == {200, 429}
        assert 2 <= found[200] <= ALLOWED + refilled(stages[0])
        redis.start()
        assert wait_until(lambda: all("limits are shared again" in stage.gateway.log.read_text() for stage in stages))


@contextmanager
def host(spec_: dict[str, Any], root: Path, environ: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with the pepper of the first one, beside which it lies."""
    pepper, own = root.parent / "pepper", root / ".nexusflow" / "pepper"
    own.parent.mkdir(parents=True, mode=0o700)
    if pepper.exists():
        own.touch(0o600)
        own.write_bytes(pepper.read_bytes())
    with running_gateway(json.dumps(spec_), root, environ=environ) as gateway:
        pepper.write_bytes(own.read_bytes())
        yield gateway


def new_key(stages: list[Stage], environ: dict[str, str]) -> str:
    made = nexusflow("keys", "create", "--name", "k", "--quiet", root=stages[0].gateway.root, environ=environ)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert wait_until(lambda: all(stage.get(key, "/v1/models").status == 200 for stage in stages))
    return key


@pytest.fixture(scope="module")
def quick_stage(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One request a second: whoever waits as long as told gets through, a moment earlier nobody does."""
    spec_ = document(provider, {"kind": "memory"}, 60)
    with running_gateway(json.dumps(spec_), tmp_path_factory.mktemp("sdk")) as gateway:
        yield Stage(gateway, provider, threading.Event())


@pytest.fixture(scope="module")
def slow_stage(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One request in ten seconds: a client may take its time before it is refused."""
    spec_ = document(provider, {"kind": "memory"}, 6)
    with running_gateway(json.dumps(spec_), tmp_path_factory.mktemp("slow")) as gateway:
        yield Stage(gateway, provider, threading.Event())


def drained(stage: Stage) -> str:
    """A key that has used up its minute."""
    key = stage.key()
    while stage.ask(key, max_tokens=10).status == 200:
        pass
    return key


def test_the_openai_sdk_waits_as_long_as_it_is_told(quick_stage: Stage) -> None:
    key = drained(quick_stage)
    # One retry is enough: it comes when there is room.
    client = openai.OpenAI(api_key=key, base_url=f"{quick_stage.gateway.url}/v1", max_retries=1)
    said = client.chat.completions.create(model="quick", messages=[{"role": "user", "content": "Hello"}], max_tokens=10)
    assert said.choices[0].message.content == "Hello"


def test_the_openai_sdk_knows_the_refusal(slow_stage: Stage) -> None:
    client = openai.OpenAI(api_key="-", base_url=f"{slow_stage.gateway.url}/v1", max_retries=0)
    client.api_key = drained(slow_stage)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="quick", messages=[{"role": "user", "content": "Hello"}], max_tokens=10)
    assert refused.value.code == "rate_limit_exceeded"


def test_the_anthropic_sdk_waits_as_long_as_it_is_told(quick_stage: Stage) -> None:
    key = drained(quick_stage)
    client = anthropic.Anthropic(api_key=key, base_url=quick_stage.gateway.url, max_retries=1)
    said = client.messages.create(model="quick", max_tokens=10, messages=[{"role": "user", "content": "Hello"}])
    assert said.content[0].text == "Hello"  # type: ignore[union-attr]  # the provider says nothing but text


def test_the_google_sdk_reads_the_wait(slow_stage: Stage) -> None:
    client = genai.Client(api_key=drained(slow_stage), http_options={"base_url": slow_stage.gateway.url})
    with pytest.raises(genai.errors.ClientError) as refused:
        client.models.generate_content(model="quick", contents="Hello")
    assert refused.value.code == 429
    details = refused.value.details["error"]["details"]
    [wait] = [one["retryDelay"] for one in details if one["@type"].endswith("RetryInfo")]
    assert 0 < float(wait.removesuffix("s")) <= 10
