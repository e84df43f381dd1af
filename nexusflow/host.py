"""The ASGI callable that Granian runs and that never changes: it holds the live artifact and swaps it (R-34).

A new artifact proves itself before it goes live; if it does not, the old one stays. Requests in flight keep the app
that admitted them.
"""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from litestar.types import ASGIApp, Receive, Scope, Send

from nexusflow.flow.proxies import Proxies
from nexusflow.ir.plan import Server
from nexusflow.loading import ArtifactRefused, Loaded, build_app, forget, load
from nexusflow.runtime import Runtime, open_runtime
from nexusflow.settings import Settings

POLL_SECONDS = 0.5
COLLECT_AFTER = 20_000
"""New objects between two passes of the collector. A call leaves no cycles behind, so that few passes find anything,
while each walks what hundreds of calls in flight hold."""

_log = logging.getLogger("nexusflow.host")


class Live:
    """The artifact that a process works by, and its runtime: all of a process that answers nobody."""

    fixed: ClassVar[tuple[str, ...]] = ("database",)
    """What of `gateway` a swap must not change."""

    def __init__(self) -> None:
        self._loaded: Loaded
        self._runtime: Runtime
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, settings: Settings) -> None:
        """Load the current artifact and open the runtime. Raises `ArtifactRefused` or a store error."""
        current = settings.build / "current"
        loaded = load(current.resolve())
        self._runtime = open_runtime(settings, loaded.plan.server)
        await self._runtime.start()
        put = await self._prove(loaded)
        await self._runtime.adopt(loaded.module.artifact)
        put()
        self._loaded = loaded
        self._runtime.swaps.live = self._runtime.swaps.wanted = loaded.digest
        self._watcher = asyncio.create_task(self._watch(current))
        # Start-up objects live as long as the process: keep the collector from walking them on every pass.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)

    async def stop(self) -> None:
        """Stop watching and close the runtime."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._runtime.close()

    async def swap(self, directory: Path) -> None:
        """Make the artifact in `directory` live. Raises `ArtifactRefused` and leaves everything as it was."""
        loaded = load(directory)
        if loaded.digest == self._loaded.digest:
            return
        try:
            _require_same(self.fixed, self._loaded.plan.server, loaded.plan.server)
            put = await self._prove(loaded)
        except ArtifactRefused:
            forget(loaded.module.__name__)
            raise
        await self._runtime.adopt(loaded.module.artifact)
        old, self._loaded = self._loaded, loaded
        put()
        self._runtime.swaps.live = loaded.digest
        self._runtime.meter.reloaded("live")
        forget(old.module.__name__)
        _log.info("artifact %s is live, was %s", loaded.digest[:12], old.digest[:12])

    async def _prove(self, loaded: Loaded) -> Callable[[], None]:
        """Try whether `loaded` can serve here; what is returned puts it in its place. Raises `ArtifactRefused`."""
        return lambda: None

    async def _watch(self, current: Path) -> None:
        """Follow the `current` link. Each wanted artifact is tried once, and refused loudly or served."""
        tried = _target(current)
        while True:
            await asyncio.sleep(POLL_SECONDS)
            wanted = _target(current)
            if wanted == tried:
                continue
            tried = wanted
            swaps = self._runtime.swaps
            swaps.wanted = wanted.name
            try:
                await self.swap(wanted)
                swaps.wanted, swaps.refused, swaps.reason = swaps.live, None, None
            except ArtifactRefused as refused:
                swaps.refused, swaps.reason = wanted.name, str(refused)
                self._runtime.meter.reloaded("refused")
                _log.error("artifact %s refused, the old one keeps serving: %s", wanted.name, refused)


class Host(Live):
    """One per worker of the gateway."""

    fixed = ("host", "port", "workers", "database")

    def __init__(self) -> None:
        super().__init__()
        self._app: ASGIApp
        self._proxies: Proxies | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = str(scope["type"])
        if kind == "http":
            if self._proxies is not None:
                self._proxies.unmask(scope)
            await self._app(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003, "reason": None})

    async def _prove(self, loaded: Loaded) -> Callable[[], None]:
        app = await build_app(loaded, self._runtime)

        def put() -> None:
            self._app = app
            trusted = loaded.plan.server.trusted_proxies
            self._proxies = Proxies(trusted) if trusted else None

        return put

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.start(Settings.read())
        except Exception as error:
            _log.exception("start refused")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        with contextlib.suppress(asyncio.CancelledError):
            await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _target(link: Path) -> Path:
    """Where the link points now: one system call, cheap enough for the event loop."""
    return link.resolve()


def _require_same(names: Sequence[str], old: Server, new: Server) -> None:
    """Refuse a swap that would need other sockets, workers or stores."""
    for name in names:
        if getattr(old, name) != getattr(new, name):
            raise ArtifactRefused(f"`{name}` changed; restart the gateway to apply this")


app = Host()
