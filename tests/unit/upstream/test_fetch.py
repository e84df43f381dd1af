"""Fetching what a caller's URL points at: public addresses only, within bounds (SEC-20 to SEC-27)."""

import asyncio
import gzip
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.upstream import guard
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.guard import NotFetched, is_public
from tests.faults.certificate import Identity, RsaKey, certificate, server_context
from tests.support.answers import PNG, Answer, Server, http, redirect

GENERIC = "the address could not be fetched"


def trusting(at: str, **bounds: Any) -> Fetcher:
    return Fetcher(frozenset((at,)), **bounds)


def fetched(answer: Answer | bytes, path: str = "/a.png", **bounds: Any) -> tuple[bytes, str]:
    server = Server(answer if callable(answer) else lambda _: answer)
    found: tuple[bytes, str] = server.run(lambda at: trusting(at, **bounds).fetch(f"http://{at}{path}"))
    return found


def failure(answer: Answer | bytes, **bounds: Any) -> str:
    with pytest.raises(NotFetched) as failed:
        fetched(answer, **bounds)
    return str(failed.value)


class TestWhatComesBack:
    def test_bytes_and_their_type(self) -> None:
        assert fetched(http(PNG, "Content-Type: image/png")) == (PNG, "image/png")
        assert fetched(http(PNG)) == (PNG, "")

    def test_SEC23_the_request_carries_nothing_but_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        server = Server(lambda _: http())
        at = server.run(lambda at: _then(trusting(at).fetch(f"http://{at}/a%20b?x=%C3%A9&y#z"), at))
        first, *others = server.heads[0].strip().split("\r\n")
        assert first == "GET /a%20b?x=%C3%A9&y HTTP/1.1"
        assert others == [
            f"host: {at}",
            "accept: */*",
            "user-agent: nexusflow",
            "accept-encoding: identity",
            "connection: close",
        ]

    def test_a_body_until_the_end_and_a_chunked_one(self) -> None:
        assert fetched(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)[0] == PNG
        chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert fetched(chunked)[0] == b"abcde"

    def test_a_compressed_body(self) -> None:
        assert fetched(http(gzip.compress(PNG), "content-encoding: gzip"))[0] == PNG
        assert failure(http(PNG, "content-encoding: br")) == GENERIC
        assert failure(http(b"no gzip", "content-encoding: gzip")) == GENERIC

    def test_a_word_before_the_answer_is_not_the_answer(self) -> None:
        assert fetched(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + http())[0] == PNG

    @pytest.mark.parametrize("status", ["404 Not Found", "201 Created", "500 No", "206 Partial Content"])
    def test_only_a_200_is_an_answer(self, status: str) -> None:
        assert failure(http(PNG, status=status)) == f"the address answers with status {status[:3]}"

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-type: image",
        ],
    )
    def test_SEC27_whatever_breaks_is_called_the_same(self, answer: bytes) -> None:
        assert failure(answer) == GENERIC


async def _then(first: Awaitable[Any], value: Any) -> Any:
    await first
    return value


class TestBounds:
    def test_SEC24_a_file_of_the_limit_fits_and_one_byte_more_does_not(self) -> None:
        assert fetched(http(b"x" * 1000), max_bytes=1000)[0] == b"x" * 1000
        assert failure(http(b"x" * 1001), max_bytes=1000) == "the file exceeds 1000 bytes"

    def test_SEC24_a_body_without_end_is_given_up(self) -> None:
        assert failure(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000, max_bytes=1000) == "the file exceeds 1000 bytes"

    def test_SEC24_the_size_is_that_of_the_inflated_body(self) -> None:
        small = http(gzip.compress(b"\0" * 100_000), "content-encoding: gzip")
        assert failure(small, max_bytes=1000) == "the file exceeds 1000 bytes"
        bomb = http(gzip.compress(b"\0" * 300_000_000, 1), "content-encoding: gzip")
        assert failure(bomb, max_bytes=1_000_000_000) == GENERIC

    def test_a_head_without_end_is_given_up(self) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 200_000
        assert failure(head + b"\r\n" + PNG) == GENERIC

    def test_SEC24_one_deadline_for_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        deadlines: list[float | None] = []
        start = asyncio.timeout

        def watched(seconds: float | None) -> asyncio.Timeout:
            deadlines.append(seconds)
            return start(seconds)

        monkeypatch.setattr(asyncio, "timeout", watched)

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(silent, "127.0.0.1", 0)
            at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            try:
                with pytest.raises(NotFetched, match=GENERIC):
                    await trusting(at, seconds=0.05).fetch(f"http://{at}/")
            finally:
                server.close()

        asyncio.run(main())
        assert deadlines == [0.05]


