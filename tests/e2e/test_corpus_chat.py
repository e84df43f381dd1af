"""Every recorded OpenAI Chat exchange through a real gateway on Granian, in front of a provider that replays it.

The identity lane changes the model name, the usage option and nothing else (U-35); errors follow the table.
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from nexusflow.testing.gateway import Gateway, running_gateway
from tests.support import replay, sse
from tests.support.corpus import Exchange, chat_exchanges, chat_streams
from tests.support.drive import Answer, Caller, chat_model, chat_provider, spec

THREADS = 4
EXCHANGES = chat_exchanges()
SUCCEEDED = [exchange for exchange in EXCHANGES if exchange.succeeded]
REFUSED = [exchange for exchange in EXCHANGES if exchange.response.status != 200]
FAILED_IN_BAND = {exchange.id: exchange for exchange in EXCHANGES if exchange.fails_in_band}
MEDIA = ["text", "image", "audio", "video", "file"]
ANY = object()


@dataclass(frozen=True, slots=True)
class Stage:
    """The gateway, the provider behind it, and what both made of every recorded request: by id, each sent once."""

    gateway: Gateway
    provider: replay.Replay
    answers: dict[str, Answer]
    received: dict[str, replay.Received]


def public(exchange: Exchange) -> str:
    """The model's name at the gateway."""
    return f"corpus/{exchange.id}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One gateway with a model for each exchange; each is asked for once."""
    models = {public(exchange): chat_model("replay", f"replay/{exchange.id}", input=MEDIA) for exchange in EXCHANGES}
    with replay.replaying(EXCHANGES) as provider:
        text = spec(models, {"replay": chat_provider(provider.url + "/v1")})
        with running_gateway(text, tmp_path_factory.mktemp("corpus")) as gateway:
            answers = {exchange.id: answer for exchange, answer in ask_all(gateway, EXCHANGES)}
            received = {id_: requests[0] for id_, requests in provider.received.items() if len(requests) == 1}
            yield Stage(gateway, provider, answers, received)


def ask_all(gateway: Gateway, exchanges: list[Exchange] | tuple[Exchange, ...]) -> list[tuple[Exchange, Answer]]:
    """Send each recorded request once, over one keep-alive connection for each thread."""
    local = threading.local()

    def ask(exchange: Exchange) -> tuple[Exchange, Answer]:
        if not hasattr(local, "caller"):
            local.caller = Caller(gateway.url, gateway.key)
        return exchange, local.caller.chat(exchange.client_body(public(exchange)))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, exchanges))


def exactly(text: str | bytes) -> Any:
    """JSON with the spelling of numbers and the order and repetition of nested keys kept, for comparing."""
    return json.loads(
        text,
        parse_int=lambda digits: f"number {digits}",
        parse_float=lambda digits: f"number {digits}",
        object_pairs_hook=lambda pairs: tuple(pairs),
    )


def renamed(recorded: str | bytes, exchange: Exchange, *, always: bool = False) -> dict[str, Any]:
    """A recorded answer or event as the gateway should show it: the same under the public name."""
    fields = dict(exactly(recorded))
    if always or fields.get("model") is not None:
        fields["model"] = public(exchange)
    return fields


def asked_for_usage(exchange: Exchange) -> bool:
    """Whether the client wanted the usage-only event of its stream."""
    options = exchange.client_body("").get("stream_options")
    return bool(options and options.get("include_usage"))


def usage_only(event: dict[str, Any]) -> bool:
    """Whether an event only carries the usage."""
    return not event.get("choices") and bool(event.get("usage"))


def expected_events(exchange: Exchange) -> list[Any]:
    """The events that the client should see of a recorded stream that succeeded."""
    recorded = [data for data in sse.data_of(exchange.response.data) if data != "[DONE]"]
    events = [renamed(data, exchange) for data in recorded]
    return [event for event in events if asked_for_usage(exchange) or not usage_only(event)] + ["[DONE]"]


def seen_events(body: bytes) -> list[Any]:
    """The events of an answer, in the form of `expected_events`."""
    return [data if data == "[DONE]" else dict(exactly(data)) for data in sse.data_of(body)]


