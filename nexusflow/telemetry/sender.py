"""Takes traces to a collector, in a thread of its own: no call waits for it, and none fails when it is gone.

What has no room, and what the collector does not take, is dropped and counted.
"""

import http.client
import logging
import os
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from nexusflow import __version__
from nexusflow.ir.plan import Traces
from nexusflow.ir.secret import read_secret
from nexusflow.telemetry import otlp
from nexusflow.telemetry.conventions import INSTANCE, NAMES, SERVICE, SERVICE_VERSION
from nexusflow.telemetry.spans import count, spans
from nexusflow.telemetry.trace import Trace

MOST_TRACES = 2_048
"""That may wait; a batch that is being sent is not among them."""
BATCH = 128
PAUSE_S = 0.5
TIMEOUT_S = 5.0
"""For each step of a request: to connect, to send, to hear more."""
RETRY_S = (1.0, 4.0)
"""Waits before a batch is sent again, where the collector wants that or is not there."""
_LATER = frozenset((429, 502, 503, 504))
_MOST_ANSWER = 64 * 1024
_log = logging.getLogger("nexusflow.telemetry")


class TracesRefused(Exception):
    """`telemetry.traces` cannot be served as it stands."""


class Sender:
    """`put` on the event loop; the rest in a thread that starts with the first trace."""

    def __init__(
        self, policy: Traces, service: str, headers: Mapping[str, str], pause_s: float = PAUSE_S,
        retry_s: tuple[float, ...] = RETRY_S, timeout_s: float = TIMEOUT_S, most: int = MOST_TRACES,
    ) -> None:  # fmt: skip
        self.dropped = 0
        """Spans that had no room or were not taken."""
        self._names = NAMES[policy.conventions]
        self._collector = _Collector(policy.endpoint, headers, timeout_s)
        instance = f"{os.uname().nodename}-{os.getpid()}"
        who = {SERVICE: service, SERVICE_VERSION: __version__, INSTANCE: instance}
        self._resource = otlp.resource(who)
        self._pause_s, self._retry_s, self._most = pause_s, retry_s, most
        self._waiting: deque[Trace] = deque()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lost = threading.Lock()
        self._silent = False

    def put(self, trace: Trace) -> bool:
        """Send it with the next ones; False where there is no room."""
        if len(self._waiting) >= self._most:
            self._drop(count(trace))
            return False
        self._waiting.append(trace)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
            self._thread.start()
        return True

    def close(self, seconds: float = 2.0) -> None:
        """Send what is left, once and for at most so long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            self._empty()
        self._empty()
        self._collector.close()

    def _empty(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                self._send(some)
            except Exception:  # a mistake of ours must not end the thread
                _log.exception("traces could not be sent")
                self._drop(sum(map(count, some)))

    def _send(self, traces: Iterable[Trace]) -> None:
        state = [(one, one.parent.state if one.parent is not None else b"") for one in traces]
        made = [otlp.span(one.id, told, span) for one, told in state for span in spans(one, self._names)]
        body = otlp.request(self._resource, "nexusflow", __version__, made)
        for wait in (*self._retry_s, None):
            trouble, later, rejected = self._collector.post(body)
            if not later or wait is None or self._stop.wait(wait):
                break
        self._heard(trouble, len(made) if trouble else rejected)

    def _heard(self, trouble: str | None, lost: int) -> None:
        """Say once that the collector takes nothing, and once that it does again."""
        if lost:
            self._drop(lost)
        if (trouble is not None) != self._silent:
            self._silent = not self._silent
            said = f"the collector takes no traces: {trouble}" if trouble else "the collector takes traces again"
            _log.warning("%s", said)

    def _drop(self, number: int) -> None:
        with self._lost:  # two threads count
            self.dropped += number


class _Collector:
    """One connection, made anew whenever it fails. Redirects are not followed."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._address = urlsplit(endpoint)
        self._headers = {"user-agent": f"nexusflow/{__version__}", **headers, "content-type": "application/x-protobuf"}
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> tuple[str | None, bool, int]:
        """What is wrong, whether to try again, and how many spans were not taken though nothing is wrong."""
        try:
            self._connection = self._connection or self._open()
            self._connection.request("POST", self._address.path, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read(_MOST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return f"{type(error).__name__}: {error}", True, 0
        if response.status == 200:
            return None, False, otlp.rejected(answer)
        self.close()
        return f"status {response.status}", response.status in _LATER, 0

    def close(self) -> None:
        """Use another connection next time."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def open_sender(policy: Traces, service: str) -> Sender:
    """A sender with the headers that the environment or a file names. Raises `TracesRefused`."""
    headers = {}
    if policy.headers is not None:
        secret = read_secret(policy.headers, os.environ)
        if secret is None:
            where = f"{policy.headers.source} {policy.headers.name}"
            raise TracesRefused(f"telemetry.traces.headers is empty or missing ({where}).")
        headers = read_headers(secret.reveal())
    return Sender(policy, service, headers)


def read_headers(text: str) -> dict[str, str]:
    """Headers in the form of OTEL_EXPORTER_OTLP_HEADERS: `name=value,name=value`. Raises `TracesRefused`."""
    found = {}
    for pair in text.split(","):
        name, equals, value = (unquote(part.strip()) for part in pair.partition("="))
        if not (equals and name.replace("-", "").isalnum() and value.isascii() and value.isprintable()):
            raise TracesRefused("telemetry.traces.headers must have the form name=value,name=value.")
        found[name.lower()] = value
    return found
