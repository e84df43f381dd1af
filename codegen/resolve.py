"""Spec to Plan: all the thinking, once. Lint has run, so every name resolves and every price is a price."""

from collections.abc import Hashable, Iterator
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw

from codegen import accounts, capabilities, fees, limits, media, prices, shapes, spec
from nexusflow.ir.plan import (
    CountersAt,
    CredentialRef,
    DatabaseAt,
    Lane,
    MediaFetch,
    Model,
    Overload,
    Plan,
    Price,
    Probe,
    Protocol,
    Provider,
    RequestBounds,
    RequestShape,
    ResultsAt,
    Server,
    Slo,
    Surface,
    TaskPolicy,
    Telemetry,
    Timeouts,
    Traces,
    WebhooksAt,
)

CONVERSATIONS: tuple[Protocol, ...] = (
    "openai/chat-completions",
    "openai/responses",
    "anthropic/messages",
    "google/generate-content",
)
"""The chat protocols: each is served to clients and spoken to providers, in any combination."""
CHAT: Protocol = CONVERSATIONS[0]
SERVED: tuple[Protocol, ...] = (*CONVERSATIONS, "openai/embeddings", "openai/image-generations", "nexusflow/tasks")
"""The client protocols that this version serves."""
_TIMEOUT_FIELDS = spec.Timeouts.__struct_fields__

T = TypeVar("T", bound=Hashable)


class _Table(dict[T, int]):
    """Distinct values, each with its index, in order of first use."""

    def index(self, value: T) -> int:
        return self.setdefault(value, len(self))


def resolve(document: spec.Spec) -> Plan:
    """The plan of a document that passed lint."""
    price_table: _Table[Price] = _Table()
    shape_table: _Table[RequestShape] = _Table()
    surfaces = tuple(name for name in SERVED if name in (document.gateway.protocols or SERVED))
    models = tuple(
        _model(document, name, model, surfaces, price_table, shape_table)
        for name, model in sorted(document.models.items())
    )
    return Plan(
        server=_server(document),
        surfaces=tuple(Surface(name) for name in surfaces),
        providers=tuple(_provider(name, provider) for name, provider in sorted(document.providers.items())),
        models=models,
        prices=tuple(price_table),
        shapes=tuple(shape_table),
        budgets=accounts.budgets(document),
        limits=limits.rules(document),
    )


def reachable(provider: spec.Provider) -> bool:
    """Whether this version can speak to this provider."""
    return provider.protocol in (*CONVERSATIONS, "simulator")


def timeouts(*levels: spec.Timeouts | spec.TimeoutOverrides) -> dict[str, float]:
    """Seconds per phase; each level overrides the ones before it."""
    merged: dict[str, float] = {}
    for level in levels:
        merged.update({name: value for name in _TIMEOUT_FIELDS if (value := getattr(level, name)) is not None})
    return merged


def _model(
    document: spec.Spec,
    name: str,
    model: spec.Model,
    surfaces: tuple[Protocol, ...],
    price_table: _Table[Price],
    shape_table: _Table[RequestShape],
) -> Model:
    price = _price(model, price_table)
    return Model(
        id=name,
        title=model.title or name,
        owner=model.owner,
        category=model.category,
        description=model.description,
        tags=model.tags,
        aliases=tuple(sorted(model.aliases)),
        protocols=model.supported_protocols,
        context_tokens=model.context_tokens,
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        input=model.input,
        output=model.output,
        unknown_params=model.unknown_params or document.defaults.unknown_params,
        max_tokens_field=model.capabilities.max_tokens_field,
        requests=_requests(document, model, surfaces, shape_table),
        on_loss=model.on_loss or document.defaults.on_loss or document.gateway.on_loss,
        response_formats=_response_formats(model),
        **_parameters(document, model),
        unpriced=_unpriced(document, model, surfaces),
        price=price,
        free=model.free,
        lanes=tuple(_lanes(document, name, model, price_table, price)),
        deprecated=_deprecated(model),
        billing=accounts.billing(model.billing) if model.billing is not None else None,
        **_routing(model),
        media=media.rules(model.media) if model.media is not None else None,
        slo=_slo(model.slo),
    )


def _routing(model: spec.Model) -> dict[str, Any]:
    """Which lane or model answers, and how much of that there is."""
    return {
        "strategy": model.strategy,
        "prefer": model.prefer,
        "fallbacks": model.fallbacks,
        "quota": limits.quota(model.limits),
        "shared_quota": limits.quota(model.shared_limits),
    }


