"""Asks providers whether they are there, beside all requests: each at its own pace, once per worker (contract 2.11).

What it finds goes to the `Fleet`; a request never waits for a probe.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nexusflow.flow.health import Fleet
from nexusflow.flow.served import Upstreams, lacks_credential, probe_target
from nexusflow.ir.plan import Provider
from nexusflow.upstream.http1_transport import Http1Transport
from nexusflow.upstream.transport import Outgoing, Target, Transport, UpstreamFault

SECONDS = 5.0
"""How long one probe may take, from the name to the head of the answer; the body is not read."""
FIRST_WITHIN_S = 10.0
"""The first probe comes by chance within this time, so that workers and providers do not keep step."""

_log = logging.getLogger("nexusflow.health")
_random = random.Random().random  # noqa: S311  # spreading load, not keeping a secret

Sleep = Callable[[float], Awaitable[None]]


class _Round(NamedTuple):
    """What is asked, and how often; where nothing of it changes, a swap of artifacts interrupts nothing."""

    provider: Provider
    path: str
    seconds: float
    target: Target


class Checker:
    """One per worker. It outlives artifacts and follows the live one."""

    def __init__(
        self,
        fleet: Fleet,
        open_transport: Callable[[int], Transport] = Http1Transport,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._fleet = fleet
        self._open = open_transport
        self._sleep = sleep
        self._rounds: dict[str, tuple[_Round, asyncio.Task[None]]] = {}

    def adopt(self, providers: Sequence[Provider], upstreams: Upstreams) -> None:
        """Probe those of `providers` that want it, and no others, from now on."""
        wanted = {
            provider.id: _Round(
                provider, probe.path, probe.interval_ms / 1000, probe_target(provider, probe.path, upstreams)
            )
            for provider in providers
            if (probe := provider.probe) is not None and not lacks_credential(provider)
        }
        for name, (old, task) in list(self._rounds.items()):
            if wanted.get(name) != old:
                task.cancel()
                del self._rounds[name]
            if name not in wanted or wanted[name].target != old.target:
                self._fleet.unprobed(name)
        for name, new in wanted.items():
            if name not in self._rounds:
                self._rounds[name] = (new, asyncio.create_task(self._go(new), name=f"probes of {name}"))

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = [task for _, task in self._rounds.values()]
        self._rounds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _go(self, this: _Round) -> None:
        # Connections of its own, and a new one each time: a full pool is no illness, and a kept connection no proof.
        transport = self._open(1)
        lost = False
        await self._sleep(_random() * min(this.seconds, FIRST_WITHIN_S))
        while True:
            status, trouble = await _ask(transport, this.target)
            self._fleet.probed(this.provider, trouble)
            if trouble is None and not lost and (300 <= status < 400 or status in (404, 405)):
                lost = True
                _log.warning(
                    "probes of %s: it is there but answers %d to %s; set `health.path` of it to a path that it has",
                    *(this.provider.id, status, this.path),
                )
            await self._sleep(this.seconds)


async def _ask(transport: Transport, target: Target) -> tuple[int, str | None]:
    """The status of the answer, 0 without one, and what is wrong with the provider."""
    try:
        async with asyncio.timeout(SECONDS):
            reply = await transport.send(Outgoing(target, b"", SECONDS))
    except TimeoutError:
        return 0, f"no answer within {SECONDS:g} s"
    except UpstreamFault as fault:
        return 0, str(fault)
    reply.close(reusable=False)
    return reply.status, trouble_of(reply.status)


def trouble_of(status: int) -> str | None:
    """Why an answer with this status is a bad sign, or None: whoever says 404 or 429 is there."""
    if status in (401, 403):
        return f"status {status}: it does not accept the credential"
    return f"status {status}" if status >= 500 else None