def test_the_corpus_is_complete() -> None:
    """910 exchanges, of which 873 succeeded; a loader that loses some would make the other tests hollow."""
    assert len(EXCHANGES) == 910
    assert (len(SUCCEEDED), len(REFUSED), len(FAILED_IN_BAND)) == (873, 33, 4)


def test_U35_json_answers_are_the_recorded_ones_but_for_the_model_name(stage: Stage) -> None:
    wrong = []
    for exchange in SUCCEEDED:
        answer = stage.answers[exchange.id]
        if exchange.stream:
            continue
        good = answer.status == 200 and answer.headers["content-type"].startswith("application/json")
        if not good or dict(exactly(answer.body)) != renamed(exchange.response.body, exchange, always=True):
            wrong.append(exchange.id)
    assert wrong == []


def test_U35_streams_are_the_recorded_ones_but_for_name_usage_and_done(stage: Stage) -> None:
    wrong = []
    for exchange in chat_streams():
        answer = stage.answers[exchange.id]
        good = answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
        if not good or seen_events(answer.body) != expected_events(exchange):
            wrong.append(exchange.id)
    assert wrong == []


def test_requests_reach_the_provider_as_sent_but_for_model_and_usage(stage: Stage) -> None:
    wrong = []
    for exchange in EXCHANGES:
        sent = dict(exactly(json.dumps(exchange.client_body(f"replay/{exchange.id}"))))
        if sent.get("stream"):
            sent["stream_options"] = (*(p for p in sent.get("stream_options") or () if p[0] != "include_usage"),)
            sent["stream_options"] += (("include_usage", True),)
        if dict(exactly(stage.received[exchange.id].body)) != sent:
            wrong.append(exchange.id)
    assert wrong == []


def test_the_customers_key_never_reaches_the_provider(stage: Stage) -> None:
    """SEC-43: what authenticates at the gateway ends there."""
    leaked = [
        id_
        for id_, received in stage.received.items()
        if stage.gateway.key in repr(received) or "authorization" in received.headers
    ]
    assert leaked == []
    assert len(stage.received) == len(EXCHANGES)


# Recorded status: what the client sees (reliability 1.7): status, type, code. ANY takes the provider's own word.
REFUSALS: dict[int, tuple[int, Any, Any]] = {
    400: (400, ANY, ANY),
    401: (502, "server_error", "upstream_error"),
    404: (502, "server_error", "upstream_error"),
    429: (429, "requests", "rate_limit_exceeded"),
    500: (502, "server_error", "upstream_error"),
}


def test_refusals_follow_the_error_table(stage: Stage) -> None:
    """U-20 to U-24: the caller's fault is passed on, our credential's and the provider's own failures are not."""
    wrong = []
    for exchange in REFUSED:
        answer = stage.answers[exchange.id]
        error = answer.json()["error"]
        recorded = recorded_error(exchange)
        status, type_, code = REFUSALS[exchange.response.status]
        good = answer.status == status and list(answer.json()) == ["error"]
        good &= set(error) == {"message", "type", "param", "code"} and bool(error["message"])
        good &= error["type"] == (recorded.get("type") if type_ is ANY else type_)
        good &= error["code"] == (recorded.get("code") or "invalid_value" if code is ANY else code)
        if status == 400:
            good &= error["param"] == recorded.get("param")
        elif recorded.get("message"):
            good &= recorded["message"] not in answer.body.decode()
        if status == 429:
            good &= answer.headers["retry-after"].isdigit()
        if not good:
            wrong.append((exchange.id, exchange.response.status, answer))
    assert wrong == []


def recorded_error(exchange: Exchange) -> dict[str, Any]:
    """The provider's error object, or an empty one where it sent none."""
    error: dict[str, Any] = json.loads(exchange.response.body)["error"] if exchange.response.body.strip() else {}
    return error


def test_a_providers_key_in_an_error_text_is_not_shown(stage: Stage) -> None:
    """G56: whatever looks like a key or an address in a provider's text stays inside."""
    for exchange in REFUSED:
        body = stage.answers[exchange.id].body
        assert b"sk-fake" not in body, exchange.id
        assert b"https://" not in body, exchange.id