def _slo(objectives: spec.ModelSlo | None) -> Slo | None:
    """What a call can be seen to miss."""
    found = Slo(objectives.ttft_p95_ms, objectives.tpot_p95_ms) if objectives is not None else Slo()
    return None if found == Slo() else found


def _price(place: spec.Model | spec.Lane, table: _Table[Price], inherited: int | None = None) -> int | None:
    if place.price is None:
        return inherited
    return table.index(prices.resolve(place.price, place.price_changes or ()))


def _parameters(document: spec.Spec, model: spec.Model) -> dict[str, Any]:
    """What the model's own rules, and its prices, say that a struct cannot."""
    rules = sorted(model.parameters.items())
    priced = fees.guards(model, searches="web_search" not in fees.unpriced(document, model, CHAT))
    allowed = {key: rule.allowed for key, rule in rules if rule.allowed is not None}
    return {
        "allowed": {**priced["allowed"], **allowed},
        "refused": (*(key for key, rule in rules if not rule.accept), *priced["refused"]),
        "defaults": {key: Raw(msgspec.json.encode(rule.default)) for key, rule in rules if rule.default is not None},
    }


def _requests(
    document: spec.Spec, model: spec.Model, surfaces: tuple[Protocol, ...], shape_table: _Table[RequestShape]
) -> dict[str, int]:
    """The request shape of each protocol that the model offers and this version serves."""
    return {
        protocol: shape_table.index(_shape(document, model, protocol))
        for protocol in surfaces
        if protocol in model.supported_protocols
    }


def _shape(document: spec.Spec, model: spec.Model, protocol: Protocol) -> RequestShape:
    native = _native(document, model, protocol)
    search = "web_search" in fees.unpriced(document, model, protocol)
    return shapes.narrow(model, protocol, native, unpriced_search=native and search)


def _unpriced(document: spec.Spec, model: spec.Model, surfaces: tuple[Protocol, ...]) -> dict[str, tuple[str, ...]]:
    """Of each client protocol that some provider of a paid model speaks: the kinds of tools that are refused."""
    native = [
        protocol
        for protocol in CONVERSATIONS
        if protocol in surfaces and protocol in model.supported_protocols and _native(document, model, protocol)
    ]
    paid = fees.tiers(model) is not None
    return {protocol: fees.unpriced(document, model, protocol) for protocol in native if paid}


def _native(document: spec.Spec, model: spec.Model, protocol: Protocol) -> bool:
    """Whether some provider of the model speaks `protocol` itself, so that nothing can be dropped on the way."""
    spoken = {document.providers[lane.provider].protocol for lane in model.lanes}
    return not spoken.isdisjoint((protocol, "simulator"))


def _lanes(
    document: spec.Spec, name: str, model: spec.Model, price_table: _Table[Price], price: int | None
) -> Iterator[Lane]:
    for at, lane in enumerate(model.lanes):
        path = f"models.{name}.lanes[{at}]"
        yield _lane(document, path, model, lane, name, _price(lane, price_table, price))


def _lane(document: spec.Spec, path: str, model: spec.Model, lane: spec.Lane, public: str, price: int | None) -> Lane:
    provider = document.providers[lane.provider]
    seconds = timeouts(document.gateway.timeouts, provider.timeouts, model.timeouts, lane.timeouts)
    return Lane(
        path=path,
        provider=lane.provider,
        model=lane.model or public,
        protocol=provider.protocol if reachable(provider) else None,
        capabilities=capabilities.resolve(model, provider),
        priority=lane.priority,
        weight=lane.weight,
        price=price,
        timeouts=Timeouts(**{f"{name.removesuffix('_seconds')}_ms": _ms(value) for name, value in seconds.items()}),
        quota=limits.quota(lane.limits),
    )


def _provider(name: str, provider: spec.Provider) -> Provider:
    title, policy = provider.title or name, provider.data_policy or spec.DataPolicy()
    health = provider.health
    patience = health or spec.Health()
    return Provider(
        id=name,
        title=f"{title} (simulated)" if provider.simulated and "simulated" not in title.lower() else title,
        protocol=provider.protocol,
        base_url=provider.base_url,
        auth=provider.auth,
        credential=_credential(provider.credential),
        headers=dict(sorted(provider.headers.items())),
        max_in_flight=provider.max_in_flight,
        stream_usage=provider.stream_usage,
        simulated=provider.simulated,
        billing=accounts.billing(provider.billing),
        probe=Probe(_ms(health.interval_seconds), health.path) if health is not None else None,
        degraded_after=patience.degraded_after,
        down_after=patience.down_after,
        region=provider.region,
        trains_on_data=policy.trains_on_data,
        zero_retention=policy.zero_retention or policy.retention_days == 0 or None,
    )


