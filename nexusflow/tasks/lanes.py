"""Where tasks can be sent: the lanes of an artifact whose providers make images or videos, bound to connections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nexusflow.flow.served import Upstreams, join, unproven
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.plan import Lane, Model, Price, Provider
from nexusflow.ir.secret import Secret
from nexusflow.ir.task import MediaType
from nexusflow.limits.resolve import limits_on
from nexusflow.limits.rule import Limit
from nexusflow.pricing import price_id
from nexusflow.protocols.common.envelope import family_of
from nexusflow.protocols.makers.maker import Maker, Request
from nexusflow.protocols.makers.registry import maker_for
from nexusflow.upstream import auth
from nexusflow.upstream.transport import Target, Transport, target


@dataclass(frozen=True, slots=True)
class MediaLane:
    """One way to have something made. Times are seconds; `price` is None where it costs nothing."""

    provider: Provider
    maker: Maker
    transport: Transport
    base: str
    secret: Secret | None
    destination: Destination
    priority: int
    connect: float
    total: float
    price: Price | None
    price_id: str | None
    limits: tuple[Limit, ...]

    def target(self, request: Request) -> Target:
        """Where `request` goes, with our credential, which some providers want made anew each time."""
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "nexusflow",
            **({"content-type": request.content_type} if request.body else {}),
            **{name.lower(): value for name, value in self.provider.headers.items()},
            **dict(request.headers),
            **self.credential,
        }
        return target(join(self.base, request.path), headers, request.method)

    @property
    def credential(self) -> dict[str, str]:
        """The header that says who we are."""
        return auth.headers(self.provider.auth, self.secret)

    @property
    def name(self) -> tuple[str, str]:
        """Provider and the model's name there, by which a task finds its lane again."""
        return self.provider.id, self.destination.model


@dataclass(frozen=True, slots=True)
class MediaModel:
    """A model that makes images or videos. `lanes` is empty when none can be called, for `reason`."""

    model: Model
    type: MediaType
    lanes: tuple[MediaLane, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Workshop:
    """All media models of one artifact, by every name, and the lanes that running tasks need."""

    models: Mapping[str, MediaModel]
    providers: Mapping[str, MediaLane]
    """Any lane of each provider and type, for tasks whose own lane is gone: `provider/type`."""

    def lane(self, model: str, provider: str, upstream_model: str, kind: MediaType) -> MediaLane | None:
        """The lane of a task that was begun on it, perhaps under an earlier gateway.yaml."""
        found = self.models.get(model)
        for lane in found.lanes if found is not None else ():
            if lane.name == (provider, upstream_model):
                return lane
        return self.providers.get(f"{provider}/{kind}")


def open_workshop(artifact: Artifact, upstreams: Upstreams) -> Workshop:
    """The workshop of an artifact."""
    plan = artifact.plan
    providers = {provider.id: provider for provider in plan.providers}
    prices = [(price, price_id(price)) for price in plan.prices]
    models: dict[str, MediaModel] = {}
    by_provider: dict[str, MediaLane] = {}
    for model in plan.models:
        kind = media_type(model)
        if kind is None:
            continue
        lanes, reasons = [], []
        for lane in model.lanes:
            made = _lane(lane, providers[lane.provider], upstreams, model, kind, prices)
            if isinstance(made, str):
                reasons.append(made)
                continue
            lanes.append(made)
            by_provider.setdefault(f"{lane.provider}/{kind}", made)
        lanes.sort(key=lambda one: one.priority)
        ready = MediaModel(model, kind, tuple(lanes), "; ".join(dict.fromkeys(reasons)))
        models.update(dict.fromkeys((model.id, *model.aliases), ready))
    return Workshop(models, by_provider)


def media_type(model: Model) -> MediaType | None:
    """What a model makes beside text."""
    if model.media is None:
        return None
    return "video" if "video" in model.output else "image"


def media_readiness(provider: Provider, kind: MediaType) -> str | None:
    """None when the provider can be asked for a `kind` now, otherwise why not, fit for a client."""
    if maker_for(provider.protocol, kind) is None:
        return f"this version cannot have a {kind} made by provider `{provider.id}`, which speaks {provider.protocol}"
    return unproven(provider)


def _lane(
    lane: Lane,
    provider: Provider,
    upstreams: Upstreams,
    model: Model,
    kind: MediaType,
    prices: Sequence[tuple[Price, str]],
) -> MediaLane | str:
    """The lane, or why it cannot be called."""
    maker = maker_for(provider.protocol, kind)
    reason = media_readiness(provider, kind)
    if maker is None or reason is not None:
        return reason or ""
    secret = auth.resolve(provider.credential) if provider.credential else None
    at = lane.price if lane.price is not None else model.price
    price, ident = prices[at] if at is not None and not model.free else (None, None)
    return MediaLane(
        provider=provider,
        maker=maker,
        transport=upstreams.connect(provider),
        base=upstreams.base_url(provider),
        secret=secret,
        destination=Destination(model=lane.model, family=family_of(lane.model), capabilities=lane.capabilities),
        priority=lane.priority,
        connect=lane.timeouts.connect_ms / 1000,
        total=lane.timeouts.total_ms / 1000,
        price=price,
        price_id=ident,
        limits=limits_on("deployment", f"{provider.id}/{lane.model}", lane.quota),
    )
