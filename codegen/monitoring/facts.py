"""What monitoring needs to know of a gateway.yaml: names of series, objectives, and the alerts that are wanted."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from codegen import spec
from codegen.monitoring.queries import Queries
from nexusflow.telemetry.catalogue import TIME_PER_TOKEN, TTFT, Metric

MINE = "availability"
"""The objective of a gateway that names none for all of its models: most calls succeed (reliability 4.5, SLO-A)."""
_USUAL = Decimal("99.9")
_P95 = Decimal("0.05")
_MS = 1000


class Objective(Struct, frozen=True, kw_only=True):
    """A promise: no more than `budget` (a share) of the calls are bad within `days`.

    `metric` None: a call is bad that fails. Otherwise one is that takes longer than `bound` seconds of this histogram.
    """

    slo: str
    kind: str
    budget: Decimal
    days: int = 30
    model: str | None = None
    metric: Metric | None = None
    bound: Decimal = Decimal(0)

    @property
    def labels(self) -> dict[str, str]:
        """By which its series are known."""
        return {"slo": self.slo, "objective": self.kind}

    @property
    def title(self) -> str:
        """In words."""
        subject = f"of {self.model}" if self.model is not None else "of all models"
        if self.metric is None:
            return f"{plain((1 - self.budget) * 100)} % of the calls {subject} succeed"
        what = "the first token" if self.metric is TTFT else "each output token"
        return f"{what} {subject} takes at most {plain(self.bound * _MS)} ms in 95 % of the calls"


class Facts(Struct, frozen=True, kw_only=True):
    """One gateway.yaml. `lanes` gives the deployments of each model, by the names they have in metrics."""

    name: str
    currency: str
    address: str
    secured: bool
    """Whether metrics are asked for with a key, on the main port."""
    lanes: dict[str, tuple[str, ...]]
    providers: dict[str, tuple[str, ...]]
    objectives: tuple[Objective, ...]
    alerts: tuple[spec.Alert, ...]

    @property
    def queries(self) -> Queries:
        """Queries about it."""
        return Queries(self.name)


def facts_of(document: spec.Spec) -> Facts:
    """The facts of a document that passed lint; models and providers in the order of their names."""
    lanes = {name: tuple(dict.fromkeys(_lanes(name, model))) for name, model in sorted(document.models.items())}
    everywhere = sorted({lane for all_of in lanes.values() for lane in all_of})
    telemetry, gateway = document.telemetry, document.gateway
    secured = telemetry.metrics_port is None
    host, port = (gateway.host, gateway.port) if secured else (telemetry.metrics_host, telemetry.metrics_port)
    return Facts(
        name=gateway.name,
        currency=gateway.currency,
        address=f"{_reached(host)}:{port}",
        secured=secured,
        lanes=lanes,
        providers={
            name: tuple(lane for lane in everywhere if lane.startswith(f"{name}/"))
            for name in sorted(document.providers)
        },
        objectives=tuple(_objectives(document)),
        alerts=document.alerts,
    )


def plain(number: Decimal) -> str:
    """A number without an exponent or zeros that say nothing."""
    return format(number.normalize(), "f")


def _lanes(name: str, model: spec.Model) -> Iterator[str]:
    for lane in model.lanes:
        yield f"{lane.provider}/{lane.model or name}"


def _reached(host: str) -> str:
    """An address to reach a server at that listens on `host`."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  # nothing listens here
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _objectives(document: spec.Spec) -> Iterator[Objective]:
    if all(one.model is not None or one.success_rate is None for one in document.slos):
        yield Objective(slo=MINE, kind="success", budget=(100 - _USUAL) / 100)
    for one in document.slos:
        yield from _promises(one.name, one.model, one, one.window_days)
    for name, model in sorted(document.models.items()):
        if model.slo is not None:
            yield from _promises(f"models/{name}", name, model.slo, 30)


def _promises(name: str, model: str | None, said: spec.Slo | spec.ModelSlo, days: int) -> Iterator[Objective]:
    if said.success_rate is not None:
        budget = (100 - Decimal(said.success_rate)) / 100
        yield Objective(slo=name, kind="success", budget=budget, days=days, model=model)
    times = [("ttft", TTFT, said.ttft_p95_ms)]
    if isinstance(said, spec.ModelSlo):
        times.append(("tpot", TIME_PER_TOKEN, said.tpot_p95_ms))
    for kind, metric, milliseconds in times:
        if milliseconds is not None:
            bound = Decimal(milliseconds) / _MS
            yield Objective(slo=name, kind=kind, budget=_P95, days=days, model=model, metric=metric, bound=bound)