def _server(document: spec.Spec) -> Server:
    gateway, bounds = document.gateway, document.gateway.request
    return Server(
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        workers=gateway.workers,
        hosts=gateway.hosts,
        currency=gateway.currency,
        query_key=gateway.query_key,
        console=gateway.console,
        trusted_proxies=tuple(sorted(set(gateway.trusted_proxies))),
        media_fetch=MediaFetch(
            allow_hosts=tuple(sorted(set(gateway.media_fetch.allow_hosts))),
            allow_http=gateway.media_fetch.allow_http,
        ),
        overload=msgspec.convert(gateway.overload, Overload, from_attributes=True),
        database=_database(document.stores.database),
        counters=_counters(document.stores.limits),
        tasks=_tasks(gateway.tasks),
        results=_results(document.stores.results),
        webhooks=WebhooksAt(
            secret=_credential(document.webhooks.secret),
            allow_hosts=_sorted(document.webhooks.allow_hosts),
        ),
        telemetry=_telemetry(document.telemetry),
        public_url=gateway.public_url.rstrip("/") if gateway.public_url is not None else None,
        drain_ms=_ms(gateway.drain_seconds),
        request=RequestBounds(
            max_body_bytes=bounds.max_body_bytes,
            max_messages=bounds.max_messages,
            max_tools=bounds.max_tools,
            max_images=bounds.max_images,
            max_headers=bounds.max_headers,
            body_timeout_ms=_ms(bounds.body_timeout_seconds),
        ),
        billing=accounts.policy(gateway),
    )


def _tasks(policy: spec.TaskPolicy) -> TaskPolicy:
    return TaskPolicy(
        keep_ms=_ms(policy.keep_hours * 3600),
        deadline_ms=_ms(policy.deadline_hours * 3600),
        wait_ms=_ms(policy.wait_seconds),
        store_results=policy.store_results,
    )


def _telemetry(told: spec.Telemetry) -> Telemetry:
    return Telemetry(
        access_log=told.access_log,
        metrics_host=told.metrics_host,
        metrics_port=told.metrics_port,
        traces=_traces(told.traces) if told.traces is not None else None,
    )


def _traces(told: spec.Traces) -> Traces:
    bare = urlsplit(told.endpoint).path in ("", "/")
    return Traces(
        endpoint=told.endpoint.rstrip("/") + "/v1/traces" if bare else told.endpoint,
        headers=_credential(told.headers),
        sample_ppm=int(Decimal(told.sample_percent) * 10_000),
        trust_parent=told.trust_parent,
        conventions=told.genai_conventions,
    )


def _database(database: spec.Database) -> DatabaseAt:
    if isinstance(database, spec.SqliteDatabase):
        return DatabaseAt(path=database.path)
    return DatabaseAt(kind="postgres", url=_credential(database.url), pool_max=database.pool_max)


def _counters(place: spec.Counters) -> CountersAt:
    return limits.counters(place, _credential(place.url) if isinstance(place, spec.RedisCounters) else None)


def _results(place: spec.Results) -> ResultsAt:
    if isinstance(place, spec.DiskResults):
        return ResultsAt(path=place.path)
    return ResultsAt(
        kind="s3",
        bucket=place.bucket,
        region=place.region,
        endpoint=place.endpoint.rstrip("/") if place.endpoint is not None else None,
        access_key=_credential(place.access_key),
        secret_key=_credential(place.secret_key),
        prefix=place.prefix,
    )


def _sorted(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return tuple(sorted(set(names))) if names is not None else None


def _credential(reference: spec.SecretRef | None) -> CredentialRef | None:
    if reference is None:
        return None
    if reference.env is not None:
        return CredentialRef("env", reference.env)
    assert reference.file is not None, "the schema allows exactly one of env and file"
    return CredentialRef("file", reference.file)


def _response_formats(model: spec.Model) -> tuple[str, ...]:
    """The accepted `response_format.type` values; empty means that the provider decides."""
    known = {"none": ("text",), "json_object": ("text", "json_object")}
    return known.get(model.capabilities.structured_output or "", ())


def _deprecated(model: spec.Model) -> str | None:
    if model.deprecated is None:
        return None
    instead = f"; use {model.deprecated.use}" if model.deprecated.use else ""
    return f"since {model.deprecated.since}{instead}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
