"""Parameters that a model does not take, on lanes where the bytes otherwise pass through (protocols 2.0.3, 2.1.6)."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.bridge_gateway import HELLO, UPSTREAMS, Bridged

TURNS: list[dict[str, Any]] = [{"role": "user", "content": HELLO}]
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": TURNS}),
    "responses": ("/v1/responses", {"input": HELLO, "store": False}),
    "messages": ("/v1/messages", {"messages": TURNS, "max_tokens": 5000}),
    "gemini": ("", {"contents": [{"parts": [{"text": HELLO}]}]}),
}


def post(bridged: Bridged, client: str, upstream: str, streams: bool = False, **more: Any) -> tuple[int, str, Any]:
    """Status, what the warnings' header says, and the body of an answer to a client of the protocol `client`."""
    path, body = FORMS[client]
    body = body | {"model": f"{upstream}/thinker"}
    config = {"temperature": more.pop("temperature", 0.7)}
    if client == "gemini":
        verb = "streamGenerateContent?alt=sse" if streams else "generateContent"
        path = f"/v1beta/models/{body.pop('model')}:{verb}"
        body = body | {"generation_config": config}
    else:
        body = body | config | ({"stream": True} if streams else {})
    address = urlsplit(bridged.gateway.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=30)
    headers = {"authorization": f"Bearer {bridged.gateway.key}", "content-type": "application/json", **more}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    return answer.status, answer.getheader("x-nexusflow-warnings") or "", said


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_sampling_that_a_model_does_not_take_is_dropped_on_every_lane_alike(
    bridged: Bridged, upstream: str, streams: bool
) -> None:
    """LangChain sends a temperature of 0.7 to whatever model it is given; the simulated one would refuse any."""
    for client in UPSTREAMS:
        status, warned, said = post(bridged, client, upstream, streams)
        assert status == 200, (client, said)
        assert warned == f"dropped={'generationConfig.' if client == 'gemini' else ''}temperature", client
        assert "temperature" not in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_temperature_without_effect_is_left_out_without_a_word(bridged: Bridged, upstream: str) -> None:
    for client in UPSTREAMS:
        status, warned, said = post(bridged, client, upstream, temperature=1)
        assert (status, warned) == (200, ""), (client, said)
        assert "temperature" not in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_strict_caller_is_refused_in_the_fields_own_name(bridged: Bridged, upstream: str) -> None:
    for client in UPSTREAMS:
        status, _, said = post(bridged, client, upstream, **{"x-nexusflow-strict": "true"})
        assert status == 400
        assert b"temperature" in said
