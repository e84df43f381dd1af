"""The translation matrix: what each client's request becomes for each provider, and what each answer becomes back.

Requests: `<client>/<case>.json` is what a client sends; beside it, for each provider of another protocol, stands the
request that we send (`<case>.<provider>.json`) with what it lost (`<case>.<provider>.losses.json`, if anything), or our
refusal (`<case>.<provider>.refused.json`). Answers: `replies.json` names a recording for each case; the answer as a
client gets it is `replies/<provider>/<case>.<client>.json` or `.sse`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from nexusflow.ir.capabilities import Capabilities, Destination, ReasoningFlags
from nexusflow.ir.chat import Origin
from nexusflow.ir.errors import Problem, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS
from tests.support import bridge
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.support.corpus import Exchange, exchanges

ROOT = Path(__file__).resolve().parent
CLIENTS: dict[str, Origin] = {
    "openai-chat": CHAT,
    "openai-responses": RESPONSES,
    "anthropic-messages": MESSAGES,
    "gemini": GEMINI,
}
EVERYTHING = ("text", "image", "audio", "video", "file")
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Provider:
    """One model behind the gateway: its protocol and what it takes. `cases` limits an odd model to some cases."""

    protocol: Origin
    destination: Destination
    cases: tuple[str, ...] = ()


def _destination(model: str, family: str, **flags: Any) -> Destination:
    usual: dict[str, Any] = {"input": EVERYTHING, "max_output_tokens": 32_000, **flags}
    return Destination(model=model, family=family, capabilities=Capabilities(**usual))


PROVIDERS: dict[str, Provider] = {
    "openai-chat": Provider(
        CHAT,
        _destination(
            "gpt-6",
            "gpt",
            n_max=8,
            logprobs=True,
            stop_max=4,
            developer_role=True,
            system_parts=True,
            custom_tools=True,
            web_search=True,
            max_tokens_field="max_completion_tokens",
            cache="openai-breakpoints",
            service_tiers=("default", "flex", "priority"),
        ),
    ),
    "openai-compatible": Provider(
        CHAT,
        _destination(
            "kimi-3",
            "kimi",
            input=("text", "image"),
            stop_max=4,
            parallel_tools=False,
            reasoning=ReasoningFlags(shape="toggle", roundtrip=True),
            structured_output="json_object",
        ),
        (
            "system",
            "thinking",
            "effort",
            "format",
            "cache",
            "choice",
            "sampling",
            "not-parallel",
            "tools-answered",
            "pdf",
        ),
    ),
    "openai-responses": Provider(
        RESPONSES,
        _destination(
            "gpt-6",
            "gpt",
            logprobs=True,
            custom_tools=True,
            developer_role=True,
            web_search=True,
            cache="openai-breakpoints",
            service_tiers=("default", "flex", "priority"),
        ),
    ),
    "anthropic": Provider(
        MESSAGES,
        _destination(
            "claude-5",
            "claude",
            top_k=True,
            sampling=False,
            mid_system=True,
            web_search=True,
            default_max_tokens=8192,
            reasoning=ReasoningFlags(shape="adaptive", values=EFFORTS),
            cache="anthropic",
        ),
    ),
    "anthropic-budget": Provider(
        MESSAGES,
        _destination(
            "claude-4",
            "claude",
            top_k=True,
            mid_system=False,
            prefill=True,
            default_max_tokens=8192,
            reasoning=ReasoningFlags(shape="budget", legacy_budget=True),
            cache="anthropic",
        ),
        ("system", "thinking", "effort", "sampling", "prefill", "budget", "choice-required"),
    ),
    "gemini": Provider(
        GEMINI,
        _destination(
            "gemini-3-pro",
            "gemini",
            top_k=True,
            n_max=8,
            logprobs=True,
            function_response_media=True,
            web_search=True,
            code_execution=True,
            reasoning=ReasoningFlags(shape="level", values=("low", "medium", "high")),
            service_tiers=("default", "flex", "priority"),
        ),
    ),
    "gemini-budget": Provider(
        GEMINI,
        _destination(
            "gemini-2.5-flash",
            "gemini",
            top_k=True,
            penalties=False,
            image_url=False,
            json_schema_tools=False,
            reasoning=ReasoningFlags(shape="budget"),
        ),
        (
            "thinking",
            "effort",
            "budget",
            "sampling",
            "tool-schema",
            "format-schema",
            "tool-error-and-image",
            "image-url",
        ),
    ),
}


def requests() -> Iterator[tuple[str, str]]:
    """Every client's cases, by folder and name."""
    for client in CLIENTS:
        for path in sorted((ROOT / client).glob("*.json")):
            if "." not in path.stem:
                yield client, path.stem


