"""Streaming from and posting to addresses of others: bounded, checked, nothing gathered (SEC-20 to SEC-27, U-36)."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nexusflow.upstream import fetch
from nexusflow.upstream.fetch import Fetcher, Opened
from nexusflow.upstream.guard import NotFetched
from tests.support.answers import PNG, Server, http, redirect

GENERIC = "the address could not be fetched"
BIG = 1 << 40


def opened(server: Server, use: Callable[[Opened], Awaitable[Any]], path: str = "/", **options: Any) -> Any:
    """What `use` makes of `server`'s answer."""
    bounds = {"max_bytes": BIG, "seconds": 20.0, **options}

    async def main(at: str) -> Any:
        async with Fetcher(frozenset((at,))).open(f"http://{at}{path}", **bounds) as found:
            return await use(found)

    return server.run(main)


async def whole(found: Opened) -> tuple[str, int | None, bytes]:
    return found.content_type, found.length, b"".join([piece async for piece in found.pieces])


class TestOpen:
    def test_type_length_and_pieces(self) -> None:
        server = Server(lambda _: http(PNG, "content-type: image/png"))
        assert opened(server, whole) == ("image/png", len(PNG), PNG)

    def test_a_length_that_nobody_tells_is_none(self) -> None:
        assert opened(Server(lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + PNG), whole) == ("", None, PNG)
        packed = http(gzip.compress(PNG), "content-encoding: gzip")
        assert opened(Server(lambda _: packed), whole) == ("", None, PNG)

    def test_U36_a_large_file_is_never_held_whole(self) -> None:
        """The server can only go on writing when the reader reads on, so its progress shows what is held."""
        written = 0

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            try:
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    written += 65_536
            except ConnectionError:
                writer.close()

        async def main() -> None:
            server = await asyncio.start_server(endless, "127.0.0.1", 0)
            at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with Fetcher(frozenset((at,))).open(f"http://{at}/", max_bytes=BIG, seconds=20) as found:
                largest = seen = 0
                async for piece in found.pieces:
                    largest, seen = max(largest, len(piece)), seen + len(piece)
                    if seen > 50_000_000:
                        break
                await _until_quiet(lambda: written)
            assert largest <= 65_536
            assert written - seen < 20_000_000  # buffers of the kernel, and ours of 128 KiB
            server.close()

        asyncio.run(main())

    def test_SEC24_a_length_beyond_the_bound_is_refused_before_any_of_it(self) -> None:
        with pytest.raises(NotFetched, match="exceeds 10 bytes"):
            opened(Server(lambda _: http(b"x" * 11)), whole, max_bytes=10)

    def test_SEC24_a_body_beyond_the_bound_is_given_up(self) -> None:
        endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
        with pytest.raises(NotFetched, match="exceeds 1000 bytes"):
            opened(Server(lambda _: endless), whole, max_bytes=1000)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            http(b"no gzip", "content-encoding: gzip"),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ],
    )
    def test_U36_a_download_that_breaks_off_is_no_file(self, answer: bytes) -> None:
        with pytest.raises(NotFetched, match=GENERIC):
            opened(Server(lambda _: answer), whole)

    def test_bytes_after_the_answer_are_not_part_of_it(self) -> None:
        twice = http(b"first", "connection: keep-alive") + http(b"second")
        assert opened(Server(lambda _: twice), whole)[2] == b"first"

    def test_SEC24_the_deadline_covers_the_reading(self) -> None:
        async def stuck(found: Opened) -> None:
            await anext(found.pieces)
            await asyncio.Event().wait()

        with pytest.raises(NotFetched, match=GENERIC):
            opened(Server(lambda _: http()), stuck, seconds=0.2)

    @pytest.mark.parametrize("error", [OSError("disk full"), TimeoutError("of the caller"), ValueError("its own")])
    def test_what_fails_at_the_caller_is_not_called_a_failed_fetch(self, error: Exception) -> None:
        async def fail(_: Opened) -> None:
            raise error

        with pytest.raises(type(error), match=str(error)):
            opened(Server(lambda _: http()), fail)

    def test_SEC24_a_waiting_server_is_given_up(self) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            await reader.read()
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(silent, "127.0.0.1", 0)
            at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(NotFetched, match=GENERIC):
                async with Fetcher(frozenset((at,))).open(f"http://{at}/", max_bytes=BIG, seconds=0.1):
                    pass
            with pytest.raises(NotFetched, match=GENERIC):
                await Fetcher(frozenset((at,))).post(f"http://{at}/", {}, b"", seconds=0.1)
            server.close()

        asyncio.run(main())


async def _until_quiet(value: Callable[[], int]) -> None:
    """Until `value` stands still for a moment, at most ten seconds."""
    end, last = time.monotonic() + 10, -1
    while time.monotonic() < end and last != value():
        last = value()
        await asyncio.sleep(0.1)


