"""A gateway whose gateway.yaml changes while it serves, in front of a scripted provider."""

import hashlib
import http.client
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nexusflow.testing.faulty import END, STREAM_HEAD, Act, Pace, Provider, running, unary
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.faults.provider import COMPLETION, DONE, TICK, delta, event
from tests.faults.raw import Answer, Connection, chat, request

HELLO = event(choices=delta("Hello ", role="assistant"))
STOP = event(choices=delta(finish="stop"))


@dataclass(frozen=True, slots=True)
class Stage:
    """The gateway, its provider, and the signal that ends the provider's long stream."""

    gateway: Gateway
    provider: Provider
    enough: threading.Event

    def ask(self, body: bytes, **changes: Any) -> Answer:
        """One request over a connection of its own."""
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, body, **changes))
            return connection.answer()

    def get(self, path: str) -> Any:
        """A JSON answer, whatever its status."""
        return json.loads(self.ask(b"", method="GET", path=path).body)

    def models(self) -> set[str]:
        """The names in the catalogue."""
        return {card["id"] for card in self.get("/v1/models")["data"]}

    def open_stream(self, connection: Connection, model: str) -> None:
        """Begin a stream and wait for its first event."""
        connection.send(request(self.gateway.key, chat(model, stream=True)))
        connection.read_until(b"\r\n\r\n")
        connection.read_until(b"Hello")

    def rebuild(self, text: str) -> str:
        """Change gateway.yaml, build, and return the new artifact's folder."""
        (self.gateway.root / "gateway.yaml").write_text(text)
        built = self.gateway.build()
        assert built.returncode == 0, built.stdout + built.stderr
        return (self.gateway.root / "build" / "current").resolve().name


@contextmanager
def staged(root: Path, *, workers: int = 1, **gateway: Any) -> Iterator[Stage]:
    """A running stage; `gateway` are settings of the gateway section."""
    enough = threading.Event()
    scripts = {
        "chat": (unary(COMPLETION),),
        "late": (1.0, unary(COMPLETION)),
        "long": (STREAM_HEAD, HELLO, Pace(enough, TICK), STOP, DONE, END),
        "endless": (STREAM_HEAD, HELLO, Act.HANG),
    }
    with running(scripts) as provider:
        text = spec(provider.port, {name: name for name in scripts}, **gateway)
        with running_gateway(text, root, workers=workers) as served:
            yield Stage(served, provider, enough)


def spec(provider_port: int, models: dict[str, str], **gateway: Any) -> str:
    """A gateway.yaml with these models by the script that serves each."""
    provider = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{provider_port}/v1"}
    shared = {
        "owner": "test",
        "category": "language",
        "supported_protocols": ["openai/chat-completions"],
        "free": True,
    }
    return json.dumps(
        {
            "version": 1,
            "gateway": {"name": "swap", **gateway},
            "providers": {"scripted": provider},
            "models": {
                name: {**shared, "lanes": [{"provider": "scripted", "model": script}]}
                for name, script in models.items()
            },
        }
    )


@dataclass(slots=True)
class Load:
    """Clients that call one model without a pause until stopped; anything but a 200 is a failure."""

    url: str
    key: str
    served: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, *, keep_alive: int, fresh: int) -> Iterator["Load"]:
        """As many clients of either kind: one connection for all calls, or one for each."""
        kinds = [True] * keep_alive + [False] * fresh
        threads = [threading.Thread(target=self._call, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _call(self, keep_alive: bool) -> None:
        address = urlsplit(self.url)
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        while not self.stop.is_set():
            try:
                connection.request("POST", "/v1/chat/completions", chat("chat"), headers)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or json.loads(body)["model"] != "chat":
                    self.failures.append(f"{response.status} {body!r}")
                self.served += 1
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keep_alive:
                connection.close()
        connection.close()


# Damage, done to a copy of an artifact so that the original can be made current again.


def copy_artifact(build: Path, source: str, name: str) -> Path:
    """A second, still intact artifact folder."""
    target = build / name
    shutil.copytree(build / source, target)
    return target


def make_current(build: Path, name: str) -> None:
    """Flip the link as `build` does, but without its checks."""
    link = build / ".link"
    link.symlink_to(name, target_is_directory=True)
    os.replace(link, build / "current")


def rehash(artifact: Path, **changes: Any) -> None:
    """Make the manifest fit the files as they are now, as an attacker or a broken build would."""
    file = artifact / "manifest.json"
    manifest = json.loads(file.read_text())
    for name in manifest["files"]:
        manifest["files"][name] = "sha256:" + hashlib.sha256((artifact / name).read_bytes()).hexdigest()
    file.write_text(json.dumps({**manifest, **changes}))


def add_key(gateway: Gateway, name: str) -> str:
    """A new key, made by the command line."""
    made = nexusflow("keys", "create", "--name", name, "--quiet", root=gateway.root)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
