"""A provider that codes its answers with gzip, behind a client of another protocol."""

from collections.abc import Iterator

import pytest

from nexusflow.testing.gateway import Gateway, running_gateway
from tests.support import canonical, replay
from tests.support.corpus import exchanges
from tests.support.drive import Answer, Caller, chat_model, spec

FOLDER = "anthropic-messages"
RECORDED = [one for one in exchanges(FOLDER) if one.succeeded]
STREAM = next(one for one in RECORDED if one.stream and "tool_call" in one.features)
WHOLE = next(one for one in RECORDED if not one.stream and "tool_call" in one.features)
REFUSED = next(one for one in exchanges(FOLDER) if one.response.status == 404)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of a provider that replays the three, coded, in small pieces."""
    chosen = (STREAM, WHOLE, REFUSED)
    with replay.replaying(chosen, split=replay.at_random(3)) as provider:
        provider.gzip = True
        models = {one.id: chat_model("coded", f"replay/{one.id}") for one in chosen}
        providers = {"coded": {"protocol": "anthropic/messages", "base_url": provider.url}}
        with running_gateway(spec(models, providers), tmp_path_factory.mktemp("coded")) as running:
            yield running


def asked(gateway: Gateway, model: str, *, stream: bool) -> Answer:
    """The gateway's answer to a chat request."""
    caller = Caller(gateway.url, gateway.key)
    options = {"stream_options": {"include_usage": True}} if stream else {}
    try:
        messages = [{"role": "user", "content": "Hi"}]
        return caller.chat({"model": model, "messages": messages, "stream": stream, **options})
    finally:
        caller.close()


def test_T14_a_coded_stream_is_decoded_and_passed_on_plain(gateway: Gateway) -> None:
    answer = asked(gateway, STREAM.id, stream=True)
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert canonical.read_stream(canonical.CHAT, answer.body) == canonical.read(STREAM)


def test_T14_a_coded_answer_is_decoded_and_passed_on_plain(gateway: Gateway) -> None:
    answer = asked(gateway, WHOLE.id, stream=False)
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert canonical.read_body(canonical.CHAT, answer.json()) == canonical.read(WHOLE)


def test_T107_a_translated_error_has_its_own_length_and_no_coding(gateway: Gateway) -> None:
    answer = asked(gateway, REFUSED.id, stream=False)
    assert answer.status >= 400
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert set(answer.json()) == {"error"}
