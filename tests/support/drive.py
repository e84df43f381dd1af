"""Driving a gateway from a test: one gateway in front of one provider, and plain HTTP calls to it."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Caller:
    """A keep-alive connection to a gateway with a customer key."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def chat(self, body: dict[str, Any]) -> Answer:
        """POST a chat request and read the answer to its end."""
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def spec(models: dict[str, dict[str, Any]], providers: dict[str, dict[str, Any]]) -> str:
    """The text of a gateway.yaml with these models and providers; JSON is YAML."""
    return json.dumps({"version": 1, "gateway": {"name": "test"}, "providers": providers, "models": models})


def chat_model(provider: str, upstream: str, **more: Any) -> dict[str, Any]:
    """A model of the spec: free, over the chat protocol, with one lane."""
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": ["openai/chat-completions"],
        "free": True,
        "lanes": [{"provider": provider, "model": upstream}],
        **more,
    }


def chat_provider(base_url: str) -> dict[str, Any]:
    """A provider of the spec that speaks the chat protocol at `base_url` and needs no key."""
    return {"protocol": "openai/chat-completions", "base_url": base_url}
