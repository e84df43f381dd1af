"""`GET /v1/models` and `/v1beta/models` as a client meets them: address, key, shape, errors (protocols 1.1, 1.8)."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from nexusflow.endpoints.models import ModelList
from nexusflow.flow.exchange import Watchdog
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import CredentialRef, Lane, Model, Plan, Provider, Server
from nexusflow.keys.model import Key
from nexusflow.runtime import Runtime, Swaps
from nexusflow.telemetry.meter import Meter, open_board

KEY = b"sk-air-good"
NAME = "MODEL_LIST_TEST_CREDENTIAL"
ANTHROPIC = (b"anthropic-version", b"2023-06-01")
GOOGLE = (b"x-goog-api-client", b"google-genai-sdk/3.4.0")
BEARER = (b"authorization", b"Bearer " + KEY)


class OneKey:
    """Knows one key."""

    def lookup(self, credential: bytes) -> Key | None:
        return Key(id="k", name="k", prefix="", last4="", created_ms=0) if credential == KEY else None


@dataclass
class Stage:
    """What the surface needs of a worker."""

    keys: OneKey = field(default_factory=OneKey)
    watchdog: Watchdog = field(default_factory=Watchdog)
    meter: Meter = field(default_factory=lambda: Meter(open_board(None)))
    swaps: Swaps = field(default_factory=Swaps)
    draining: bool = False


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    headers: dict[str, str]
    body: Any


def plan(query_key: bool) -> Plan:
    def lane(provider: str) -> Lane:
        return Lane(path="p", provider=provider, model="up", protocol="openai/chat-completions")

    def provider(name: str, **more: Any) -> Provider:
        return Provider(id=name, title=name, protocol="openai/chat-completions", base_url="http://127.0.0.1:9", **more)

    return Plan(
        server=Server(name="g", query_key=query_key),
        surfaces=(),
        providers=(provider("open"), provider("closed", credential=CredentialRef("env", NAME))),
        models=(
            Model(
                id="vendor/a:b",
                title="A",
                owner="v",
                category="language",
                aliases=("short",),
                lanes=(lane("closed"), lane("open")),
                protocols=("openai/chat-completions", "anthropic/messages", "google/generate-content"),
            ),
            Model(
                id="vendor/closed",
                title="C",
                owner="v",
                category="language",
                lanes=(lane("closed"),),
                protocols=("openai/chat-completions",),
            ),
        ),
    )


def ask(
    target: str,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    query_key: bool = True,
    draining: bool = False,
) -> Answer:
    """One request to a surface of its own."""
    surface = ModelList(Artifact(plan(query_key), ()))
    surface.bind(cast(Runtime, Stage(draining=draining)))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = target.encode().partition(b"?")
    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/",
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
    }
    asyncio.run(surface(scope, receive, send))
    shown = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], shown, json.loads(sent[1]["body"]))


def shape_of(body: dict[str, Any]) -> str:
    if body.keys() >= {"object", "data", "models"}:
        return "union"
    if "models" in body:
        return "gemini"
    return "anthropic" if "has_more" in body else "openai"


def error_shape(body: dict[str, Any]) -> str:
    if body.get("type") == "error":
        return "anthropic"
    return "gemini" if "status" in body["error"] else "openai"


@pytest.mark.parametrize(
    ("target", "headers", "shape"),
    [
        ("/v1/models", [BEARER], "union"),
        ("/v1/models/", [BEARER], "union"),
        ("/v1/models", [BEARER, (b"user-agent", b"OpenAI/Python 3")], "openai"),
        ("/v1/models?limit=1", [(b"x-api-key", KEY), ANTHROPIC], "anthropic"),
        ("/v1/models?limit=1", [BEARER, ANTHROPIC], "anthropic"),
        ("/v1/models", [(b"x-goog-api-key", KEY)], "gemini"),
        ("/v1/models?key=sk-air-good", [], "gemini"),
        ("/v1beta/models", [BEARER], "gemini"),
        ("/v1beta/models?pageSize=5&key=sk-air-good", [], "gemini"),
        ("/v1beta/models", [(b"x-api-key", KEY), ANTHROPIC], "gemini"),
    ],
)
def test_L02_L39_G42_the_list_has_the_shape_of_the_caller(target: str, headers: list[Any], shape: str) -> None:
    answer = ask(target, *headers)
    assert (answer.status, shape_of(answer.body)) == (200, shape)
    assert len(answer.headers["x-request-id"]) == 26
    assert answer.headers.get("request-id") == (answer.headers["x-request-id"] if shape == "anthropic" else None)


@pytest.mark.parametrize("name", ["vendor/a:b", "vendor%2Fa:b", "vendor/a%3ab", "short"])
def test_one_model_by_any_spelling_of_its_name(name: str) -> None:
    assert ask(f"/v1/models/{name}", BEARER, (b"user-agent", b"openai")).body["id"] == "vendor/a:b"
    assert ask(f"/v1/models/{name}", BEARER, ANTHROPIC).body["display_name"] == "A"
    assert ask(f"/v1/models/{name}", BEARER, GOOGLE).body["name"] == "models/vendor/a:b"
    assert ask(f"/v1beta/models/{name}", BEARER).body["name"] == "models/vendor/a:b"


@pytest.mark.parametrize(
    ("target", "headers", "shape"),
    [
        ("/v1/models", [], "openai"),
        ("/v1/models", [ANTHROPIC], "anthropic"),
        ("/v1/models", [GOOGLE], "gemini"),
        ("/v1beta/models", [], "gemini"),
    ],
)
@pytest.mark.parametrize(
    ("more", "name", "method", "status"),
    [
        ([], "", "GET", 401),
        ([(b"authorization", b"Bearer wrong")], "", "GET", 401),
        ([BEARER], "/nobody", "GET", 404),
        ([BEARER], "x", "GET", 404),
        ([BEARER], "/vendor/a:b", "DELETE", 405),
        ([BEARER, (b"host", b"a"), (b"host", b"b")], "", "GET", 400),
    ],
)
def test_L54_errors_have_the_form_of_the_callers_protocol(
    target: str, headers: list[Any], shape: str, more: list[Any], name: str, method: str, status: int
) -> None:
    answer = ask(target + name, *headers, *more, method=method)
    assert (answer.status, error_shape(answer.body)) == (status, shape)
    own_id = answer.headers["x-request-id"]
    assert answer.headers.get("request-id") == (own_id if shape == "anthropic" else None)
    if shape == "anthropic":
        assert answer.body["request_id"] == own_id
    if shape == "openai" and status == 404:
        assert answer.body["error"]["code"] == ("not_found" if name == "x" else "model_not_found")
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("target", ["/v1beta", "/v1beta/files", "/v1beta/vendor/a:b"])
def test_nothing_else_stands_under_v1beta(target: str, method: str) -> None:
    """Its mount takes every address below, since clients may leave `models/` out where they name a model."""
    assert ask(target, BEARER, method=method).status == 404


def test_a_gateway_that_stops_says_so_in_the_callers_form() -> None:
    answer = ask("/v1beta/models", BEARER, draining=True)
    assert (answer.status, error_shape(answer.body)) == (503, "gemini")


def test_SEC56_the_query_is_no_place_for_a_key_where_the_gateway_says_so() -> None:
    assert ask("/v1beta/models?key=sk-air-good", query_key=False).status == 401
    assert ask("/v1beta/models?key=wrong", BEARER, query_key=False).status == 200
    assert ask("/v1beta/models?key=wrong", BEARER).status == 200  # a header counts first (protocols 1.1)


def test_a_bad_page_is_refused_in_the_callers_form() -> None:
    answer = ask("/v1/models?limit=0", BEARER, ANTHROPIC)
    assert (answer.status, error_shape(answer.body)) == (400, "anthropic")
    assert "limit" in answer.body["error"]["message"]


def test_a_model_without_any_lane_that_works_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    cards = {item["id"]: item for item in ask("/v1/models", BEARER).body["data"]}
    assert cards["vendor/a:b"]["available"] is True
    assert "unavailable_reason" not in cards["vendor/a:b"]
    assert cards["vendor/closed"]["available"] is False
    assert NAME in cards["vendor/closed"]["unavailable_reason"]
    monkeypatch.setenv(NAME, "secret-value")
    cards = {item["id"]: item for item in ask("/v1/models", BEARER).body["data"]}
    assert cards["vendor/closed"]["available"] is True
