"""One gateway and one scripted provider for the whole fault suite: whatever a test does, the next must be served."""

import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nexusflow.testing.faulty import Provider, Script, running
from nexusflow.testing.gateway import Gateway, running_gateway
from tests.faults.certificate import Identity, RsaKey, certificate, server_context
from tests.faults.raw import Answer, Connection, chat, request
from tests.faults.scripts import EARLY, SCRIPTS, TIMEOUTS

PROVIDER_KEY = "sk-provider-0123456789abcdef"
BODY_TIMEOUT_SECONDS = 2
TRUST = "SSL_CERT_FILE"
CERTIFICATES = (
    Identity("good"),
    Identity("unknown"),
    Identity("expired", days=-1),
    Identity("wrong-name", address="127.0.0.2"),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """The gateway under test and the provider behind it."""

    gateway: Gateway
    provider: Provider

    def connect(self, **options: Any) -> Connection:
        """A fresh connection to the gateway."""
        return Connection(self.gateway.url, **options)

    def request(self, body: bytes, **changes: Any) -> bytes:
        """An authorised request."""
        return request(self.gateway.key, body, **changes)

    def ask(self, body: bytes, **changes: Any) -> Answer:
        """One authorised request over a connection of its own."""
        with self.connect() as connection:
            connection.send(self.request(body, **changes))
            return connection.answer()

    def call(self, name: str, *, stream: bool = False, **fields: Any) -> Answer:
        """A chat with the model whose provider follows the script `name`."""
        return self.ask(chat(f"fault/{name}", **({"stream": True} if stream else {}), **fields))


def model(provider: str, name: str, **more: Any) -> dict[str, Any]:
    """One free chat model of the spec; `timeouts` are its lane's."""
    lane: dict[str, Any] = {"provider": provider, "model": name}
    if name in TIMEOUTS:
        lane["timeouts"] = TIMEOUTS[name]
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": ["openai/chat-completions"],
        "free": True,
        "lanes": [lane],
        **more,
    }


def spec(port: int, closed: int, full: int, tls: dict[str, int]) -> str:
    """The gateway.yaml: one model for each script, one for each address at which nobody answers as he should."""

    def provider(url: str, **more: Any) -> dict[str, Any]:
        credential = {"credential": {"env": "FAULT_PROVIDER_KEY"}}
        return {"protocol": "openai/chat-completions", "base_url": url, **credential, **more}

    models = {f"fault/{name}": model("scripted", name) for name in SCRIPTS}
    models["fault/u01"] = model("refused", "u01")
    models["fault/u02"] = model("full", "u02")
    models["fault/u03"] = model("nameless", "u03")
    models["fault/u04-plain"] = model("plain", "u04")
    models |= {f"fault/u04-{name}": model(name, "u04") for name in tls}
    models["fault/u28-early"] = model("early", "u28")
    models["bounded"] = model("scripted", "chat", max_output_tokens=100, input=["text", "image"])
    models["strict"] = model("scripted", "chat", unknown_params="reject")
    return json.dumps(
        {
            "version": 1,
            "gateway": {"name": "faults", "request": {"body_timeout_seconds": BODY_TIMEOUT_SECONDS}},
            "providers": {
                "scripted": provider(f"http://127.0.0.1:{port}/v1"),
                "refused": provider(f"http://127.0.0.1:{closed}/v1"),
                "full": provider(f"http://127.0.0.1:{full}/v1", timeouts={"connect_seconds": 0.5}),
                "nameless": provider("http://no-such-host.invalid/v1", allow_http=True),
                "early": provider(f"http://127.0.0.1:{port}/early"),
                "plain": provider(f"https://127.0.0.1:{port}/v1"),
                **{name: provider(f"https://127.0.0.1:{tls_port}/v1") for name, tls_port in tls.items()},
            },
            "models": models,
        }
    )


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can begin to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: what is sent to it is dropped, as by a black hole."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for one in waiting:
                one.close()


def with_port(scripts: dict[str, Script], port: int) -> dict[str, Script]:
    """The scripts with the provider's own port where a redirect names it."""
    return {
        name: [step.replace(b"{port}", str(port).encode()) if isinstance(step, bytes) else step for step in script]
        for name, script in scripts.items()
    }


@contextmanager
def tls_providers(root: Path) -> Iterator[dict[str, int]]:
    """Providers behind TLS: the port of each by its certificate. `root/trusted.pem` gets all but the unknown one."""
    key = RsaKey()
    pems = {identity.name: certificate(key, identity) for identity in CERTIFICATES}
    (root / "trusted.pem").write_text("".join(pem for name, pem in pems.items() if name != "unknown"))
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running({"u04": SCRIPTS["chat"]}, server_context(root / f"{name}.pem", key, pem))
            ).port
            for name, pem in pems.items()
        }


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The gateway and its provider."""
    root = tmp_path_factory.mktemp("faults")
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(running(SCRIPTS, early=EARLY))
        provider.scripts.update(with_port(SCRIPTS, provider.port))
        closed, full = stack.enter_context(closed_port()), stack.enter_context(full_port())
        environ = {"FAULT_PROVIDER_KEY": PROVIDER_KEY, TRUST: str(root / "trusted.pem")}
        tls = stack.enter_context(tls_providers(root))
        text = spec(provider.port, closed, full, tls)
        yield Stage(stack.enter_context(running_gateway(text, root, environ=environ)), provider)


@pytest.fixture(autouse=True)
def served_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every fault the gateway serves the next request, in the same worker, without an unexpected exception."""
    yield
    if "stage" not in request.fixturenames:  # has a gateway of its own
        return
    stage: Stage = request.getfixturevalue("stage")
    answer = stage.call("chat")
    assert (answer.status, answer.complete) == (200, True), answer
    assert stage.gateway.process.poll() is None
    log = stage.gateway.log.read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
    assert "restart" not in log.lower() or "respawn" not in log.lower()
