"""The Plan: what a `gateway.yaml` means, with every name resolved and every number an integer.

The compiler builds it, emits it as `catalog.json`, and the runtime decodes the same structs from there. It is a
documented, versioned format: `ABI` changes when a field changes its meaning.
Times are whole milliseconds, sizes bytes, prices nano-units of the ledger currency (10^-9) per million tokens or per
unit, as each field says (reliability 2.4).
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.account import Budget
from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.quota import NONE, LimitRules, Quota

ABI = 4

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
Strategy = Literal["priority", "cost", "latency", "weighted", "sticky"]
Prefer = Literal["priority", "identity"]
StreamUsage = Literal["option", "always", "never"]
Auth = Literal["bearer", "key", "x-api-key", "x-goog-api-key", "api-key", "kling-jwt", "none"]


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


class Billing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider charges for a call that does not end well, and what we do about it (reliability 2.1, B-03).

    `on_disconnect`: cancel and charge what was generated, read on to learn the usage, or cancel without any charge.
    `on_5xx`: whether the customer pays for the input. `charges_input_on_error`: whether the provider bills us for it.
    """

    on_disconnect: Literal["cancel_estimate", "drain", "cancel_free"] = "cancel_estimate"
    on_5xx: Literal["absorb", "charge_input"] = "absorb"
    charges_input_on_error: bool = False


class BillingPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How this gateway handles money. Amounts in nano-units.

    `default_output_reserve` tokens are set aside for a caller that names no bound. While the database is away each
    wallet may spend `outage_amount` more, for `outage_ms`. `funds_status` is the HTTP status of an empty wallet.
    """

    default_output_reserve: int = 4_096
    outage_amount: int = 0
    outage_ms: int = 0
    call_log_days: int = 90
    funds_status: int = 403


class Probe(Struct, frozen=True):
    """How a provider is asked whether it is there: a GET of `path` below its address, every so often."""

    interval_ms: int
    path: str


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
    billing: Billing = Billing()
    probe: Probe | None = None
    """None: how it does is learned from calls alone."""
    degraded_after: int = 3
    down_after: int = 5
    """Failures in a row, of calls as of probes, after which it is used last, and not at all (contract 2.11)."""
    region: str | None = None
    trains_on_data: bool | None = None
    zero_retention: bool | None = None
    """What its terms say of the data it is sent; None where that is not known."""


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
    per_maps: int = 0


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
    """One price list. `tokens` is the standard tier; the rest are exceptions to it.

    The rates are what the provider is owed; the customer pays `markup` basis points more. `later` lists take its place
    from their day on, the earliest first.
    """

    tokens: Rates = Rates()
    above: tuple[LongPrompt, ...] = ()
    tiers: tuple[TierRates, ...] = ()
    video: tuple[VideoRate, ...] = ()
    images: tuple[ImageRate, ...] = ()
    markup: int = 0
    later: tuple["LaterPrice", ...] = ()


class LaterPrice(Struct, frozen=True):
    """A price list that holds from `from_ms` on (milliseconds since 1970)."""

    from_ms: int
    price: Price


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
    quota: Quota = NONE
    """What all callers together may send this way."""


class MediaRules(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image or video model takes and makes. Nothing in a list: whatever the provider takes.

    `sync`: the provider answers in the create call. `durations` are whole seconds, the default first where there is
    one; `seed_max` None: no seed is taken. `watermark` is asked for when a request does not say.
    """

    sync: bool
    sizes: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    duration_min: int | None = None
    duration_max: int | None = None
    duration_default: int | None = None
    durations: tuple[int, ...] = ()
    n_max: int = 1
    seed_max: int | None = None
    references_max: int = 0
    audio: bool = False
    watermark: bool | None = None


class Slo(Struct, frozen=True):
    """What 95 % of a model's calls shall keep: milliseconds to the first token, and for each further one."""

    ttft_ms: int | None = None
    per_token_ms: int | None = None


class Model(Struct, frozen=True, kw_only=True):
    """One public model with everything a request for it needs.

    `requests` gives the request shape of each client protocol that is offered and served. `allowed`, `refused` and
    `defaults` name parameters as Chat does. `unpriced` gives, for each protocol that reaches a provider unchanged, the
    kinds of tools that the provider would run for a fee that no price covers (B-13).
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
    unpriced: dict[str, tuple[str, ...]] = {}
    price: int | None = None
    free: bool = False
    on_loss: OnLoss = "warn"
    deprecated: str | None = None
    billing: Billing | None = None
    strategy: Strategy = "priority"
    """How a lane is chosen among those of one priority."""
    prefer: Prefer = "priority"
    """What goes before that: the lanes' own numbers, or how well each carries the request."""
    fallbacks: tuple[str, ...] = ()
    """Models that answer in its place where all its providers fail, in order."""
    quota: Quota = NONE
    """What each caller may ask of this model, in place of what its plan says."""
    shared_quota: Quota = NONE
    """What all callers together may ask of it."""
    media: MediaRules | None = None
    """What it makes beside text."""
    slo: Slo | None = None


