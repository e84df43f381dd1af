"""One gateway for all pairs of protocols: four providers, one of each protocol, all of them one simulator.

A model's name is its provider's and the simulated model's behind it: `gemini/thinker` is the simulator's `thinker`
reached over Google's protocol. All chat models are offered over all four protocols.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.simulator import received, running_simulator
from tests.support.drive import spec

PROTOCOLS = {
    "chat": "openai/chat-completions",
    "responses": "openai/responses",
    "messages": "anthropic/messages",
    "gemini": "google/generate-content",
}
"""Providers by their id, and what each speaks."""

UPSTREAMS = tuple(PROTOCOLS)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG image of one pixel, in base64."""

PDF = "JVBERi0xLjQKJXNpbXVsYXRlZAo="
"""What a PDF begins with, in base64."""

HELLO = "Hello wörld 漢字"
SAID = f"[simulated] You said: {HELLO}."
"""What the simulated model answers to `HELLO`."""

THOUGHT = "[simulated] The user asks; I echo."
"""What it thinks, word for word."""

STATE = "CnNpb"
"""How the simulator's opaque state begins, in base64."""

FAULTS = (
    "429",
    "500",
    "503",
    "401",
    "400",
    "403",
    "413",
    "504",
    "529",
    "402",
    "policy",
    "html",
    "empty",
    "error-200",
    "error-first",
    "error-event",
    "truncate",
    "cut",
    "malformed",
    "framing",
    "no-usage",
)
FAILURES = {
    "429": 429,
    "500": 502,
    "503": 503,
    "529": 503,
    "401": 502,
    "403": 502,
    "400": 400,
    "413": 413,
    "504": 504,
    "policy": 400,
    "html": 502,
    "empty": 502,
    "error-200": 503,
    "error-first": 503,
}
"""What a caller gets for each way in which a provider refuses; 503 is 529 in Anthropic's protocol (1.10.2)."""

BROKEN_OFF = ("error-event", "truncate", "cut", "malformed")
"""The faults that strike a stream which has begun."""

_EFFORTS = ["low", "medium", "high", "xhigh", "max"]
_EFFORT = {"shape": "effort", "values": _EFFORTS, "always_on": True}
_OPENAI = {"sampling": False, "penalties": False, "max_tokens_field": "max_completion_tokens", "n_max": 1}
THINKER: dict[str, dict[str, Any]] = {
    "chat": {**_OPENAI, "reasoning": {**_EFFORT, "roundtrip": True}},
    "responses": {**_OPENAI, "reasoning": _EFFORT},
    "messages": {"sampling": False, "reasoning": {"shape": "adaptive", "values": _EFFORTS, "always_on": True}},
    "gemini": {"sampling": False, "reasoning": {"shape": "level", "values": _EFFORTS[:4], "always_on": True}},
}
"""What the simulator's newest model takes, over each protocol."""

AUTO = {**_OPENAI, "openai_api": "auto", "reasoning": {"shape": "effort", "values": ["none", *_EFFORTS[:4]]}}
"""A model that OpenAI serves over both of its protocols, and takes functions on Chat only while it does not think."""


@dataclass(frozen=True, slots=True)
class Bridged:
    """The running pair. `other_key` is of another customer; `simulator` is the provider's address."""

    gateway: Gateway
    other_key: str
    simulator: str

    def last(self) -> dict[str, Any]:
        """The request that reached the provider last."""
        return received(self.simulator)[-1]


def model(upstream: str, name: str, **more: Any) -> dict[str, Any]:
    """A chat model of the spec over all four protocols."""
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": list(PROTOCOLS.values()),
        "input": ["text", "image", "file"],
        "free": True,
        "lanes": [{"provider": upstream, "model": name}],
        **more,
    }


def embedding(upstream: str) -> dict[str, Any]:
    """An embedding model of the spec."""
    offered = {"category": "embedding", "supported_protocols": ["openai/embeddings"], "output": ["embedding"]}
    return {**model(upstream, "embedding"), **offered, "input": ["text"]}


def models() -> dict[str, dict[str, Any]]:
    """The whole catalogue."""
    found: dict[str, dict[str, Any]] = {}
    for upstream, protocol in PROTOCOLS.items():
        found[f"{upstream}/chat"] = model(upstream, "chat", aliases=[f"{upstream}-alias"])
        found[f"{upstream}/thinker"] = model(upstream, "thinker", capabilities=THINKER[upstream])
        found[f"{upstream}/only"] = model(upstream, "chat", supported_protocols=[protocol])
        found[f"{upstream}/reject"] = model(upstream, "chat", on_loss="reject")
        found[f"{upstream}/allow"] = model(upstream, "chat", on_loss="allow")
        for name in ("refusing", "filtered", "blocked"):
            found[f"{upstream}/{name}"] = model(upstream, name)
        for fault in FAULTS:
            found[f"{upstream}/{fault}"] = model(upstream, f"fault-{fault}")
    found["messages/redacted"] = model("messages", "thinker@redacted=true", capabilities=THINKER["messages"])
    found["chat/both"] = model("chat", "thinker-tools", capabilities=AUTO)
    found |= {f"{upstream}/embedding": embedding(upstream) for upstream in ("chat", "responses", "gemini")}
    return found


@contextmanager
def running_bridge(root: Path) -> Iterator[Bridged]:
    """Start both, with two customers' keys; stop them on leaving."""
    with running_simulator() as address:
        bases = {"chat": f"{address}/v1", "responses": f"{address}/v1", "messages": address, "gemini": address}
        providers = {
            upstream: {"protocol": protocol, "base_url": bases[upstream], "simulated": True}
            for upstream, protocol in PROTOCOLS.items()
        }
        with running_gateway(spec(models(), providers), root) as gateway:
            other = nexusflow("keys", "create", "--name", "other", "--quiet", root=root)
            assert other.returncode == 0, other.stderr
            yield Bridged(gateway, other.stdout.strip(), address)
