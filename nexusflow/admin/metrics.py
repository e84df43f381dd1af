"""`GET /metrics` for administrators, where the page has no port of its own."""

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from nexusflow.endpoints.address import nowhere
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit, client_address, permit_admin
from nexusflow.flow.client import answer
from nexusflow.ir.plan import Server
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.runtime import Runtime
from nexusflow.telemetry import merge, text
from nexusflow.telemetry.exporter import PATH
from nexusflow.wire.head import inspect


class MetricsPage(Surface):
    """Sums up the boards of all workers of this host. Errors are in OpenAI's form."""

    errors = openai_errors

    def __init__(self, runtime: Runtime, server: Server) -> None:
        self.bind(runtime)
        self._max_headers = server.request.max_headers
        self._elsewhere = server.telemetry.metrics_port is not None

    async def serve(self, call: Call) -> None:
        """The page, for keys that may read the admin API."""
        head = inspect(call.scope["headers"], self._max_headers)
        permit_admin(admit(head.credential, self.runtime.keys), client_address(call.scope), write=False)
        folder = self.runtime.settings.metrics
        if folder is None or self._elsewhere:
            raise nowhere()
        accept = (head.first(b"accept") or b"").decode("latin-1")
        kind, body = text.render(merge.total(folder), accept)
        await answer(call.send, 200, body, call.client.headers, kind.encode())


def metrics_routes(runtime: Runtime, server: Server) -> list[ASGIRouteHandler]:
    """The handler, bound to this worker."""
    page = MetricsPage(runtime, server)

    @asgi(PATH, copy_scope=False)
    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        await page(scope, receive, send)

    return [metrics]
