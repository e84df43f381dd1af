"""The three engines against a naive reading of the rules, in fractions, over random histories."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexusflow.limits import Ask, Engine, Granted, Limit, Ticket
from nexusflow.limits.engine import CLOSED_TICKET_MS
from tests.support.limits import LEASE_MS, Site, limit, memory_site, redis_site, sqlite_site, stop_time
from tests.support.redis import RedisServer
from tests.unit.limits.conftest import ENGINES

LIMITS = (
    limit("requests", 5),
    limit("tokens", 100),
    limit("tokens", 50, scope="model", subject="m", window_ms=1000),
    limit("concurrency", 2),
    limit("streams", 1, scope="deployment", subject="d"),
)
Step = tuple[str, int, int, tuple[int, ...]]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "ask", "ask", "settle", "settle", "release", "repeat", "renew", "wait")),
        st.integers(0, 20),
        st.sampled_from((0, 1, 7, 20, 33, 60, 100)),
        st.lists(st.integers(0, len(LIMITS) - 1), unique=True).map(tuple),
    ),
    max_size=40,
)
WAITS_MS = (1, 30, 333, 1000, 11_000, LEASE_MS - 1, LEASE_MS, 60_000)


class Naive:
    """Units in use, in fractions that drain with time; slots by holder. Written from the rules alone."""

    def __init__(self) -> None:
        self.now = Fraction(0)
        self.used = {one: Fraction(0) for one in LIMITS}
        self.holders: dict[Limit, dict[str, Fraction]] = {one: {} for one in LIMITS}
        self.open: dict[str, tuple[Ask, dict[Limit, Fraction]]] = {}
        self.closed: dict[str, Fraction] = {}

    def wait(self, ms: int) -> None:
        self.now += ms
        for one in LIMITS:
            self.used[one] = max(self.used[one] - self.rate(one) * ms, Fraction(0))
            self.holders[one] = {name: end for name, end in self.holders[one].items() if end > self.now}

    def reserve(self, asked: Ask) -> bool:
        if asked.id in self.open or asked.id in self.closed:
            return True
        if any(self.level(one) + self.units(one, asked.tokens) > one.amount for one in asked.limits):
            return False
        drained = {}
        for one in asked.limits:
            if one.slots:
                self.holders[one][asked.id] = self.now + LEASE_MS
            else:
                self.used[one] += self.units(one, asked.tokens)
                drained[one] = self.now + self.used[one] / self.rate(one)
        self.open[asked.id] = (asked, drained)
        return True

    def settle(self, asked: Ask, tokens: int | None) -> None:
        for one in asked.limits:
            self.holders[one].pop(asked.id, None)
        _, drained = self.open.pop(asked.id, (asked, {}))
        self.closed.setdefault(asked.id, self.now)
        for one, end in drained.items():
            if tokens is None:
                change = -self.units(one, asked.tokens)
            else:
                change = self.units(one, tokens) - self.units(one, asked.tokens)
            still = max(end - self.now, Fraction(0)) * self.rate(one)
            self.used[one] = max(self.used[one] + max(Fraction(change), -still), Fraction(0))

    def renew(self, asked: Ask) -> None:
        if asked.id not in self.closed:
            for one in asked.limits:
                if one.slots:
                    self.holders[one][asked.id] = self.now + LEASE_MS

    def forgotten(self, asked: Ask) -> bool:
        """Whether it ended so long ago that engines need not know it any more."""
        return self.now - self.closed.get(asked.id, self.now) >= CLOSED_TICKET_MS

    def level(self, one: Limit) -> Fraction:
        return Fraction(len(self.holders[one])) if one.slots else self.used[one]

    def seen(self, one: Limit) -> tuple[int, int]:
        """What is left, and after how many ms all is."""
        left = max(floor(one.amount - self.level(one)), 0)
        return left, 0 if one.slots else ceil(self.used[one] / self.rate(one))

    @staticmethod
    def units(one: Limit, tokens: int) -> int:
        return tokens if one.kind == "tokens" else 1

    @staticmethod
    def rate(one: Limit) -> Fraction:
        return Fraction(one.amount, one.window_ms)


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_do_what_the_naive_model_does(
    kind: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=STEPS)
    def check(steps: list[Step]) -> None:
        site = new_site(kind, folder, redis_server)
        site.run(lambda engine: replay(engine, site, steps))

    with pytest.MonkeyPatch.context() as patch:
        stop_time(patch)
        check()


def new_site(kind: str, folder: Path, server: RedisServer) -> Site:
    if kind == "memory":
        return memory_site()
    return sqlite_site(folder) if kind == "sqlite" else redis_site(server)


async def replay(engine: Engine, site: Site, steps: Sequence[Step]) -> None:
    naive = Naive()
    tickets: list[Ticket] = []
    passed: dict[str, tuple[Ask, int]] = {}
    debts = False
    for number, (what, which, tokens, places) in enumerate(steps):
        ticket = tickets[which % len(tickets)] if tickets else None
        if what == "wait":
            ms = WAITS_MS[which % len(WAITS_MS)]
            site.clock.advance(ms)
            naive.wait(ms)
        elif what == "ask":
            asked = Ask(f"call-{number}", tuple(LIMITS[place] for place in places), tokens)
            answer = await engine.reserve(asked)
            assert isinstance(answer, Granted) == naive.reserve(asked)
            if isinstance(answer, Granted):
                tickets.append(answer.ticket)
                passed[asked.id] = (asked, tokens)
            assert [(state.remaining, state.reset_ms) for state in answer.states] == list(map(naive.seen, asked.limits))
        elif ticket is None:
            continue
        elif what == "repeat":
            if naive.forgotten(ticket.ask):
                continue
            assert isinstance(await engine.reserve(ticket.ask), Granted)
        elif what == "renew":
            if naive.forgotten(ticket.ask):
                continue
            await engine.renew([ticket])
            naive.renew(ticket.ask)
        else:
            used = None if what == "release" else tokens
            debts |= used is not None and used > ticket.ask.tokens and ticket.ask.id in naive.open
            if ticket.ask.id in naive.open:
                passed[ticket.ask.id] = (ticket.ask, used or 0)
            await engine.settle(ticket, used)
            naive.settle(ticket.ask, used)
        states = await engine.peek(LIMITS)
        assert [(state.remaining, state.reset_ms) for state in states] == list(map(naive.seen, LIMITS))
    if not debts:
        check_allowance(passed, naive.now)


def check_allowance(passed: dict[str, tuple[Ask, int]], elapsed_ms: Fraction) -> None:
    """Never more tokens than one full bucket and what has flowed into it since."""
    for one in LIMITS:
        if one.kind == "tokens":
            used = sum(tokens for asked, tokens in passed.values() if one in asked.limits)
            assert used <= one.amount + elapsed_ms * Naive.rate(one)
