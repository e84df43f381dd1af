"""The page of metrics, served by the process that supervises the workers: a scrape takes nothing from any of them."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from nexusflow.telemetry import merge, text

PATH = "/metrics"
_log = logging.getLogger("nexusflow.telemetry")


class Exporter:
    """Listens on `host`:`port` from `start` on, as long as its process lives."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        """Raises OSError where the port is taken."""
        self._folder = folder
        self._folding = threading.Lock()
        exporter = self

        class Page(BaseHTTPRequestHandler):
            server_version = "nexusflow"
            sys_version = ""

            def do_GET(self) -> None:
                """A scrape."""
                if self.path.partition("?")[0] != PATH:
                    self.send_error(404, f"metrics are at {PATH}")
                    return
                kind, body = exporter.page(self.headers.get("accept", ""))
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Scrapes are no news."""

        self._server = ThreadingHTTPServer((host, port), Page)
        self._server.daemon_threads = True

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def page(self, accept: str) -> tuple[str, bytes]:
        """Content type and text. What dead workers counted is kept in one file, and their own are removed."""
        with self._folding:
            try:
                merge.fold(self._folder)
            except OSError:
                _log.exception("the metrics of dead workers could not be put together; they are read one by one")
            return text.render(merge.total(self._folder), accept)
