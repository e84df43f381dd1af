"""A plan's models made ready to serve: lanes bound to connection pools, headers and decoders prepared.

Built once per artifact when it goes live; every request afterwards is dictionary look-ups.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec
from msgspec import Raw

from nexusflow.ir.artifact import Artifact
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Origin
from nexusflow.ir.parameters import spelled
from nexusflow.ir.plan import Billing, Lane, Model, Price, Provider
from nexusflow.ir.quota import Fail
from nexusflow.limits.resolve import limits_on
from nexusflow.limits.rule import Limit
from nexusflow.pricing import price_id
from nexusflow.protocols.anthropic.headers import LATEST
from nexusflow.protocols.common.envelope import family_of
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.upstream import auth
from nexusflow.upstream.transport import Target, Transport, target
from nexusflow.wire import jsonedit

SIMULATOR = "simulator"
CHAT: Origin = "openai/chat-completions"
RESPONSES: Origin = "openai/responses"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One protocol of a lane: where its unary and its streamed calls go."""

    target: Target
    stream_target: Target


@dataclass(frozen=True, slots=True)
class ServedLane:
    """One lane that can be called now. Times are seconds.

    `upstreams` holds the chat protocols that the lane can be spoken to in; `usual` is the one of a translated call.
    `price` is None where calls cost nothing.
    """

    provider: Provider
    transport: Transport
    upstreams: dict[Origin, Upstream]
    usual: Origin
    destination: Destination
    base: str
    headers: dict[str, str]
    model: Raw
    connect: float
    first_byte: float
    idle: float
    total: float
    stream_total: float
    write_stall: float
    priority: int
    weight: int
    billing: Billing
    price: Price | None
    price_id: str | None
    limits: tuple[Limit, ...]
    """On what all callers together send this way."""
    targets: dict[str, Target] = field(default_factory=dict)

    def at(self, path: str) -> Target:
        """Another address of the same provider, for calls that are no chat; prepared on first use."""
        found = self.targets.get(path)
        if found is None:
            url = join(self.base, path)
            found = self.targets[path] = target(url, {**self.headers, "accept": "application/json"})
        return found


