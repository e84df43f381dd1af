"""A provider of chat that is probed: it answers calls well, and probes as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,'
    b'"total_tokens":2}}'
)


class Probed:
    """`probe_status` is what a probe gets; None: nothing, the connection is closed. `probes` are their paths."""

    def __init__(self) -> None:
        self.probe_status: int | None = 200
        self.probes: list[str] = []
        self.calls = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.probes.append(self.path)
                if outer.probe_status is None:
                    self.close_connection = True
                else:
                    self._say(outer.probe_status, b"{}")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.calls += 1
                self._say(200, ANSWER)

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read what they need from `Probed`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_address[1]


@contextmanager
def probed() -> Iterator[Probed]:
    """One that runs until the block ends."""
    found = Probed()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
