"""A proxy in front of PostgreSQL that ends a connection around its COMMIT: what became of it nobody can tell."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.support.postgres import PostgresServer

FATES = ("unsent", "unanswered", "backend killed", "server killed")
"""What a cut does: keep the COMMIT back; let the server carry it out and swallow the answer; pass it on and at once
kill with SIGKILL the process that works on it, or the whole server."""

_COMMIT = b"COMMIT\0"
_POSTING = b"INSERT INTO transfer"
_PREPARED = re.compile(rb"(_pg3_\d+\0)" + _POSTING)
"""psycopg prepares a statement that it sends often, and then sends only this name of it."""


class Cutter:
    """Passes bytes between the gateway and `server`; `cut` ends the next COMMIT of transfers that comes by."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._fate: str | None = None
        self._done = threading.Event()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, fate: str, patience_s: float = 60.0) -> bool:
        """End the next COMMIT in this way; False when none came. A killed server is started again."""
        self._done.clear()
        with self._lock:
            self._fate = fate
        came = self._done.wait(patience_s)
        with self._lock:
            self._fate = None
        if came and fate == "server killed":
            self._server.kill()
            self._server.start()
        return came

    def close(self) -> None:
        """Stop listening, and cut every connection."""
        for one in (self._listener, *tuple(self._open)):
            _end(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    upstream = socket.create_connection(("127.0.0.1", self._server.port))
                except OSError:
                    _end(client)
                    continue
                self._open |= {client, upstream}
                for pump in (self._requests, self._answers):
                    threading.Thread(target=self._pump, args=(pump, client, upstream), daemon=True).start()

    def _pump(
        self, pump: Callable[[socket.socket, socket.socket], None], one: socket.socket, two: socket.socket
    ) -> None:
        with suppress(OSError):
            pump(one, two)
        for end in (one, two):
            _end(end)
            self._open.discard(end)

    def _requests(self, client: socket.socket, upstream: socket.socket) -> None:
        posts, names = False, {_POSTING}
        while piece := client.recv(65_536):
            names.update(_PREPARED.findall(piece))
            posts = posts or any(name in piece for name in names)
            ends = _COMMIT in piece
            fate = self._take() if ends and posts else None
            posts = posts and not ends
            if fate is None:
                upstream.sendall(piece)
                continue
            # First of all, so that no answer gets through; and whom to kill is looked up while there is time.
            client.shutdown(socket.SHUT_WR)
            victims = _victims(fate, self._server, upstream)
            if fate != "unsent":
                upstream.sendall(piece)
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            if fate == "unanswered":
                _wait_for_end(upstream)
            self._done.set()
            return

    def _answers(self, client: socket.socket, upstream: socket.socket) -> None:
        while piece := upstream.recv(65_536):
            client.sendall(piece)

    def _take(self) -> str | None:
        """The fate that was asked for, once."""
        with self._lock:
            fate, self._fate = self._fate, None
            return fate


def processes(server: PostgresServer) -> list[psutil.Process]:
    """The server's own process, and then those that work for it."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if str(server.port) in child.cmdline():
                return [child, *child.children(recursive=True)]
    return []


@contextmanager
def cutting(server: PostgresServer) -> Iterator[Cutter]:
    """In front of `server`."""
    cutter = Cutter(server)
    try:
        yield cutter
    finally:
        cutter.close()


def _victims(fate: str, server: PostgresServer, upstream: socket.socket) -> list[psutil.Process]:
    if fate == "server killed":
        return processes(server)
    if fate == "backend killed":
        # PostgreSQL names the client's port in the title of the process that serves it.
        title = f"({upstream.getsockname()[1]})"
        return [one for one in processes(server)[1:] if title in " ".join(one.cmdline())]
    return []


def _wait_for_end(upstream: socket.socket) -> None:
    """The pump of answers gets the answer, cannot pass it on, and closes this side: then the commit is done."""
    while upstream.fileno() != -1:
        time.sleep(0.005)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