class TestRedirects:
    def test_SEC22_up_to_three_are_followed(self) -> None:
        steps = {"/0": redirect("/1"), "/1": redirect("2", "301 Moved"), "/2": redirect("./3", "308 Permanent")}
        assert fetched(lambda path: steps.get(path, http(path.encode())), "/0")[0] == b"/3"

    def test_SEC22_a_fourth_is_not(self) -> None:
        server = Server(lambda path: redirect(f"{path}x"))
        with pytest.raises(NotFetched, match="redirects too often"):
            server.run(lambda at: trusting(at).fetch(f"http://{at}/"))
        assert len(server.heads) == 4

    @pytest.mark.parametrize(
        "to",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://localhost/",
            "//127.0.0.1/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "http://user@127.0.0.1/",
            "http://127.0.0.1:9/",
            "http:\\\\127.0.0.1/",
            "/a b",
            "/\u00e9",
        ],
    )
    def test_SEC22_each_is_checked_like_the_first(self, to: str, dialled: list[str]) -> None:
        server = Server(lambda path: redirect(to) if path == "/" else http())
        with pytest.raises(NotFetched):
            server.run(lambda at: trusting(at).fetch(f"http://{at}/"))
        assert len(server.heads) == server.connections == 1
        assert dialled == ["127.0.0.1"]

    def test_the_body_of_a_redirect_is_not_read(self) -> None:
        endless = b"HTTP/1.1 302 Found\r\nlocation: /b\r\n\r\n" + b"x" * 5000
        assert fetched(lambda path: endless if path == "/a.png" else http(), max_bytes=100)[0] == PNG

    def test_a_redirect_without_an_address_is_no_answer(self) -> None:
        assert failure(http(b"", status="302 Found")) == "the address answers with status 302"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address to which a connection was tried, in order; those outside of this machine fail at once."""
    tried: list[str] = []
    connect = asyncio.open_connection

    async def watched(host: str, port: int, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tried.append(host)
        if host != "127.0.0.1":
            raise ConnectionRefusedError
        return await connect(host, port, **options)

    monkeypatch.setattr(asyncio, "open_connection", watched)
    return tried


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Iterator[list[str]]:
    """Every look-up of a name answers with the next of `answers`."""
    left = iter(answers)

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = next(left, None)
        assert found is not None, f"{host} was looked up"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return left


FORBIDDEN = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "5f00::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001:80b::200e", "::ffff:1.1.1.1")


class TestAddresses:
    @pytest.mark.parametrize("address", FORBIDDEN)
    def test_SEC21_addresses_that_are_not_public(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", PUBLIC)
    def test_SEC21_addresses_that_are(self, address: str) -> None:
        assert is_public(address)

    @given(st.ip_addresses(v=4))
    def test_SEC21_a_mapped_address_is_what_it_maps(self, address: ipaddress.IPv4Address) -> None:
        assert is_public(f"::ffff:{address}") == is_public(str(address))
        assert not is_public(f"64:ff9b::{address}")
        assert not is_public(f"::{address}")

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]", "[::]", "[64:ff9b::7f00:1]", "169.254.169.254", "localhost", "LOCALHOST", "localhost.",
            "10.0.0.1", "[fd00:ec2::254]",
        ],
    )  # fmt: skip
    def test_SEC21_no_spelling_of_a_private_host_is_connected_to(self, host: str, dialled: list[str]) -> None:
        for scheme in ("http", "https"):
            with pytest.raises(NotFetched, match=GENERIC):
                asyncio.run(Fetcher(http=True).fetch(f"{scheme}://{host}/"))
        assert dialled == []

    def test_SEC21_one_private_address_among_the_public_refuses_all(
        self, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        names(monkeypatch, ["93.184.216.34", "10.0.0.1"])
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(http=True).fetch("http://x.example/"))
        assert dialled == []

    def test_SEC21_a_name_that_changes_its_mind_is_asked_once(
        self, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        left = names(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(http=True).fetch("http://x.example/"))
        assert dialled == ["93.184.216.34"]
        assert next(left) == ["127.0.0.1"]

    def test_the_next_address_is_tried_when_one_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        names(monkeypatch, ["2606:4700::1111", "93.184.216.34"])
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(http=True).fetch("http://x.example/"))
        assert dialled == ["2606:4700::1111", "93.184.216.34"]

    def test_SEC21_an_address_of_this_machine_is_not_used_even_if_it_is_public(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "is_public", lambda _: True)
        server = Server(lambda _: http())

        async def use(at: str) -> None:
            monkeypatch.setattr(guard, "PORTS", {"http": int(at.rpartition(":")[2])})
            await Fetcher(http=True).fetch(f"http://{at}/")

        with pytest.raises(NotFetched, match=GENERIC):
            server.run(use)
        assert server.heads == []

    def test_SEC27_an_unknown_name_and_a_closed_port_are_called_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            at = f"127.0.0.1:{closed.getsockname()[1]}"
            with pytest.raises(NotFetched, match=GENERIC):
                asyncio.run(trusting(at).fetch(f"http://{at}/"))

        def unknown(*_: Any, **__: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(http=True).fetch("http://x.example/"))


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        [
            "", "/a", "x.example", "ftp://x.example/", "file:///etc/passwd", "gopher://x.example/", "http://",
            "http:///a", "http://user@x.example/", "http://:pw@x.example/", "http://@x.example/",
            "http://x.example\\@127.0.0.1/", "http://x.example/\\a", "http://x.example/a b",
            "http://x.example/\r\nX: y",
            "http://x\u3002example/", "http://\u24de.example/", "http://x.example:99999/", "http://x.example:0/",
            "http://x.example:8080/", "http://x.example:22/", "https://x.example:80/", "http://x.example:443/",
            "http://[::1/", "http://[x]/", "HTTP//x.example", "javascript:alert(1)", "data:image/png;base64,AA",
        ],
    )  # fmt: skip
    def test_SEC20_what_is_no_plain_web_address_is_refused_before_anything_is_asked(
        self, url: str, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        names(monkeypatch)  # a look-up would fail the test
        with pytest.raises(NotFetched):
            asyncio.run(Fetcher(http=True).fetch(url))
        assert dialled == []

    @given(st.text() | st.text().map("http://".__add__) | st.text().map("https://127.0.0.1".__add__))
    def test_SEC20_any_text_is_refused_or_parsed_without_a_fault(self, text: str) -> None:
        try:
            parts = guard.parse(text)
        except NotFetched:
            return
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is None

    def test_SEC20_plain_http_is_only_fetched_where_the_operator_says_so(
        self, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        names(monkeypatch, ["93.184.216.34"])
        with pytest.raises(NotFetched, match="must be https"):
            asyncio.run(Fetcher().fetch("http://x.example/"))
        assert dialled == []
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(http=True).fetch("http://x.example/"))
        assert dialled == ["93.184.216.34"]

    def test_an_ipv6_server_is_allowed_in_brackets(self, dialled: list[str]) -> None:
        with pytest.raises(NotFetched, match=GENERIC):
            asyncio.run(Fetcher(frozenset(("[::1]:9000",))).fetch("http://[::1]:9000/"))
        assert dialled == ["::1"]

    def test_an_allowed_pair_allows_neither_another_port_nor_another_host(self, dialled: list[str]) -> None:
        fetcher = Fetcher(frozenset(("127.0.0.1:8001",)))
        for url in ("http://127.0.0.1:8002/", "http://127.0.0.1/", "http://localhost:8001/", "http://127.1:8001/"):
            with pytest.raises(NotFetched):
                asyncio.run(fetcher.fetch(url))
        assert dialled == []


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A key with a certificate for 127.0.0.1, in a file, and the certificate."""
    key = RsaKey()
    pem = certificate(key, Identity("test"))
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    server_context(file, key, pem)
    return file, pem


