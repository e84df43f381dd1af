"""A plan's models made ready to serve: lanes bound to connection pools, headers and decoders prepared.

Built once per artifact when it goes live; every request afterwards is dictionary look-ups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from nexusflow.ir.plan import Lane, Model, Plan, Provider
from nexusflow.upstream import auth
from nexusflow.upstream.transport import Target, Transport, target
from nexusflow.wire import jsonedit


@dataclass(frozen=True, slots=True)
class ServedLane:
    """One lane that can be called now. Times are seconds."""

    provider: Provider
    transport: Transport
    target: Target
    stream_target: Target
    model: Raw
    connect: float
    first_byte: float
    idle: float
    total: float
    stream_total: float
    write_stall: float
    priority: int
    weight: int


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One public model. `lanes` is empty when it is unavailable, and `reason` then says why, fit for a client."""

    model: Model
    raw_id: Raw
    decoder: msgspec.json.Decoder[Any] | None
    lanes: tuple[ServedLane, ...]
    reason: str


class Upstreams(Protocol):
    """How to reach providers from this process."""

    def connect(self, provider: Provider) -> Transport: ...
    def base_url(self, provider: Provider) -> str: ...


ByName = dict[bytes, ServedModel]


def serve_models(plan: Plan, path: str, decoders: Sequence[msgspec.json.Decoder[Any]], upstreams: Upstreams) -> ByName:
    """All models by the raw JSON spelling of each of their names, as `jsonedit` hands it over."""
    providers = {provider.id: provider for provider in plan.providers}
    served: ByName = {}
    for model in plan.models:
        reasons = [readiness(lane, providers[lane.provider]) for lane in model.lanes]
        lanes = [
            _lane(lane, providers[lane.provider], path, upstreams)
            for lane, reason in zip(model.lanes, reasons, strict=True)
            if reason is None
        ]
        ready = ServedModel(
            model=model,
            raw_id=jsonedit.text(model.id),
            decoder=decoders[model.request] if model.request is not None else None,
            lanes=tuple(sorted(lanes, key=lambda one: one.priority)),
            reason="; ".join(dict.fromkeys(reason for reason in reasons if reason is not None)),
        )
        for name in (model.id, *model.aliases):
            served[bytes(jsonedit.text(name))] = ready
    return served


def readiness(lane: Lane, provider: Provider) -> str | None:
    """None when the lane can be called, otherwise why it cannot, fit for a client."""
    if lane.bridge != "identity":
        return f"this version cannot reach provider `{provider.id}`, which speaks {provider.protocol}"
    if provider.credential is not None and auth.resolve(provider.credential) is None:
        kind = "environment variable" if provider.credential.source == "env" else "file"
        return f"the gateway has no credential for provider `{provider.id}` ({kind} {provider.credential.name})"
    return None


def _lane(lane: Lane, provider: Provider, path: str, upstreams: Upstreams) -> ServedLane:
    secret = auth.resolve(provider.credential) if provider.credential else None
    headers = {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "nexusflow",
        **{name.lower(): value for name, value in provider.headers.items()},
        **auth.headers(provider.auth, secret),
    }
    url = upstreams.base_url(provider).rstrip("/") + path
    times = lane.timeouts
    return ServedLane(
        provider=provider,
        transport=upstreams.connect(provider),
        target=target(url, {**headers, "accept": "application/json"}),
        stream_target=target(url, {**headers, "accept": "text/event-stream"}),
        model=jsonedit.text(lane.model),
        connect=times.connect_ms / 1000,
        first_byte=times.first_byte_ms / 1000,
        idle=times.idle_ms / 1000,
        total=times.total_ms / 1000,
        stream_total=times.stream_total_ms / 1000,
        write_stall=times.write_stall_ms / 1000,
        priority=lane.priority,
        weight=lane.weight,
    )