class TestWhoMaySee:
    def test_a_credential_goes_to_the_server_that_was_named(self) -> None:
        server = Server(lambda path: redirect("/b") if path == "/" else http())
        opened(server, whole, headers={"authorization": "Bearer s", "x-goog-api-key": "k"})
        assert ["authorization: Bearer s" in head for head in server.heads] == [True, True]
        assert all("x-goog-api-key: k" in head for head in server.heads)

    @pytest.mark.parametrize("back", [False, True])
    def test_SEC22_and_to_none_that_it_redirects_to(self, back: bool) -> None:
        first, second = Server(lambda _: redirect(f"http://{to[0]}/x")), Server(lambda _: http())
        to: list[str] = []

        async def use(at: str) -> None:
            async def other(there: str) -> None:
                to.append(there)
                if back:  # to the other server and back again
                    first.answer = lambda path: http() if path == "/end" else redirect(f"http://{there}/x")
                    second.answer = lambda _: redirect(f"http://{at}/end")
                fetcher = Fetcher(frozenset((at, there)))
                async with fetcher.open(
                    f"http://{at}/", {"authorization": "Bearer s"}, max_bytes=BIG, seconds=10
                ) as found:
                    assert (await whole(found))[2] == PNG

            await second.run_within(other)

        first.run(use)
        assert "authorization" in first.heads[0]
        assert len(second.heads) == 1
        assert not any("authorization" in head for head in (*first.heads[1:], *second.heads))

    def test_a_server_allowed_once_is_not_allowed_the_next_time(self) -> None:
        async def use(at: str) -> None:
            fetcher = Fetcher()
            bounds: dict[str, Any] = {"max_bytes": BIG, "seconds": 10.0}
            async with fetcher.open(f"http://{at}/", also=frozenset((at,)), **bounds) as found:
                assert (await whole(found))[2] == PNG
            assert await fetcher.post(f"http://{at}/", {}, b"x", also=frozenset((at,))) == 200
            with pytest.raises(NotFetched):
                async with fetcher.open(f"http://{at}/", **bounds):
                    pass
            with pytest.raises(NotFetched):
                await fetcher.post(f"http://{at}/", {}, b"x")

        server = Server(lambda _: http())
        server.run(use)
        assert server.connections == 2

    @pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b"])
    def test_SEC72_no_header_breaks_the_line(self, value: str) -> None:
        server = Server(lambda _: http())
        with pytest.raises(NotFetched):
            opened(server, whole, headers={"x-a": value})
        with pytest.raises(NotFetched):
            server.run(lambda at: Fetcher(frozenset((at,))).post(f"http://{at}/", {"x-a": value}, b""))
        assert server.heads == []


class TestPost:
    def posted(self, server: Server, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Any:
        return server.run(lambda at: Fetcher(frozenset((at,))).post(f"http://{at}/hook?a=1", headers or {}, body))

    @pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 400, 410, 500])
    def test_the_status_is_the_answer_and_no_redirect_is_followed(self, status: int) -> None:
        server = Server(lambda _: redirect("/elsewhere", f"{status} Such"))
        assert self.posted(server) == status
        assert server.connections == 1

    def test_what_is_sent(self) -> None:
        server = Server(lambda _: http())
        body = b'{"a": "\xc3\xa9"}' * 10_000
        self.posted(server, body, {"content-type": "application/json", "user-agent": "own"})
        first, *lines = server.heads[0].strip().split("\r\n")
        assert first == "POST /hook?a=1 HTTP/1.1"
        assert {"content-type: application/json", "user-agent: own", f"content-length: {len(body)}"} <= set(lines)
        assert server.bodies == [body]

    def test_SEC25_the_answers_body_is_read_to_a_bound_and_forgotten(self) -> None:
        assert self.posted(Server(lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000)) == 200
        assert self.posted(Server(lambda _: http(b"x" * 5_000_000))) == 200

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            http(b"brotli", "content-encoding: br"),
            http(b"no gzip", "content-encoding: gzip"),
        ],
    )
    def test_SEC25_the_status_counts_even_if_its_body_breaks(self, answer: bytes) -> None:
        assert self.posted(Server(lambda _: answer)) == 200

    def test_SEC25_a_receiver_that_says_200_and_never_ends_has_taken_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetch, "_DISCARD_SECONDS", 0.05)

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nthinking")
            await reader.read()
            writer.close()

        async def main() -> int:
            server = await asyncio.start_server(endless, "127.0.0.1", 0)
            at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            try:
                return await Fetcher(frozenset((at,))).post(f"http://{at}/", {}, b"")
            finally:
                server.close()

        assert asyncio.run(main()) == 200

    @pytest.mark.parametrize("answer", [b"", b"220 smtp ready\r\n", b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0\r\n"])
    def test_SEC27_what_is_no_answer_is_called_the_same(self, answer: bytes) -> None:
        with pytest.raises(NotFetched, match=GENERIC):
            self.posted(Server(lambda _: answer))