def test_U16_an_error_in_a_200_becomes_its_own_status(stage: Stage) -> None:
    answer = stage.answers["chat-222bddd27cdf"]
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["type"]) == (400, "content_policy_violation", "invalid_request_error")
    assert error["message"].startswith("The response was filtered due to the prompt")


@pytest.mark.parametrize(
    ("id_", "code"),
    [
        ("chat-17ebb042ce7e", "invalid_value"),
        ("chat-8ad36a08419f", "tool_use_failed"),
        ("chat-e02561207a68", "tool_use_failed"),
    ],
)
def test_U18_an_error_within_a_stream_ends_it(stage: Stage, id_: str, code: str) -> None:
    """What came before the failing event is delivered; the error is the last event and no `[DONE]` follows."""
    exchange = FAILED_IN_BAND[id_]
    answer = stage.answers[id_]
    recorded = sse.events(exchange.response.data)
    failing = next(at for at, event in enumerate(recorded) if event != "[DONE]" and event.get("error"))
    *before, last = sse.events(answer.body)
    assert answer.status == 200
    assert before == [{**event, "model": public(exchange)} for event in recorded[:failing]]
    assert set(last) == {"error"}
    assert (last["error"]["code"], last["error"]["message"]) == (code, recorded[failing]["error"]["message"])


def test_the_official_sdk_reads_the_gateways_answers_as_it_reads_the_recordings(stage: Stage) -> None:
    """The same SDK, once against the gateway and once against the recording provider itself."""
    gateway = OpenAI(base_url=stage.gateway.openai_base_url, api_key=stage.gateway.key, max_retries=0)
    provider = OpenAI(base_url=stage.provider.url, api_key="none", max_retries=0)

    def differs(exchange: Exchange) -> bool:
        theirs = parsed(provider, exchange, f"replay/{exchange.id}")
        if exchange.stream and not asked_for_usage(exchange):
            theirs = [chunk for chunk in theirs if not usage_only(chunk)]
        return parsed(gateway, exchange, public(exchange)) != theirs

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(differs, SUCCEEDED))
    assert [exchange.id for exchange, wrong in zip(SUCCEEDED, found, strict=True) if wrong] == []


def parsed(client: OpenAI, exchange: Exchange, model: str) -> list[dict[str, Any]]:
    """What the SDK makes of the answer: one object, or the chunks; without the model's name."""
    body = exchange.client_body(model)
    path = "/chat/completions"
    if exchange.stream:
        stream_type = Stream[ChatCompletionChunk]
        stream = client.post(path, body=body, cast_to=ChatCompletionChunk, stream=True, stream_cls=stream_type)
        objects: list[Any] = list(stream)
    else:
        objects = [client.post(path, body=body, cast_to=ChatCompletion)]
    return [found.model_dump(exclude={"model"}, warnings=False) for found in objects]


@pytest.mark.parametrize("id_", ["chat-17ebb042ce7e", "chat-8ad36a08419f", "chat-e02561207a68"])
def test_U18_the_official_sdk_raises_for_an_error_within_a_stream(stage: Stage, id_: str) -> None:
    gateway = OpenAI(base_url=stage.gateway.openai_base_url, api_key=stage.gateway.key, max_retries=0)
    with pytest.raises(openai.APIError):
        parsed(gateway, FAILED_IN_BAND[id_], public(FAILED_IN_BAND[id_]))


@pytest.mark.parametrize(
    ("split", "most_bytes"),
    [(replay.whole, 1 << 30), (replay.by_byte, 3_000), (replay.at_random(seed=7), 30_000)],
    ids=["whole", "bytes", "random"],
)
def test_T13_the_answer_does_not_depend_on_how_the_provider_cuts_its_writes(
    stage: Stage, split: replay.Split, most_bytes: int
) -> None:
    """Over real sockets; all streams byte by byte are tests/property/test_chat_stream.py."""
    chosen = [exchange for exchange in chat_streams() if len(exchange.response.data) <= most_bytes]
    assert len(chosen) > 50
    before, stage.provider.split = stage.provider.split, split
    try:
        answers = ask_all(stage.gateway, chosen)
    finally:
        stage.provider.split = before
    differ = [x.id for x, answer in answers if sse.data_of(answer.body) != sse.data_of(stage.answers[x.id].body)]
    assert differ == []
