"""The HTTP client against real sockets: what each way of failing is called, and what is never done."""

import asyncio
import gzip
import random
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from nexusflow.ir.plan import Provider
from nexusflow.testing.faulty import running
from nexusflow.upstream.http1_transport import Http1Transport
from nexusflow.upstream.pool import Pool
from nexusflow.upstream.transport import Fault, Outgoing, UpstreamFault, target
from tests.faults.certificate import Identity, RsaKey, certificate, server_context
from tests.faults.scripts import SCRIPTS

T = TypeVar("T")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Use = Callable[[Http1Transport, str], Awaitable[T]]
MIB = 1024 * 1024


def run(serve: Serve, use: Use[T]) -> T:
    """Give a fresh transport and the address of a server to `use`."""

    async def main() -> T:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        transport = Http1Transport(max_in_flight=10)
        try:
            return await use(transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x")
        finally:
            await transport.close()
            server.close()

    return asyncio.run(main())


async def head_and_body(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
    return head, await reader.readexactly(length)


def test_when_the_certificate_of_a_provider_ends_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = RsaKey()
    pem = certificate(key, Identity("provider", days=9))
    (tmp_path / "trusted.pem").write_text(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    context = server_context(tmp_path / "provider.pem", key, pem)
    with running({"u04": SCRIPTS["chat"]}, context) as provider:
        name = f"https://127.0.0.1:{provider.port}/u04/v1"
        plan = Provider(id="p", title="p", protocol="openai/chat-completions", base_url=name)

        async def use() -> list[tuple[str, float]]:
            pool = Pool()
            transport = pool.connect(plan)
            assert list(pool.certificates()) == []
            await transport.send(Outgoing(target(f"{name}/chat/completions", {}), b'{"model": "u04"}', 5))
            found = list(pool.certificates())
            await pool.close()
            return found

        [(shown, until)] = asyncio.run(use())
    assert shown == "p"
    assert until == pytest.approx(time.time() + 9 * 86_400, abs=60)


def answering(*writes: bytes, count: int = 1) -> Serve:
    """A server that answers `count` requests of one connection with `writes`, then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(count):
            await head_and_body(reader)
            for data in writes:
                writer.write(data)
                await writer.drain()

    return serve


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", "")).encode() + body


def outgoing(url: str, body: bytes = b"{}", connect_seconds: float = 20) -> Outgoing:
    return Outgoing(target(url, {"content-type": "application/json", "x-mine": "1"}), body, connect_seconds)


async def fetch(transport: Http1Transport, url: str, limit: int = MIB) -> bytes:
    reply = await transport.send(outgoing(url))
    try:
        return await reply.read(limit)
    finally:
        reply.close(reusable=False)


def fault_of(serve: Serve, use: Use[object] = fetch) -> Fault:
    with pytest.raises(UpstreamFault) as caught:
        run(serve, use)
    return caught.value.fault


def test_only_our_own_headers_are_sent() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await head_and_body(reader))
        writer.write(whole(b"ok", "set-cookie: a=b"))

    assert run(serve, fetch) == b"ok"
    names = {line.partition(b":")[0].lower() for line in seen[0].split(b"\r\n")[1:] if line}
    assert names == {b"host", b"content-type", b"x-mine", b"content-length"}
    assert seen[0].startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert seen[1] == b"{}"


def test_status_and_headers_whatever_they_are() -> None:
    async def use(transport: Http1Transport, url: str) -> tuple[int, str]:
        reply = await transport.send(outgoing(url))
        reply.close(reusable=False)
        return reply.status, reply.headers["retry-after"]

    assert run(answering(whole(b"", "Retry-After: 3", status="429 Slow")), use) == (429, "3")


def test_U01_connect_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        assert fault_of(answering(), lambda transport, _: fetch(transport, closed)) is Fault.CONNECT


def test_U02_connect_timeout() -> None:
    """A full queue of connections drops what comes next."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def use(transport: Http1Transport, _: str) -> object:
            return await transport.send(outgoing(url, connect_seconds=0.2))

        assert fault_of(answering(), use) is Fault.CONNECT_TIMEOUT


def test_U03_name_does_not_resolve() -> None:
    assert fault_of(answering(), lambda transport, _: fetch(transport, "http://no-such-host.invalid/")) is Fault.DNS


def test_U04_no_tls_where_tls_is_expected() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(whole(b"plain", status="400 Bad Request"))

    def use(transport: Http1Transport, url: str) -> Awaitable[object]:
        return fetch(transport, url.replace("http:", "https:"))

    assert fault_of(serve, use) is Fault.TLS


def test_U10_closed_before_any_answer() -> None:
    """On a fresh connection this is a fault of the provider, not of a connection that was idle for too long."""
    assert fault_of(answering(b"")) is Fault.RESET


def test_U27_closed_as_the_next_request_is_written() -> None:
    """Only a connection that has served before, and on which nothing came back, may be replaced without harm."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_and_body(reader)
        writer.write(whole(b"ok"))
        await head_and_body(reader)

    async def use(transport: Http1Transport, url: str) -> object:
        reply = await transport.send(outgoing(url))
        await reply.read(MIB)
        reply.close(reusable=True)
        return await transport.send(outgoing(url))

    assert fault_of(serve, use) is Fault.STALE


def test_U27_an_idle_connection_that_the_server_closed_is_not_used() -> None:
    async def use(transport: Http1Transport, url: str) -> list[bytes]:
        found = []
        for _ in range(3):
            reply = await transport.send(outgoing(url))
            found.append(await reply.read(MIB))
            reply.close(reusable=True)
            await asyncio.sleep(0.01)  # the server's farewell arrives
        return found

    assert run(answering(whole(b"ok")), use) == [b"ok"] * 3


def test_as_many_calls_at_once_as_allowed() -> None:
    """The eleventh waits its turn; a call that is given up while it waits takes nobody's."""
    most = running = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, running
        while True:
            await head_and_body(reader)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.02)
            running -= 1
            writer.write(whole(b"ok"))

    async def use(transport: Http1Transport, url: str) -> list[bytes]:
        async def call() -> bytes:
            reply = await transport.send(outgoing(url))
            try:
                return await reply.read(MIB)
            finally:
                reply.close(reusable=True)

        calls = [asyncio.ensure_future(call()) for _ in range(40)]
        await asyncio.sleep(0.01)
        for given_up in calls[10:40:3]:
            given_up.cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [one for one in found if isinstance(one, bytes)]

    assert run(serve, use) == [b"ok"] * 30
    assert most == 10


def test_connections_are_used_again_when_the_answer_was_read() -> None:
    connections = 0
    good = answering(whole(b"ok"), count=100)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await good(reader, writer)

    async def use(transport: Http1Transport, url: str, reusable: bool = True) -> None:
        for _ in range(5):
            reply = await transport.send(outgoing(url))
            await reply.read(MIB)
            reply.close(reusable=reusable)

    run(serve, use)
    assert connections == 1


def test_a_connection_that_is_given_up_is_not_used_again() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await head_and_body(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome")
        await reader.read(1)

    async def use(transport: Http1Transport, url: str) -> None:
        for _ in range(3):
            (await transport.send(outgoing(url))).close(reusable=False)

    run(serve, use)
    assert connections == 3


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_U10_broken_off_in_the_middle(reset: bool, chunked: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_and_body(reader)
        framing = b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n" if chunked else b"content-length: 9\r\n\r\nhello"
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    assert fault_of(serve) is Fault.RESET

    async def pieces(transport: Http1Transport, url: str) -> object:
        reply = await transport.send(outgoing(url))
        found = []
        while (piece := await reply.next()) is not None:
            found.append(piece)
        return found

    assert fault_of(serve, pieces) is Fault.RESET


@pytest.mark.parametrize(
    "answer", [b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"]
)
def test_U11_what_is_no_http(answer: bytes) -> None:
    assert fault_of(answering(answer)) is Fault.MALFORMED


def test_U19_too_large_declared_or_not() -> None:
    assert fault_of(answering(whole(b"x" * (MIB + 1)))) is Fault.TOO_LARGE
    assert fault_of(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MIB + 1))) is Fault.TOO_LARGE
    assert run(answering(whole(b"x" * MIB)), fetch) == b"x" * MIB


@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip"])
def test_content_codings_are_undone(coding: str) -> None:
    text = b"hello " * 1000
    data = zlib.compress(text) if coding == "deflate" else gzip.compress(text)
    assert run(answering(whole(data, f"content-encoding: {coding}")), fetch) == text


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_other_content_codings_are_refused(coding: str) -> None:
    assert fault_of(answering(whole(b"abc", f"content-encoding: {coding}"))) is Fault.MALFORMED


def test_U19_compressed_bomb() -> None:
    bomb = gzip.compress(b"\0" * (64 * MIB))
    assert len(bomb) < MIB / 10

    def use(transport: Http1Transport, url: str) -> Awaitable[bytes]:
        return fetch(transport, url, limit=1024 * MIB)

    assert fault_of(answering(whole(bomb, "content-encoding: gzip")), use) is Fault.TOO_LARGE


def test_U19_a_bomb_of_modest_ratio_stops_at_the_limit() -> None:
    """Forty to one is no suspicious ratio, but the bound holds for what comes out, not for what goes in."""
    text = b"".join(random.randbytes(20) + b"\0" * 980 for _ in range(32 * 1024))
    packed = gzip.compress(text)
    assert len(packed) < 2 * MIB < len(text)

    async def use(transport: Http1Transport, url: str) -> int:
        tracemalloc.start()
        try:
            with pytest.raises(UpstreamFault) as caught:
                await fetch(transport, url, limit=2 * MIB)
            assert caught.value.fault is Fault.TOO_LARGE
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert run(answering(whole(packed, "content-encoding: gzip")), use) < 12 * MIB


def test_broken_compression() -> None:
    assert fault_of(answering(whole(b"no gzip at all", "content-encoding: gzip"))) is Fault.MALFORMED


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_U29_redirects_are_answers(status: str) -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await head_and_body(reader)
        requests += 1
        writer.write(whole(b"", "location: /elsewhere", status=status))

    async def use(transport: Http1Transport, url: str) -> int:
        reply = await transport.send(outgoing(url))
        reply.close(reusable=False)
        return reply.status

    assert run(serve, use) == int(status[:3])
    assert requests == 1


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert run(answering(whole(b"direct")), fetch) == b"direct"


def test_cancelling_ends_the_call() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_and_body(reader)
        assert await reader.read(1) == b""
        left.set()

    async def use(transport: Http1Transport, url: str) -> None:
        sending = asyncio.ensure_future(transport.send(outgoing(url)))
        await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.wait_for(left.wait(), 20)

    run(serve, use)


def test_U28_informational_answers_are_skipped() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    assert run(answering(early + whole(b"ok")), fetch) == b"ok"