class FieldRule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one request parameter is narrowed: refused, bounded (inclusive; length for arrays), or to some values."""

    name: str
    accept: bool = True
    minimum: int | float | None = None
    maximum: int | float | None = None
    values: tuple[str | int, ...] = ()


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


class Thresholds(Struct, frozen=True):
    """Two amounts of one measure of load: from `soft` on some calls are refused, from `hard` on all."""

    soft: int
    hard: int


class Overload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a worker refuses calls because it has too much to do (R-03, R-31); None: this measure sheds nothing."""

    loop_lag_ms: Thresholds = Thresholds(1_000, 5_000)
    requests: Thresholds = Thresholds(4_000, 8_000)
    memory_mb: Thresholds | None = None


class MediaFetch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where media given by URL may come from beside https on the public internet (SEC-20): `allow_hosts` are
    `host:port`, `allow_http` opens plain http to public addresses."""

    allow_hosts: tuple[str, ...] = ()
    allow_http: bool = False


class DatabaseAt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where keys, balances and the ledger are: the SQLite file `path`, or the PostgreSQL server behind `url`.

    `pool_max` is how many connections one worker opens to PostgreSQL at most.
    """

    kind: Literal["sqlite", "postgres"] = "sqlite"
    path: str = ".nexusflow/nexusflow.db"
    url: CredentialRef | None = None
    pool_max: int = 8


class CountersAt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the counters behind limits are: in each worker's memory, the SQLite file `path`, or the Redis at `url`.

    `prefix` begins every key in Redis.
    """

    kind: Literal["memory", "sqlite", "redis"] = "memory"
    path: str = ".nexusflow/limits.db"
    url: CredentialRef | None = None
    prefix: str = "nexusflow:"


class ResultsAt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where what tasks made is kept: in the folder `path`, or in the S3 `bucket` of `region`.

    `endpoint` None: the address of the region at AWS. `prefix` begins every object's name.
    """

    kind: Literal["disk", "s3"] = "disk"
    path: str = ".nexusflow/results"
    bucket: str = ""
    region: str = "us-east-1"
    endpoint: str | None = None
    access_key: CredentialRef | None = None
    secret_key: CredentialRef | None = None
    prefix: str = ""


class WebhooksAt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the end of a task is told to a client's URL (SEC-25). Without a `secret` no such URL is accepted.

    `allow_hosts` None: every public host, over https. Otherwise these alone, over plain http too.
    """

    secret: CredentialRef | None = None
    allow_hosts: tuple[str, ...] | None = None


class TaskPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long tasks live: `keep_ms` after their end they and their results are gone; after `deadline_ms` without an
    end nobody waits for it any more. `wait_ms` is how long an image request waits for a provider that takes its time.
    Without `store_results` what has an address at its provider stays there.
    """

    keep_ms: int = 86_400_000
    deadline_ms: int = 86_400_000
    wait_ms: int = 300_000
    store_results: bool = True


class Traces(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where traces go, and of which calls: of `sample_ppm` in a million, or with `trust_parent` as the caller decided.

    `conventions`: the version of OpenTelemetry's names for calls of models.
    """

    endpoint: str
    headers: CredentialRef | None = None
    sample_ppm: int = 10_000
    trust_parent: bool = False
    conventions: Literal["v0.1.0", "1.36"] = "v0.1.0"


class Telemetry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the page of metrics listens for whoever comes; without a port only administrators see it, on the main one.
    `access_log`: one line for each request. `traces` None: none are sent.
    """

    access_log: bool = True
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    traces: Traces | None = None


class Server(Struct, frozen=True, kw_only=True):
    """Process settings. A change of any of them but `request` needs a restart, not a swap."""

    name: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    hosts: int = 1
    currency: str = "USD"
    query_key: bool = True
    console: bool = True
    trusted_proxies: tuple[str, ...] = ()
    media_fetch: MediaFetch = MediaFetch()
    overload: Overload = Overload()
    database: DatabaseAt = DatabaseAt()
    counters: CountersAt = CountersAt()
    tasks: TaskPolicy = TaskPolicy()
    results: ResultsAt = ResultsAt()
    webhooks: WebhooksAt = WebhooksAt()
    telemetry: Telemetry = Telemetry()
    public_url: str | None = None
    """Under which clients reach this gateway, without a slash at its end; None: as each of them names it."""
    drain_ms: int = 30_000
    request: RequestBounds = RequestBounds()
    billing: BillingPolicy = BillingPolicy()


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
    budgets: tuple[Budget, ...] = ()
    limits: LimitRules = LimitRules()

    def canonical(self) -> bytes:
        """The one JSON spelling of this plan; its SHA-256 is the plan's digest."""
        return msgspec.json.encode(self, order="deterministic")
