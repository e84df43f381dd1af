"""No address that anyone can write leads into a private network (SEC-20 to SEC-22), watched at the socket.

Every call of `connect` in this process is seen by an audit hook, below the code under test; one to the public internet
is refused there, so that nothing leaves this machine. Only the resolver is replaced.
"""

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from nexusflow.ir.secret import Secret
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.guard import NotFetched
from nexusflow.upstream.webhook import deliver
from tests.support.answers import Server, http
from tests.unit.upstream.ssrf_corpus import NAMES, PUBLIC, REBINDING, urls

# From the registries of special-purpose addresses, written out here so that the code under test is not its own judge.
CLOSED = [
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1",
    )
]  # fmt: skip
SECRET = Secret("whsec_" + "QUJD" * 12)

Use = Callable[[Fetcher, str, str], Awaitable[object]]


class Watch:
    """The addresses that were connected to while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[tuple[str, int]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and self.on and isinstance(arguments[1], tuple):
            host, port = arguments[1][:2]
            self.seen.append((host, port))
            if not is_closed(host):
                raise ConnectionRefusedError

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[tuple[str, int]]]:
        self.seen = []
        self.on = True
        try:
            yield self.seen
        finally:
            self.on = False


WATCH = Watch()
READ = socket.getaddrinfo


def is_closed(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in CLOSED)


class Resolver:
    """Knows `NAMES`, and reads numbers as the system does; asks nobody."""

    def __init__(self) -> None:
        self.rebound = False

    def __call__(
        self, host: str, port: int, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        name = host.lower().removesuffix(".")
        known = {**NAMES, "public.test": (PUBLIC,), REBINDING: ("127.0.0.1",) if self.rebound else (PUBLIC,)}
        self.rebound = self.rebound or name == REBINDING
        found = []
        for one in known.get(name, (host,)):
            found += READ(one, port, family, type, proto, socket.AI_NUMERICHOST)
        return found


async def _fetch(fetcher: Fetcher, url: str, _: str) -> None:
    await fetcher.fetch(url)


async def _open(fetcher: Fetcher, url: str, _: str) -> None:
    async with fetcher.open(url, {"authorization": "x"}, max_bytes=1_000, seconds=5) as found:
        async for _piece in found.pieces:
            pass


async def _post(fetcher: Fetcher, url: str, _: str) -> None:
    await fetcher.post(url, {}, b"{}", http=True)


async def _deliver(fetcher: Fetcher, url: str, _: str) -> None:
    await deliver(fetcher, url, b"{}", secret=SECRET, id="evt", timestamp_s=0)


async def _fetch_redirected(fetcher: Fetcher, _: str, at: str) -> None:
    await fetcher.fetch(f"http://{at}/")


async def _open_redirected(fetcher: Fetcher, _: str, at: str) -> None:
    await _open(fetcher, f"http://{at}/", at)


USES: dict[str, Use] = {
    "fetch": _fetch,
    "open": _open,
    "post": _post,
    "webhook": _deliver,
    "redirected fetch": _fetch_redirected,
    "redirected open": _open_redirected,
}


def lead(url: str) -> Callable[[str], bytes]:
    """Answers that redirect to `url`, in whatever bytes a server may write."""
    to = url.replace("\r", "").replace("\n", "").encode("utf-8", "surrogateescape")
    return lambda _: b"HTTP/1.1 302 Found\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n\r\n"


async def connections(use: Use, url: str, leading: Server, at: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Where `use` of `url` connected to, beside the redirecting server at `at`, which is an allowed one."""
    monkeypatch.setattr(socket, "getaddrinfo", Resolver())
    leading.answer = lead(url)
    with WATCH.watching() as seen, contextlib.suppress(NotFetched):
        await use(Fetcher(frozenset((at,)), http=True), url, at)
    return {f"{host}:{port}" for host, port in seen} - {at}


@pytest.mark.parametrize("way", USES)
def test_SEC20_SEC21_SEC22_nothing_that_is_not_public_is_connected_to(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = urls()
    assert len(table) >= 800
    private, leading = Server(lambda _: http()), Server(lambda _: http())
    wrong: list[tuple[str, str]] = []

    async def all_of_them(at: str) -> None:
        async def beside(own: str) -> None:
            port = own.rpartition(":")[2]
            for url in table:
                written = url.replace("{port}", port)
                found = await connections(USES[way], written, leading, at, monkeypatch)
                wrong.extend((written, to) for to in found if is_closed(to.rpartition(":")[0]))

        await private.run_within(beside)

    leading.run(all_of_them)
    assert wrong == []
    assert private.connections == 0
    assert leading.connections >= (len(table) if "redirected" in way else 0)


@pytest.mark.parametrize("way", USES)
def test_a_public_address_is_connected_to_and_that_is_seen(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table above proves something only because these are seen."""

    async def use(at: str) -> None:
        for url in (f"https://{PUBLIC}/", "https://public.test/", "https://public.test./", f"https://{REBINDING}/"):
            assert await connections(USES[way], url, leading, at, monkeypatch) == {f"{PUBLIC}:443"}

    leading = Server(lambda _: http())
    leading.run(use)


def test_a_connection_to_loopback_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(lambda _: http())

    async def use(at: str) -> None:
        with WATCH.watching() as seen:
            await Fetcher(frozenset((at,))).fetch(f"http://{at}/")
        assert [f"{host}:{port}" for host, port in seen] == [at]

    server.run(use)
