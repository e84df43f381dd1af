"""Every metric there is (reliability 4.3): names, labels, and how the values of several workers make one.

Labels come from compiled tables, never from what a client or a provider says (OBS-10). Durations are seconds of the
monotonic clock of one process (OBS-12); money is in units of `gateway.currency`, for graphs: the ledger is the truth.
"""

from typing import Literal

from msgspec import Struct

Kind = Literal["counter", "histogram", "sum", "max"]
"""`sum` and `max` are gauges, named by what becomes of the values of several workers."""

PREFIX = "nexusflow_"
_NANO = 10**9
LONG = tuple(0.01 * 2**power for power in range(15))
"""Buckets for whole requests: 10 ms to 164 s, for models that think for long."""
PER_TOKEN = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.6, 1.0, 2.5)
EXAMPLE = 5
"""Numbers of one example: its value, seconds since 1970 (0: there is none), and the trace id in three parts."""
SHORT = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25)


class Metric(Struct, frozen=True):
    """One family. `name` lacks the prefix; a counter's ends in `_total`. `buckets` are upper bounds.

    Numbers are kept `scale` times as large as they are shown, so that money is counted in whole nano-units. With
    `examples` a bucket remembers one of its values and the trace that it comes from.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    scale: int = 1
    examples: bool = False

    @property
    def counts(self) -> int:
        """Numbers of one series that are added up: of a histogram its buckets, one for what is beyond, and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1

    @property
    def cells(self) -> int:
        """All numbers of one series: those, and `EXAMPLE` for each bucket that remembers one."""
        return self.counts + EXAMPLE * (len(self.buckets) + 1 if self.examples else 0)


