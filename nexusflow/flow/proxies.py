"""Who the client is when a reverse proxy stands before the gateway. What a client says of itself counts for nothing."""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from litestar.types import Scope

FORWARDED = b"x-forwarded-for"


class Proxies:
    """The proxies that are trusted. Each of them appends the address it was called from to `X-Forwarded-For`."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = [ip_network(network) for network in networks]
        self._trusts = lru_cache(65_536)(self._contains)

    def unmask(self, scope: Scope) -> None:
        """Put the address of the real client into `scope`: the nearest one that is no trusted proxy.

        Where the chain ends in something that is no address, the proxy before it is as far as anybody knows.
        """
        client = scope.get("client")
        if client is None or not self._trusts(client[0]):
            return
        named = b",".join(value for name, value in scope["headers"] if name == FORWARDED).decode("latin-1")
        address = client[0]
        for claimed in reversed(named.split(",")):
            try:
                address = str(ip_address(claimed.strip()))
            except ValueError:
                break
            if not self._trusts(address):
                break
        if address != client[0]:
            scope["client"] = (address, 0)

    def _contains(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any(found in network or (mapped is not None and mapped in network) for network in self._networks)
