"""`Transport` over HTTP/1.1 connections of our own: a pool to one origin (decision: an upstream client of our own)."""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping

from aiohappyeyeballs import start_connection

from nexusflow.upstream.http1 import Connection
from nexusflow.upstream.inflate import Inflate, inflater
from nexusflow.upstream.transport import Fault, Outgoing, Reply, Target, UpstreamFault

# Providers and load balancers close idle connections after a minute or more; we close first (class K, reliability 1.3).
KEEP_ALIVE_SECONDS = 20.0
HAPPY_EYEBALLS_SECONDS = 0.25


class Http1Transport:
    """Keeps up to `max_in_flight` connections; further calls wait their turn."""

    def __init__(self, max_in_flight: int) -> None:
        self._free = max_in_flight
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._turn: deque[asyncio.Future[None]] = deque()
        self._tls: ssl.SSLContext | None = None
        self.certified_until: float | None = None

    async def send(self, call: Outgoing) -> Reply:
        """See `Transport.send`."""
        await self._take_turn()
        connection: Connection | None = None
        try:
            connection = (None if call.fresh else self._reuse()) or await self._connect(call)
            head = b"%b%bcontent-length: %d\r\n\r\n" % (call.target.head, call.extra, len(call.body))
            await connection.request(head, call.body)
        except BaseException:
            if connection is not None:
                connection.abort()
            self._end_turn()
            raise
        return Http1Reply(self, connection)

    async def close(self) -> None:
        """Close idle and open connections."""
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # lets the sockets' own callbacks run

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """A reply is done with its connection."""
        if reusable and connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.abort()
        self._end_turn()

    async def _take_turn(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._turn.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end_turn()
            raise

    def _end_turn(self) -> None:
        while self._turn:
            turn = self._turn.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _reuse(self) -> Connection | None:
        """The connection that was idle for the shortest time; those idle for too long are closed on the way."""
        oldest = time.monotonic() - KEEP_ALIVE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, call: Outgoing) -> Connection:
        try:
            async with asyncio.timeout(call.connect_seconds):
                connection = await self._open_connection(call.target)
        except TimeoutError as error:
            raise UpstreamFault(Fault.CONNECT_TIMEOUT, f"no connection in {call.connect_seconds} s") from error
        except socket.gaierror as error:
            raise UpstreamFault(Fault.DNS, repr(error)) from error
        except ssl.SSLError as error:
            raise UpstreamFault(Fault.TLS, repr(error)) from error
        except OSError as error:
            raise UpstreamFault(Fault.CONNECT, repr(error)) from error
        self._open.add(connection)
        return connection

    async def _open_connection(self, target: Target) -> Connection:
        """Resolve, connect to the first address that answers (RFC 8305), and shake hands."""
        if target.secure and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        sock = await start_connection(addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link, connection = await loop.create_connection(
            lambda: Connection(self._open.discard),
            sock=sock,
            ssl=self._tls if target.secure else None,
            server_hostname=target.host if target.secure else None,
        )
        shown = link.get_extra_info("peercert")
        if shown:
            self.certified_until = ssl.cert_time_to_seconds(shown["notAfter"])
        return connection


class Http1Reply:
    """See `Reply`."""

    __slots__ = ("_closed", "_connection", "_inflate", "_transport", "headers", "status")

    def __init__(self, transport: Http1Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._closed = False
        self._inflate: Inflate | None = None
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def read(self, limit: int) -> bytes:
        """See `Reply.read`."""
        inflate = inflater(self.headers.get("content-encoding"))
        await self._connection.whole(limit)
        data = await self._connection.more() or b""
        return inflate.whole(data, limit) if inflate is not None else data

    async def next(self) -> bytes | None:
        """See `Reply.next`."""
        piece = await self._connection.more()
        if "content-encoding" not in self.headers:
            return piece
        while piece is not None:
            self._inflate = self._inflate or inflater(self.headers["content-encoding"])
            data = self._inflate(piece) if self._inflate else piece
            if data:
                return data
            piece = await self._connection.more()
        return None

    def close(self, *, reusable: bool) -> None:
        """See `Reply.close`."""
        if not self._closed:
            self._closed = True
            self._transport.give_back(self._connection, reusable=reusable)