REQUESTS = Metric(
    "requests_total",
    "counter",
    "Calls in the call log, by how they ended.",
    ("protocol", "model", "outcome", "code"),
)
REFUSED = Metric(
    "requests_refused_total",
    "counter",
    "Requests that were refused before they named a model, a caller and a price, and that no call log knows.",
    ("protocol", "code"),
)
DURATION = Metric(
    "request_duration_seconds", "histogram", "From the head to the end.", ("protocol", "model"), LONG, examples=True
)
TTFT = Metric(
    "ttft_seconds",
    "histogram",
    "From admission to the first content of a stream.",
    ("model", "provider"),
    LONG,
    examples=True,
)
TIME_PER_TOKEN = Metric(
    "time_per_output_token_seconds",
    "histogram",
    "Time from the first content of a stream to its end, by the tokens that came in it.",
    ("model", "provider"),
    PER_TOKEN,
)
OVERHEAD = Metric(
    "overhead_seconds",
    "histogram",
    "Time of an unstreamed call, from its admission on, in which its provider was not waited for.",
    ("protocol",),
    SHORT,
)
IN_FLIGHT = Metric("inflight_requests", "sum", "Requests under way.", ("protocol",))
ATTEMPTS = Metric(
    "upstream_attempts_total",
    "counter",
    "Calls of providers, by how each ended.",
    ("provider", "deployment", "result"),
)
FAILOVERS = Metric("failovers_total", "counter", "Attempts after which another followed.", ("model", "reason"))
RETRIES_REFUSED = Metric(
    "retries_refused_total", "counter", "Calls that failed though another way was left, for want of budget.", ("model",)
)
DEPLOYMENT_STATE = Metric("deployment_state", "max", "0 healthy, 1 degraded, 2 down or cooling.", ("deployment",))
REJECTIONS = Metric("limit_rejections_total", "counter", "Calls beyond a limit.", ("limit", "scope"))
LIMIT_ERRORS = Metric("limit_store_errors_total", "counter", "What the store of limits failed to do.", ("op",))
LIMITS_DEGRADED = Metric("limit_degraded", "max", "1 while a worker holds limits alone.")
LEASES_EXPIRED = Metric("leases_expired_total", "counter", "Slots that their holder never gave back.")
TOKENS = Metric("tokens_total", "counter", "Tokens by class.", ("model", "provider", "type", "source"))
CHARGED = Metric("customer_cost_total", "counter", "What customers were charged.", ("model",), scale=_NANO)
PROVIDER_COST = Metric(
    "provider_cost_total", "counter", "What providers are owed for charged calls.", ("provider",), scale=_NANO
)
ABSORBED = Metric(
    "absorbed_cost_total", "counter", "What providers are owed without a paying customer.", ("reason",), scale=_NANO
)
SETTLEMENTS = Metric("settlements_total", "counter", "Calls by what their charge rests on.", ("result",))
JOURNAL_BACKLOG = Metric("journal_backlog_records", "sum", "Records that the ledger does not hold yet.")
JOURNAL_AGE = Metric("journal_oldest_age_seconds", "max", "Age of the oldest of them.")
LOSSES = Metric("translation_losses_total", "counter", "What translations between protocols left out.", ("kind",))
SHED = Metric("shed_total", "counter", "Calls that were refused for overload.", ("priority", "reason"))
OVERLOAD = Metric("overload_level", "max", "0 none; 1 to 3: calls of sheddable, default and all keys are refused.")
LOOP_LAG = Metric("event_loop_lag_seconds", "max", "How late a worker's event loop was at its last tick.")
DRAINING = Metric("draining", "max", "1 while the gateway ends its calls to stop.")
BUILD = Metric("build_info", "max", "1 for the plan that a worker serves.", ("version", "plan"))
SWAPS = Metric("config_reload_total", "counter", "Artifacts that workers took up or refused.", ("result",))
DROPPED = Metric("series_dropped_total", "counter", "Values that had no room, for there were too many series.")
LOG_DROPPED = Metric("log_dropped_total", "counter", "Lines of the access log that had no room.")
EXPORT_DROPPED = Metric(
    "export_dropped_total", "counter", "Spans that had no room, or that the collector did not take."
)
WORKERS = Metric("workers", "sum", "Worker processes that are alive.")
WORKERS_ENDED = Metric("workers_ended_total", "counter", "Worker processes that ended, whatever took their place.")
VIOLATIONS = Metric(
    "ledger_violations_total",
    "counter",
    "Invariants that a proof of the ledger found broken, each time that the admin API was asked for one.",
    ("invariant",),
)
STORE_DOWN = Metric("store_down", "max", "1 while a worker cannot use this store.", ("store",))
DISK_FREE = Metric("disk_free_bytes", "max", "What is free on the disk that the journals are on.")
DISK_SIZE = Metric("disk_size_bytes", "max", "What that disk holds in all.")
CERTIFICATE = Metric(
    "provider_certificate_expiry_timestamp_seconds",
    "max",
    "When the certificate ends that a provider showed last, in seconds since 1970.",
    ("provider",),
)
BUDGET_USED = Metric(
    "budget_used_ratio",
    "max",
    "What is spent and held of the fullest budget of its kind, 1 being all of it.",
    ("scope", "period"),
)
TASKS = Metric("tasks", "max", "Images and videos that are not made yet.", ("state",))
TASK_AGE = Metric("task_oldest_age_seconds", "max", "Age of the oldest of them.", ("state",))

CATALOGUE: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        REQUESTS, REFUSED, DURATION, TTFT, TIME_PER_TOKEN, OVERHEAD, IN_FLIGHT, ATTEMPTS,
        FAILOVERS, RETRIES_REFUSED, DEPLOYMENT_STATE, REJECTIONS, LIMIT_ERRORS, LIMITS_DEGRADED, LEASES_EXPIRED,
        TOKENS, CHARGED, PROVIDER_COST, ABSORBED, SETTLEMENTS, JOURNAL_BACKLOG, JOURNAL_AGE, LOSSES, SHED, OVERLOAD,
        LOOP_LAG, DRAINING, BUILD, SWAPS, DROPPED, LOG_DROPPED, EXPORT_DROPPED, WORKERS, WORKERS_ENDED, VIOLATIONS,
        STORE_DOWN, DISK_FREE, DISK_SIZE, CERTIFICATE, BUDGET_USED, TASKS, TASK_AGE,
    )
}  # fmt: skip