class TestTls:
    def test_a_trusted_certificate_is_taken(self, identity: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
        file, pem = identity
        monkeypatch.setattr(guard, "_verifying", lambda: ssl.create_default_context(cadata=pem))
        server = Server(lambda _: http(), tls=_context(file))
        assert server.run(lambda at: trusting(at).fetch(f"https://{at}/"))[0] == PNG

    def test_SEC27_an_untrusted_one_is_an_address_that_could_not_be_fetched(self, identity: tuple[Path, str]) -> None:
        server = Server(lambda _: http(), tls=_context(identity[0]))
        with pytest.raises(NotFetched, match=GENERIC):
            server.run(lambda at: trusting(at).fetch(f"https://{at}/"))
        assert server.heads == []

    def test_SEC21_the_checked_address_is_asked_for_the_original_name(
        self, identity: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str | None] = []
        context = _context(identity[0])
        context.sni_callback = lambda _, name, __: asked.append(name)
        server = Server(lambda _: http(), tls=context)
        plain = Server(lambda _: http())

        async def use(at: str) -> None:
            port = at.rpartition(":")[2]
            await Fetcher(frozenset((f"x.example:{port}",))).fetch(f"{scheme}://x.example:{port}/")

        scheme = "https"
        own = [["127.0.0.1"]] * 2
        names(monkeypatch, *own)
        with pytest.raises(NotFetched, match=GENERIC):  # its certificate is for another name
            server.run(use)
        assert asked == ["x.example"]
        scheme = "http"
        plain.run(use)
        assert "host: x.example:" in plain.heads[0]

    def test_certificates_are_verified_by_name_and_read_once(self) -> None:
        context = guard._verifying()
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert guard._verifying() is context


def _context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