@dataclass(frozen=True, slots=True)
class Offer:
    """A model over one client protocol: its parameters in that protocol's spelling, and its request decoder."""

    model: Model
    decoder: msgspec.json.Decoder[Any]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One public model. `lanes` is empty when it is unavailable, and `reason` then says why, fit for a client."""

    model: Model
    raw_id: Raw
    offers: dict[str, Offer]
    lanes: tuple[ServedLane, ...]
    reason: str


class Upstreams(Protocol):
    """How to reach providers from this process."""

    def connect(self, provider: Provider) -> Transport: ...
    def base_url(self, provider: Provider) -> str: ...


ByName = dict[bytes, ServedModel]


def serve_models(artifact: Artifact, upstreams: Upstreams) -> ByName:
    """All models by the raw JSON spelling of each of their names, as `jsonedit` hands it over."""
    providers = {provider.id: provider for provider in artifact.plan.providers}
    prices = [(price, price_id(price)) for price in artifact.plan.prices]
    served: ByName = {}
    for model in artifact.plan.models:
        reasons = [readiness(lane, providers[lane.provider]) for lane in model.lanes]
        lanes = [
            _lane(lane, providers[lane.provider], upstreams, model, prices, artifact.plan.limits.fail)
            for lane, reason in zip(model.lanes, reasons, strict=True)
            if reason is None
        ]
        ready = ServedModel(
            model=model,
            raw_id=jsonedit.text(model.id),
            offers={
                protocol: Offer(respelled(model, protocol), artifact.decoders[at])
                for protocol, at in model.requests.items()
            },
            lanes=tuple(sorted(lanes, key=lambda one: one.priority)),
            reason="; ".join(dict.fromkeys(reason for reason in reasons if reason is not None)),
        )
        for name in (model.id, *model.aliases):
            served[bytes(jsonedit.text(name))] = ready
    return served


def respelled(model: Model, protocol: str) -> Model:
    """`model` with the parameters of its rules in the spelling of `protocol`; those it has not are left out."""
    if not (model.allowed or model.refused or model.defaults):
        return model
    return msgspec.structs.replace(
        model,
        allowed={own: values for name, values in model.allowed.items() if (own := spelled(protocol, name))},
        refused=tuple(own for name in model.refused if (own := spelled(protocol, name))),
        defaults={own: value for name, value in model.defaults.items() if (own := spelled(protocol, name))},
    )


def lacks_credential(provider: Provider) -> bool:
    """Whether it has to be told a secret that is not there."""
    return provider.credential is not None and auth.resolve(provider.credential) is None


def readiness(lane: Lane, provider: Provider) -> str | None:
    """None when the lane can be called, otherwise why it cannot, fit for a client."""
    if lane.protocol is None:
        return f"this version cannot reach provider `{provider.id}`, which speaks {provider.protocol}"
    return unproven(provider)


def unproven(provider: Provider) -> str | None:
    """None when the gateway has what the provider wants to see, otherwise what is missing, fit for a client."""
    if provider.credential is not None and lacks_credential(provider):
        kind = "environment variable" if provider.credential.source == "env" else "file"
        return f"the gateway has no credential for provider `{provider.id}` ({kind} {provider.credential.name})"
    return None


def _lane(
    lane: Lane, provider: Provider, upstreams: Upstreams, model: Model, prices: list[tuple[Price, str]], fail: Fail
) -> ServedLane:
    headers = {"content-type": "application/json", **headers_to(provider)}
    base = _base(lane.protocol, upstreams.base_url(provider))
    to = Destination(model=lane.model, family=family_of(lane.model), capabilities=lane.capabilities)
    protocols = spoken(lane)
    times = lane.timeouts
    at = lane.price if lane.price is not None else model.price
    price, ident = prices[at] if at is not None and not model.free else (None, None)
    return ServedLane(
        provider=provider,
        transport=upstreams.connect(provider),
        upstreams={protocol: _upstream(protocol, to, base, headers) for protocol in protocols},
        usual=protocols[0],
        destination=to,
        base=base,
        headers=headers,
        model=jsonedit.text(lane.model),
        connect=times.connect_ms / 1000,
        first_byte=times.first_byte_ms / 1000,
        idle=times.idle_ms / 1000,
        total=times.total_ms / 1000,
        stream_total=times.stream_total_ms / 1000,
        write_stall=times.write_stall_ms / 1000,
        priority=lane.priority,
        weight=lane.weight,
        billing=model.billing or provider.billing,
        price=price,
        price_id=ident,
        limits=limits_on("deployment", f"{provider.id}/{lane.model}", lane.quota, fail),
    )


def headers_to(provider: Provider) -> dict[str, str]:
    """What every request to a provider says: who asks, in its own way of proving that, and what it wants beside."""
    secret = auth.resolve(provider.credential) if provider.credential else None
    return {
        "accept-encoding": "identity",
        "user-agent": "nexusflow",
        **{name.lower(): value for name, value in provider.headers.items()},
        **auth.headers(provider.auth, secret),
    }


def probe_target(provider: Provider, path: str, upstreams: Upstreams) -> Target:
    """A GET of `path` below a provider's address, which nobody is charged for."""
    base = _base(provider.protocol, upstreams.base_url(provider))
    version = {"anthropic-version": LATEST} if provider.protocol == "anthropic/messages" else {}
    return target(join(base, path), {"accept": "application/json", **version, **headers_to(provider)}, "GET")


def _base(protocol: str | None, url: str) -> str:
    return url.rstrip("/") + "/v1" if protocol == SIMULATOR and not url.rstrip("/").endswith("/v1") else url


def spoken(lane: Lane) -> tuple[Origin, ...]:
    """The chat protocols of a lane, the usual one first (protocols 2.9 for OpenAI's two)."""
    if lane.protocol == SIMULATOR:
        return tuple(DIALECTS)
    if lane.protocol != CHAT or lane.capabilities.openai_api == "chat":
        return (cast(Origin, lane.protocol),)
    return (RESPONSES, CHAT) if lane.capabilities.openai_api == "responses" else (CHAT, RESPONSES)


def _upstream(protocol: Origin, to: Destination, base: str, headers: dict[str, str]) -> Upstream:
    path = DIALECTS[protocol].write_request.path
    return Upstream(
        target=target(join(base, path(to, stream=False)), {**headers, "accept": "application/json"}),
        stream_target=target(join(base, path(to, stream=True)), {**headers, "accept": "text/event-stream"}),
    )


def join(base: str, path: str) -> str:
    """A provider's address and a path below it, with the version named once.

    OpenAI's addresses end in their version (`https://host/v1`), the others' are bare hosts and their paths begin with
    it; a base address that was written in the other manner still works.
    """
    base = base.rstrip("/")
    head, _, last = base.rpartition("/")
    if path.startswith(("/v1/", "/v1beta/")) and last in ("v1", "v1beta"):
        return head + path
    return base + path
