"""`/healthz` and `/readyz`: is the process alive, and should it get traffic. No key, no secrets."""

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from nexusflow.flow.client import answer
from nexusflow.runtime import Runtime


def health_routes(runtime: Runtime) -> list[ASGIRouteHandler]:
    """The two handlers, bound to this worker."""

    @asgi("/healthz", copy_scope=False)
    async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
        body = {"status": "ok", **msgspec.to_builtins(runtime.swaps), "losses": runtime.losses.found}
        await answer(send, 200, msgspec.json.encode(body), ())

    @asgi("/readyz", copy_scope=False)
    async def readyz(scope: Scope, receive: Receive, send: Send) -> None:
        ready = runtime.swaps.live is not None and not runtime.draining
        body = {"ready": ready, "draining": runtime.draining, "live": runtime.swaps.live}
        await answer(send, 200 if ready else 503, msgspec.json.encode(body), ())

    return [healthz, readyz]