def providers(client: str, case: str) -> Iterator[str]:
    """The providers that a case is translated for."""
    for name, provider in PROVIDERS.items():
        if provider.protocol != CLIENTS[client] and (not provider.cases or case.startswith(provider.cases)):
            yield name


def translated(client: str, case: str) -> dict[str, str]:
    """The golden files of one request: their paths under this folder, and their text."""
    body = (ROOT / client / f"{case}.json").read_bytes()
    return {
        f"{client}/{case}.{provider}.{kind}": text
        for provider in providers(client, case)
        for kind, text in _request(CLIENTS[client], PROVIDERS[provider], body).items()
    }


def _request(client: Origin, provider: Provider, body: bytes) -> dict[str, str]:
    losses = Losses()
    stream = client != GEMINI and bool(json.loads(body).get("stream"))
    try:
        call = DIALECTS[client].read_request.read(body, model=bridge.PUBLIC_MODEL, stream=stream)
        written = DIALECTS[provider.protocol].write_request.write(call, provider.destination, losses)
    except RequestRefused as refused:
        return {"refused.json": _refusal(refused.problem)}
    found = [[loss.action, loss.path, loss.detail] for loss in losses]
    return {"json": _pretty(written)} | ({"losses.json": _rows(found)} if found else {})


def replies() -> Iterator[tuple[str, str, str]]:
    """Every recorded answer of the matrix: provider, case, id."""
    for provider, cases in json.loads((ROOT / "replies.json").read_text()).items():
        for case, id_ in cases.items():
            yield provider, case, id_


def answered(provider: str, case: str, id_: str) -> dict[str, str]:
    """The golden files of one recorded answer."""
    folders = ("gemini-generate", "gemini-stream") if provider == "gemini" else (provider,)
    exchange = next(one for folder in folders for one in exchanges(folder) if one.id == id_)
    return {
        f"replies/{provider}/{case}.{name}.{kind}": text
        for name, client in CLIENTS.items()
        if name != provider
        for kind, text in _answer(CLIENTS[provider], client, exchange).items()
    }


def _answer(upstream: Origin, client: Origin, exchange: Exchange) -> dict[str, str]:
    if exchange.stream:
        events = bridge.read_stream(upstream, [exchange.response.data])
        return {"sse": bridge.write_stream(client, events).decode()}
    try:
        return {"json": _pretty(bridge.write_reply(client, bridge.read_reply(upstream, exchange.response.data)))}
    except RequestRefused as refused:
        return {"refused.json": _refusal(refused.problem)}


def everything() -> dict[str, str]:
    """All golden files."""
    found: dict[str, str] = {}
    for client, case in requests():
        found |= translated(client, case)
    for provider, case, id_ in replies():
        found |= answered(provider, case, id_)
    return found


def on_disk() -> set[str]:
    """The paths of all golden files that exist."""
    files = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.suffix in (".json", ".sse")]
    return {path.as_posix() for path in files if "." in path.stem or path.parts[0] == "replies"}


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=1).decode() + "\n"


def _rows(rows: list[list[str]]) -> str:
    return "[\n" + ",\n".join(" " + json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def _refusal(problem: Problem) -> str:
    shown = {"kind": problem.kind.value, "message": problem.message, "param": problem.param, "code": problem.code}
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"
