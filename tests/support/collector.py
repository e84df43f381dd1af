"""A collector of traces on a socket of this process, which reads what it is sent with OpenTelemetry's own code."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATIENCE_S = 20.0


class Collector:
    """What came, and how it answers: `statuses` are used up one by one, then it is 200; `delay_s` comes before each."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.statuses: list[int] = []
        self.delay_s = 0.0
        self.rejected = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """One export. Raises DecodeError for bytes that are no request."""
        self.paths.append(path)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        request = ExportTraceServiceRequest.FromString(body)
        time.sleep(self.delay_s)
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return status, b"no"
        for resource in request.resource_spans:
            self.resources.append(attributes(resource.resource))
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        partial = ExportTracePartialSuccess(rejected_spans=self.rejected, error_message="too many")
        answer = ExportTraceServiceResponse(partial_success=partial) if self.rejected else ExportTraceServiceResponse()
        return 200, answer.SerializeToString()

    def traces(self) -> dict[bytes, list[Any]]:
        """The spans of each trace, in the order in which they were sent."""
        found: dict[bytes, list[Any]] = {}
        for span in list(self.spans):
            found.setdefault(span.trace_id, []).append(span)
        return found

    def wait(self, number: int) -> list[list[Any]]:
        """The spans of so many traces, once they are there. Fails where they do not come, or more do."""
        ends = time.monotonic() + PATIENCE_S
        while len(self.traces()) < number:
            assert time.monotonic() < ends, f"{len(self.traces())} of {number} traces came"
            time.sleep(0.02)
        assert len(self.traces()) == number
        return list(self.traces().values())


def attributes(of: Any) -> dict[str, Any]:
    """Attributes as a dictionary; none may be there twice."""
    found = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}
    assert len(found) == len(of.attributes)
    return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that listens until the end of the block."""
    collector = Collector()

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = collector.take(self.path, self.headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever sent it did not wait for the answer."""

    server = Server(("127.0.0.1", 0), Page)
    collector.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
