"""A gateway in front of simulated studios, and a client of its images, videos and tasks."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.support.drive import Answer
from tests.support.studio import Upstream, listening

BASES = {
    "openai/chat-completions": "/v1",
    "google/generate-content": "",
    "replicate/predictions": "/v1",
    "fal/queue": "",
    "dashscope/tasks": "/api/v1",
    "kling/videos": "/v1",
    "minimax/videos": "/v1",
    "xai/videos": "/v1",
    "zhipu/videos": "/api/paas/v4",
}
"""By protocol of a provider: where the simulator has it."""
AUTHS = {"google/generate-content": "x-goog-api-key", "fal/queue": "key", "kling/videos": "kling-jwt"}
NO_SIGNS = ("replicate/predictions", "fal/queue")
"""Whose models are `owner/name`, without an `@`."""
SECRET = "STUDIO_KEY"
PATIENCE_S = 60.0
OVER = frozenset(("succeeded", "failed", "cancelled", "unknown", "completed"))


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway and the simulator behind it."""

    gateway: Gateway
    upstream: Upstream

    @property
    def client(self) -> "Client":
        """The customer that every gateway of tests has."""
        return Client(self.gateway.url, self.gateway.key)

    def run(self, *arguments: str) -> str:
        """What a command printed; one that fails is a failure."""
        done = nexusflow(*arguments, root=self.gateway.root)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def customer(self, name: str, *arguments: str) -> "Client":
        """Somebody with a key of their own, once the gateway knows it."""
        client = Client(self.gateway.url, self.run("keys", "create", "--name", name, *arguments, "--quiet"))
        wait_until(lambda: client.get("/v1/tasks").status != 401)
        return client


@dataclass(frozen=True, slots=True)
class Client:
    """Plain HTTP with a key, or with none."""

    url: str
    key: str | None

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request. `path` may be a whole address; a body that is no bytes is sent as JSON."""
        base, wanted = urlsplit(self.url), urlsplit(path)
        connection = http.client.HTTPConnection(base.hostname or "", base.port or 80, timeout=PATIENCE_S)
        lines = {"content-type": "application/json"} if body is not None else {}
        lines |= {"authorization": f"Bearer {self.key}"} if self.key is not None else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        target = f"{wanted.path}?{wanted.query}" if wanted.query else wanted.path
        try:
            connection.request(method, target, data, {**lines, **(headers or {})})
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """`GET` of it."""
        return self.ask("GET", path, headers=headers)

    def create(self, headers: Mapping[str, str] | None = None, **fields: Any) -> Answer:
        """`POST /v1/tasks`."""
        return self.ask("POST", "/v1/tasks", {"prompt": "A cat", **fields}, headers)

    def made(self, **fields: Any) -> dict[str, Any]:
        """The task of a creation that must be accepted."""
        found = self.create(**fields)
        assert found.status == 202, found.body
        task: dict[str, Any] = found.json()
        return task

    def task(self, id_: str) -> dict[str, Any]:
        """A task that must be there."""
        found = self.get(f"/v1/tasks/{id_}")
        assert found.status == 200, found.body
        task: dict[str, Any] = found.json()
        return task

    def until(self, id_: str, *states: str) -> dict[str, Any]:
        """The task, once it is in one of `states`, or at an end where none are named."""
        wanted = frozenset(states) or OVER
        wait_until(lambda: self.task(id_)["status"] in wanted)
        return self.task(id_)


def wait_until(condition: Callable[[], object]) -> None:
    """Return once it holds. Fails where it does not come to hold."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, "it did not come to hold"
        time.sleep(0.1)


def error(answer: Answer) -> dict[str, Any]:
    """The error of a refusal, checked for its form."""
    body = answer.json()
    assert list(body) == ["error"], body
    found: dict[str, Any] = body["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return found


def provider(protocol: str, upstream: Upstream) -> dict[str, Any]:
    """A provider of the spec that is the simulator."""
    return {
        "protocol": protocol,
        "base_url": upstream.url + BASES[protocol],
        "auth": AUTHS.get(protocol, "bearer"),
        "credential": {"env": SECRET},
    }


def lane(protocol: str, kind: str, *options: str) -> dict[str, str]:
    """A lane to the simulator's own model of a kind; `options` as in `seconds=1`."""
    if protocol in NO_SIGNS:
        said = "".join(f"--{option.replace('=', '-')}" for option in options)
        return {"provider": named(protocol), "model": f"simulated/{kind}{said}"}
    return {"provider": named(protocol), "model": kind + (f"@{','.join(options)}" if options else "")}


def named(protocol: str) -> str:
    """The id of the provider of a protocol."""
    return protocol.partition("/")[0]


def image_model(*lanes: Mapping[str, str], media: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A model of the spec that makes images."""
    return {
        "owner": "test", "category": "image", "output": ["image"], "input": ["text", "image"],
        "supported_protocols": ["openai/image-generations", "nexusflow/tasks"],
        "media": {"mode": "sync", "n_max": 4, "references_max": 4, **(media or {})},
        **({} if more.get("free") else {"price": {"per_image": "0.03"}}), "lanes": list(lanes), **more,
    }  # fmt: skip


def video_model(*lanes: Mapping[str, str], media: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A model of the spec that makes videos."""
    rates = [{"resolution": "720P", "per_second": "0.1"}, {"resolution": "1080P", "per_second": "0.2"}]
    duration = {"min": 3, "max": 15, "default": 5}
    return {
        "owner": "test", "category": "video", "output": ["video"], "input": ["text", "image"],
        "supported_protocols": ["nexusflow/tasks"],
        "media": {"mode": "async", "resolutions": ["720P", "1080P"], "duration_seconds": duration, **(media or {})},
        **({} if more.get("free") else {"price": {"video_seconds": rates}}), "lanes": list(lanes), **more,
    }  # fmt: skip


@contextmanager
def staged(
    root: Path,
    protocols: Sequence[str],
    models: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    **top: Any,
) -> Iterator[Stage]:
    """A gateway with these models over the simulator, which speaks each of `protocols`; `top` as in gateway.yaml."""
    with listening() as upstream:
        providers = {named(one): provider(one, upstream) for one in protocols} | top.pop("providers", {})
        document = {"version": 1, "providers": providers, "models": dict(models), **top}
        with running_gateway(json.dumps(document), root, environ={SECRET: "none", **(environ or {})}) as gateway:
            yield Stage(gateway, upstream)
