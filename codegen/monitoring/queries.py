"""PromQL made from the catalogue of metrics, so that no query can name a metric or a label that does not exist."""

from collections.abc import Sequence

from msgspec import Struct

from nexusflow.telemetry.catalogue import PREFIX, Metric

GATEWAY = "gateway"
"""The label that the scrape configuration adds: whose numbers these are, where one Prometheus watches several."""
INTERVAL = "$__rate_interval"
"""What Grafana puts in: at least four scrapes, or what a pixel stands for."""
_SPECIAL = frozenset("\\.+*?()|[]{}^$")


class Pattern(str):
    """A regular expression that the whole of a label's value matches."""

    __slots__ = ()


def one_of(values: Sequence[str]) -> Pattern:
    """Any of these values."""
    return Pattern("|".join("".join(f"\\{one}" if one in _SPECIAL else one for one in value) for value in values))


class Queries(Struct, frozen=True):
    """Queries about the gateway of this name. Labels are given as the values or `Pattern`s to select."""

    gateway: str

    def of(self, metric: Metric, suffix: str = "", **labels: str) -> str:
        """A selector. `suffix` is `_bucket`, `_count` or `_sum` of a histogram. Raises ValueError."""
        known = (*metric.labels, "le") if suffix == "_bucket" else metric.labels
        if not labels.keys() <= set(known) or bool(suffix) != (metric.kind == "histogram"):
            raise ValueError(f"{metric.name}{suffix} has no labels {sorted(labels)}")
        return selector(f"{PREFIX}{metric.name}{suffix}", {GATEWAY: self.gateway, **labels})

    def total(
        self, call: str, metric: Metric, *by: str, window: str = INTERVAL, suffix: str = "", **labels: str
    ) -> str:
        """`rate` or `increase` of a counter, summed up `by` labels."""
        self._check(metric, by)
        return f"sum{_by(by)} ({call}({self.of(metric, suffix, **labels)}[{window}]))"

    def gained(self, metric: Metric, *by: str, window: str, **labels: str) -> str:
        """How much a counter grew that says something seldom: a series that began within the window has no increase
        from nothing to its first value yet, which may be all there is, and is taken as it stands.
        """
        self._check(metric, by)
        series = self.of(metric, **labels)
        return f"sum{_by(by)} (({series} unless {series} offset {window}) or increase({series}[{window}]))"

    def rate(self, metric: Metric, *by: str, window: str = INTERVAL, **labels: str) -> str:
        """Of a counter, or the values of a histogram, per second."""
        suffix = "_count" if metric.kind == "histogram" else ""
        return self.total("rate", metric, *by, window=window, suffix=suffix, **labels)

    def quantile(self, quantile: float, metric: Metric, *by: str, **labels: str) -> str:
        """The value that this share of a histogram is below."""
        buckets = self.total("rate", metric, "le", *by, suffix="_bucket", **labels)
        return f"histogram_quantile({quantile}, {buckets})"

    def gauge(self, metric: Metric, *by: str, **labels: str) -> str:
        """A gauge over all machines: put together as the workers of one machine are."""
        self._check(metric, by)
        return f"{metric.kind}{_by(by)} ({self.of(metric, **labels)})"

    def _check(self, metric: Metric, by: Sequence[str]) -> None:
        if not set(by) <= {*metric.labels, "le"}:
            raise ValueError(f"{metric.name} has no labels {sorted(by)}")


def selector(name: str, labels: dict[str, str]) -> str:
    """A selector of PromQL."""
    return f"{name}{{{','.join(f'{key}{_matched(value)}' for key, value in labels.items())}}}"


def _matched(value: str) -> str:
    text = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'=~"{text}"' if isinstance(value, Pattern) else f'="{text}"'


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
