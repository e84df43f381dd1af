"""The Plan: what a `gateway.yaml` means, with every name resolved and every number an integer.

The compiler builds it, emits it as `catalog.json`, and the runtime decodes the same structs from there. It is a
documented, versioned format: `ABI` changes when a field changes its meaning.
Times are whole milliseconds, sizes bytes, prices nano-units of the ledger currency (10^-9) per million tokens or per
unit, as each field says (reliability 2.4).
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Capabilities

ABI = 2

Protocol = Literal[
    "openai/chat-completions",
    "openai/responses",
    "openai/embeddings",
    "openai/image-generations",
    "anthropic/messages",
    "google/generate-content",
    "nexusflow/tasks",
]
UnknownParams = Literal["pass", "drop", "reject"]
OnLoss = Literal["allow", "warn", "reject"]
StreamUsage = Literal["option", "always", "never"]
Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key", "none"]


class Timeouts(Struct, frozen=True, kw_only=True):
    """How long each phase of one upstream call may take, in milliseconds (reliability 1.4)."""

    connect_ms: int = 3_000
    first_byte_ms: int = 60_000
    idle_ms: int = 60_000
    total_ms: int = 600_000
    stream_total_ms: int = 1_800_000
    write_stall_ms: int = 60_000


class CredentialRef(Struct, frozen=True):
    """Where a secret is read from at start; never the secret itself (SEC-60)."""

    source: Literal["env", "file"]
    name: str


class Provider(Struct, frozen=True, kw_only=True):
    """One upstream: an address, the protocol it speaks, and how we prove who we are."""

    id: str
    title: str
    protocol: str
    base_url: str
    auth: Auth = "bearer"
    credential: CredentialRef | None = None
    headers: dict[str, str] = {}
    max_in_flight: int = 1_000
    stream_usage: StreamUsage = "option"
    simulated: bool = False


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nano-units per 1,000,000 tokens of each disjoint class; `per_*` are nano-units per piece.

    Fallbacks between classes (protocols 4.4) are already applied: a class never needs another one at run time.
    """

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_30m: int = 0
    cache_write_1h: int = 0
    cache_write_12h: int = 0
    tool_input: int = 0
    input_audio: int = 0
    input_image: int = 0
    input_video: int = 0
    cache_read_audio: int = 0
    cache_read_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    per_request: int = 0
    per_image: int = 0
    per_web_search: int = 0
    per_web_fetch: int = 0
    per_grounding: int = 0


class LongPrompt(Struct, frozen=True):
    """Rates for the whole request when its input exceeds `input_tokens`."""

    input_tokens: int
    rates: Rates


class TierRates(Struct, frozen=True):
    """Rates of one service tier, by the name the provider reports."""

    tier: str
    rates: Rates


class VideoRate(Struct, frozen=True):
    """Nano-units per produced second at one resolution, with or without sound (`None`: either)."""

    resolution: str
    audio: bool | None
    per_second: int


class ImageRate(Struct, frozen=True):
    """Nano-units per produced image of one size and quality (`None`: any)."""

    size: str | None
    quality: str | None
    per_image: int


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One price list. `tokens` is the standard tier; the rest are exceptions to it."""

    tokens: Rates = Rates()
    above: tuple[LongPrompt, ...] = ()
    tiers: tuple[TierRates, ...] = ()
    video: tuple[VideoRate, ...] = ()
    images: tuple[ImageRate, ...] = ()


class Lane(Struct, frozen=True, kw_only=True):
    """One way to serve a model: a provider and the model's name there.

    `protocol` is what the provider speaks: one of the chat protocols, `simulator` for one that speaks them all, or
    `None` when no client protocol of this version can be translated to it.
    """

    path: str
    provider: str
    model: str
    protocol: str | None
    priority: int = 0
    weight: int = 1
    price: int | None = None
    timeouts: Timeouts = Timeouts()
    capabilities: Capabilities = Capabilities()


class Model(Struct, frozen=True, kw_only=True):
    """One public model with everything a request for it needs.

    `requests` gives the request shape of each client protocol that is offered and served. `allowed`, `refused` and
    `defaults` name parameters as Chat does.
    """

    id: str
    title: str
    owner: str
    category: str
    lanes: tuple[Lane, ...]
    protocols: tuple[Protocol, ...]
    description: str | None = None
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)
    unknown_params: UnknownParams = "pass"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    requests: dict[str, int] = {}
    allowed: dict[str, tuple[str, ...]] = {}
    refused: tuple[str, ...] = ()
    response_formats: tuple[str, ...] = ()
    defaults: dict[str, Raw] = {}
    price: int | None = None
    free: bool = False
    on_loss: OnLoss = "warn"
    deprecated: str | None = None


class FieldRule(Struct, frozen=True, kw_only=True):
    """How one request parameter is narrowed: refused, or bounded (inclusive; length for arrays)."""

    name: str
    accept: bool = True
    minimum: int | float | None = None
    maximum: int | float | None = None


class RequestShape(Struct, frozen=True):
    """A distinct set of narrowings of one protocol's request; models that narrow alike share one generated struct."""

    protocol: Protocol
    fields: tuple[FieldRule, ...]


class RequestBounds(Struct, frozen=True, kw_only=True):
    """What one client request may carry before its model is looked at (C-09, C-11, C-15, C-18)."""

    max_body_bytes: int = 33_554_432
    max_messages: int = 2_000
    max_tools: int = 128
    max_images: int = 50
    max_headers: int = 64
    body_timeout_ms: int = 60_000


class Server(Struct, frozen=True, kw_only=True):
    """Process settings. A change of any of them but `request` needs a restart, not a swap."""

    name: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    hosts: int = 1
    currency: str = "USD"
    query_key: bool = True
    database: str = ".nexusflow/nexusflow.db"
    drain_ms: int = 30_000
    request: RequestBounds = RequestBounds()


class Surface(Struct, frozen=True):
    """A client protocol that this gateway serves."""

    protocol: Protocol


class Plan(Struct, frozen=True, kw_only=True):
    """The whole meaning of one gateway.yaml. `prices` and `shapes` are referred to by index."""

    abi: int = ABI
    server: Server
    surfaces: tuple[Surface, ...]
    providers: tuple[Provider, ...]
    models: tuple[Model, ...]
    prices: tuple[Price, ...] = ()
    shapes: tuple[RequestShape, ...] = ()

    def canonical(self) -> bytes:
        """The one JSON spelling of this plan; its SHA-256 is the plan's digest."""
        return msgspec.json.encode(self, order="deterministic")
