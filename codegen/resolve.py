"""Spec to Plan: all the thinking, once. Lint has run, so every name resolves and every price is a price."""

from collections.abc import Hashable
from typing import TypeVar

import msgspec
from msgspec import Raw

from codegen import prices, shapes, spec
from nexusflow.ir.plan import (
    CredentialRef,
    Lane,
    Model,
    Plan,
    Price,
    Protocol,
    Provider,
    RequestBounds,
    RequestShape,
    Server,
    Surface,
    Timeouts,
)

SERVED: tuple[Protocol, ...] = ("openai/chat-completions",)
"""The client protocols that this version serves."""
CHAT: Protocol = "openai/chat-completions"
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
        _model(document, name, model, CHAT in surfaces, price_table, shape_table)
        for name, model in sorted(document.models.items())
    )
    return Plan(
        server=_server(document),
        surfaces=tuple(Surface(name) for name in surfaces),
        providers=tuple(_provider(name, provider) for name, provider in sorted(document.providers.items())),
        models=models,
        prices=tuple(price_table),
        shapes=tuple(shape_table),
    )


def speaks_chat(provider: spec.Provider) -> bool:
    """Whether a chat request can be passed on to this provider as it is."""
    return provider.protocol in (CHAT, "simulator")


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
    chat: bool,
    price_table: _Table[Price],
    shape_table: _Table[RequestShape],
) -> Model:
    rules = sorted(model.parameters.items())
    price = _price(model.price, price_table)
    lanes = [
        _lane(document, f"models.{name}.lanes[{at}]", name, lane, _price(lane.price, price_table, price))
        for at, lane in enumerate(model.lanes)
    ]
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
        request=shape_table.index(shapes.narrow(model)) if chat and CHAT in model.supported_protocols else None,
        allowed={key: rule.allowed for key, rule in rules if rule.allowed is not None},
        refused=tuple(key for key, rule in rules if not rule.accept),
        response_formats=_response_formats(model),
        defaults={key: Raw(msgspec.json.encode(rule.default)) for key, rule in rules if rule.default is not None},
        price=price,
        free=model.free,
        lanes=tuple(lanes),
        deprecated=_deprecated(model),
    )


def _price(price: spec.Price | None, table: _Table[Price], inherited: int | None = None) -> int | None:
    return table.index(prices.resolve(price)) if price is not None else inherited


def _lane(document: spec.Spec, path: str, model: str, lane: spec.Lane, price: int | None) -> Lane:
    provider = document.providers[lane.provider]
    seconds = timeouts(document.gateway.timeouts, provider.timeouts, lane.timeouts)
    return Lane(
        path=path,
        provider=lane.provider,
        model=lane.model or model,
        bridge="identity" if speaks_chat(provider) else None,
        priority=lane.priority,
        weight=lane.weight,
        price=price,
        timeouts=Timeouts(**{f"{name.removesuffix('_seconds')}_ms": _ms(value) for name, value in seconds.items()}),
    )


def _provider(name: str, provider: spec.Provider) -> Provider:
    title = provider.title or name
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
    )


def _server(document: spec.Spec) -> Server:
    gateway, bounds = document.gateway, document.gateway.request
    database = document.stores.database
    return Server(
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        workers=gateway.workers,
        hosts=gateway.hosts,
        currency=gateway.currency,
        database=database.path if isinstance(database, spec.SqliteDatabase) else spec.SqliteDatabase().path,
        drain_ms=_ms(gateway.drain_seconds),
        request=RequestBounds(
            max_body_bytes=bounds.max_body_bytes,
            max_messages=bounds.max_messages,
            max_tools=bounds.max_tools,
            max_images=bounds.max_images,
            max_headers=bounds.max_headers,
            body_timeout_ms=_ms(bounds.body_timeout_seconds),
        ),
    )


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
