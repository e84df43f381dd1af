"""How well each deployment serves, as this worker sees it, and when to try it again (contract 2.11, R-02).

Only what is the provider's fault counts; a caller's bad request says nothing of a deployment (class C).
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from nexusflow.flow.failure import Failure
from nexusflow.flow.retries import RetryBudget
from nexusflow.flow.served import ServedLane
from nexusflow.flow.strategy import Asker, arranged
from nexusflow.ir.plan import Provider, Strategy

WINDOW_S, FEWEST = 30.0, 20
"""Half of at least so many attempts in this time take a deployment down that fails now and then (R-02)."""
FIRST_EJECTION_S, LONGEST_EJECTION_S = 1.0, 60.0
CREDENTIAL_S = 60.0
"""How long a deployment that does not accept our key is left alone."""
WEIGHT = 0.2
"""Of the newest answer in the mean time to wait for one."""
FORGOTTEN_S = 30.0
"""After this time without an answer half of the mean is forgotten."""
UNTOLD_S = 1.0
"""How long a deployment cools that says 429 but not for how long."""

State = Literal["healthy", "degraded", "down", "cooling"]
_DONE, _LEFT = "done", "left"
_RANK: dict[State, int] = {"healthy": 0, "degraded": 1, "cooling": 2, "down": 2}
_random = random.Random().random  # noqa: S311  # spreading load, not keeping a secret
_log = logging.getLogger("nexusflow.health")


class Site:
    """One provider, as probes find it: how many failed in a row, the verdict on that, and what is deployed there."""

    __slots__ = ("deployments", "failures", "state")

    def __init__(self) -> None:
        self.deployments: list[Deployment] = []
        self.failures = 0
        self.state: State = "healthy"


class Deployment:
    """One model at one provider. Seconds are monotonic. `in_flight` are the attempts that wait for it now.

    `verdict` is what `failures` in a row make of it until `away_until`; `unreached` says that the last was no
    connection. `results` are its attempts since the start by how they ended, for metrics.
    """

    __slots__ = (
        *("attempts", "away_until", "bad", "cooling_until", "failures", "in_flight", "model", "name", "provider"),
        *("results", "seen_at", "since", "site", "unreached", "verdict", "wait"),
    )

    def __init__(self, provider: str, model: str, site: Site) -> None:
        self.provider = provider
        self.model = model
        self.name = f"{provider} ({model})"
        self.site = site
        self.results: Counter[str] = Counter()
        self.verdict: State = "healthy"
        self.unreached = False
        self.failures = 0
        self.away_until = 0.0
        self.cooling_until = 0.0
        self.since = self.attempts = self.bad = 0.0
        self.in_flight = 0
        self.wait = self.seen_at = 0.0

    def note_wait(self, seconds: float, now: float) -> None:
        """An answer began after so long: a mean in which the last few count most."""
        self.wait = seconds if not self.wait else self.wait + WEIGHT * (seconds - self.wait)
        self.seen_at = now

    def expected(self, now: float) -> float:
        """What to fear of one call more (R-05). What is not seen is forgotten, or a lane once slow were never seen."""
        kept: float = 0.5 ** ((now - self.seen_at) / FORGOTTEN_S)
        return self.wait * kept * (self.in_flight + 1)

    def count(self, now: float, *, bad: bool) -> None:
        """One attempt more, and whether it failed."""
        if now - self.since > WINDOW_S:
            self.since, self.attempts, self.bad = now, 0, 0
        self.attempts += 1
        self.bad += bad

    @property
    def flapping(self) -> bool:
        """Whether it fails as often as not."""
        return self.attempts >= FEWEST and self.bad * 2 >= self.attempts

    def state(self, now: float) -> State:
        """A deployment whose time away is over counts as healthy, so that a request tries it; see `Fleet.order`."""
        if now < self.cooling_until:
            return "cooling"
        probed = self.site.state
        if now >= self.away_until or probed == "down":
            return probed
        return self.verdict


class Fleet:
    """All deployments of this worker, by provider and the model's name there; they outlive swaps of the artifact."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], Deployment] = {}
        self._sites: dict[str, Site] = {}
        self.budgets: dict[str, RetryBudget] = {}
        """By the model that was asked for."""
        self.turns: Counter[tuple[str, str]] = Counter()
        """By model and class of failure."""

    def order(self, lanes: Sequence[ServedLane], strategy: Strategy, asker: Asker) -> Sequence[ServedLane]:
        """`lanes` in the order to try them: the healthy ones first, then by the place that `asker` gives each, and by
        `strategy` where that is equal.

        Those that are down or cool are left out as long as others are there; alone they are still tried (R-02). One
        whose time away is over is tried by a single request, and is away for others until that has ended.
        """
        now = self._clock()
        ranks = [_RANK[self._of(lane).state(now)] for lane in lanes]
        best = min(ranks)
        alike = asker.fits is None
        tiers: dict[tuple[int, ...], list[ServedLane]] = {}
        for rank, lane in zip(ranks, lanes, strict=True):
            if rank < 2 or best == 2:  # away
                tiers.setdefault((rank, lane.priority) if alike else (rank, *asker.place(lane)), []).append(lane)
        ordered: list[ServedLane] = []
        for tier in sorted(tiers):
            ordered += arranged(strategy, tiers[tier], asker, lambda lane: self._of(lane).expected(now))
        self._try_again(ordered[0], now)
        return ordered

    def budget(self, model: str, *, choice: bool) -> RetryBudget:
        """What may be spent on trying calls of `model` again, one more of which begins; `choice`: by several ways."""
        found = self.budgets.get(model)
        if found is None:
            found = self.budgets[model] = RetryBudget(self._clock)
        if choice:
            found.called()
        return found

    def began(self, lane: ServedLane) -> float:
        """An attempt begins; returns the time, for `ended`."""
        self._of(lane).in_flight += 1
        return self._clock()

    def ended(self, lane: ServedLane, began: float, heard_at: float) -> None:
        """It is over. `heard_at` is when its answer began; before `began` it never did."""
        deployment = self._of(lane)
        deployment.in_flight -= 1
        if heard_at >= began:
            deployment.note_wait(heard_at - began, self._clock())

    def succeeded(self, lane: ServedLane) -> None:
        """A good answer: failures in a row are forgotten, not how many there were."""
        deployment = self._of(lane)
        deployment.results[_DONE] += 1
        deployment.count(self._clock(), bad=False)
        if deployment.failures:
            if deployment.verdict != "healthy":
                _log.warning("%s serves again", deployment.name)
                deployment.verdict = "healthy"
            deployment.failures = 0
            deployment.away_until = 0.0

    def failed(self, lane: ServedLane, failure: Failure, retry_after: int | None) -> None:
        """An attempt ended in `failure`; `retry_after` seconds are as the provider says."""
        deployment, now, provider = self._of(lane), self._clock(), lane.provider
        deployment.results[failure.name.lower()] += 1
        if failure is Failure.CALLER:
            return
        if failure is Failure.REFUSED and retry_after is not None:
            deployment.cooling_until = now + retry_after
            return
        if failure is Failure.CREDENTIAL:
            _log.error("%s refuses our credentials or does not know the model; it is left alone", deployment.name)
            deployment.failures = max(deployment.failures + 1, provider.down_after)
            deployment.verdict, deployment.unreached = "down", False
            deployment.away_until = now + CREDENTIAL_S
            return
        deployment.failures += 1
        deployment.unreached = failure is Failure.NOT_SENT
        deployment.count(now, bad=True)
        if deployment.flapping and deployment.failures < provider.down_after:
            deployment.failures = provider.down_after
        verdict = judged(deployment.failures, provider)
        if verdict == "healthy":
            return
        if verdict != deployment.verdict:
            _log.warning("%s is %s", deployment.name, verdict)
            deployment.verdict = verdict
        times = deployment.failures - min(provider.degraded_after, provider.down_after)
        seconds = min(FIRST_EJECTION_S * 2.0 ** min(times, 30), LONGEST_EJECTION_S)
        deployment.away_until = now + seconds * (0.8 + 0.4 * _random())

    def left(self, lane: ServedLane) -> None:
        """An attempt ended because its client had left, or the gateway stops."""
        self._of(lane).results[_LEFT] += 1

    def turned(self, model: str, failure: Failure) -> None:
        """After an attempt for `model` that ended in `failure` there is another one."""
        self.turns[model, failure.name.lower()] += 1

    def probed(self, provider: Provider, trouble: str | None) -> None:
        """A probe of `provider` ended in `trouble`, or well.

        What calls have found out about its deployments stays, but those that were not reached may be tried at once.
        """
        site = self._site(provider.id)
        site.failures = site.failures + 1 if trouble is not None else 0
        if trouble is None:
            for deployment in site.deployments:
                if deployment.unreached:
                    deployment.away_until = 0.0
        state = judged(site.failures, provider)
        if state != site.state:
            site.state = state
            _log.warning("probes of %s: it is %s%s", provider.id, state, f" ({trouble})" if trouble is not None else "")

    def unprobed(self, provider: str) -> None:
        """It is probed no longer, or elsewhere: what probes have found is forgotten."""
        site = self._site(provider)
        site.failures, site.state = 0, "healthy"

    def state(self, lane: ServedLane) -> State:
        """How a deployment stands now."""
        return self._of(lane).state(self._clock())

    def ranks(self) -> Iterator[tuple[Deployment, int]]:
        """All deployments that were called: 0 those that serve well, 1 degraded, 2 down or cooling."""
        now = self._clock()
        for deployment in self._known.values():
            yield deployment, _RANK[deployment.state(now)]

    def _try_again(self, lane: ServedLane, now: float) -> None:
        deployment = self._of(lane)
        if deployment.verdict != "healthy" and deployment.away_until <= now:
            deployment.away_until = now + FIRST_EJECTION_S

    def _of(self, lane: ServedLane) -> Deployment:
        key = (lane.provider.id, lane.destination.model)
        found = self._known.get(key)
        if found is None:
            site = self._site(lane.provider.id)
            found = self._known[key] = Deployment(*key, site)
            site.deployments.append(found)
        return found

    def _site(self, provider: str) -> Site:
        found = self._sites.get(provider)
        if found is None:
            found = self._sites[provider] = Site()
        return found


def judged(failures: int, provider: Provider) -> State:
    """What so many failures in a row make of `provider`, or of one deployment there."""
    if failures >= provider.down_after:
        return "down"
    return "degraded" if failures >= provider.degraded_after else "healthy"
