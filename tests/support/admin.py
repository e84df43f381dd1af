"""A client of the admin API, over plain HTTP."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nexusflow.testing.gateway import Gateway, nexusflow
from tests.faults.raw import wait_until


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `body` is its JSON, or its text where it is none."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        """The error of a refusal, checked for its form."""
        assert list(self.body) == ["error"], self.body
        found: dict[str, Any] = self.body["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found


@dataclass(frozen=True, slots=True)
class Admin:
    """Speaks to the gateway at `url` with a key, or with none."""

    url: str
    key: str | None

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request to a path, from the root of the server."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=60)
        headers |= {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        plain = not found.get("content-type", "").startswith("application/json")
        return Reply(answer.status, found, text.decode() if plain else json.loads(text))

    def ask(self, method: str, path: str, **fields: Any) -> Reply:
        """One request below `/admin/v1`, with a JSON body of `fields` if there are any."""
        return self.send(method, f"/admin/v1{path}", json.dumps(fields).encode() if fields else None)

    def get(self, path: str) -> Any:
        """What must be there."""
        reply = self.ask("GET", path)
        assert reply.status == 200, reply.body
        return reply.body

    def post(self, path: str, **fields: Any) -> Any:
        """A change that must work."""
        reply = self.ask("POST", path, **fields)
        assert reply.status in (200, 201), reply.body
        return reply.body


def admin_of(gateway: Gateway, right: str = "write") -> Admin:
    """A client with a new key of the command line, once the gateway knows it."""
    made = nexusflow("keys", "create", "--name", f"{right}s", "--admin", right, "--quiet", root=gateway.root)
    assert made.returncode == 0, made.stderr
    found = Admin(gateway.url, made.stdout.strip())
    assert wait_until(lambda: found.ask("GET", "/audit").status == 200)
    return found


def admin_spec(port: int) -> str:
    """A gateway with two models of one provider, on a port of this machine."""
    model = {
        "owner": "test", "category": "language", "max_output_tokens": 1_000,
        "supported_protocols": ["openai/chat-completions"], "price": {"input": "2", "output": "8"},
        "lanes": [{"provider": "scripted", "model": "chat"}],
    }  # fmt: skip
    address = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    return json.dumps(
        {
            "version": 1,
            "gateway": {"name": "admin"},
            "providers": {"scripted": address},
            "models": {"chat": model, "other": model},
        }
    )
