"""What a key may be used for (SEC-54, SEC-57): models, protocols, endpoints, addresses, administration."""

import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from msgspec import Struct

Admin = Literal["none", "read", "write"]
Endpoint = Literal[
    "chat",
    "responses",
    "messages",
    "generate",
    "count",
    "embeddings",
    "models",
    "usage",
    "balance",
    "requests",
    "limits",
]


class Scopes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bounds of a key; an empty list bounds nothing.

    `models` are public model ids, in which `*` stands for anything, `?` for one character and `[ab]` for one of those.
    `ips` are IPv4 and IPv6 addresses or networks. A key with an `admin` right calls no models, and one without it never
    reaches the admin API (SEC-57).
    """

    models: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    admin: Admin = "none"
    ips: tuple[str, ...] = ()

    def allows_model(self, model: str) -> bool:
        """Whether the public model id `model` is in scope."""
        return not self.models or _matcher(self.models)(model) is not None

    def allows_protocol(self, protocol: str) -> bool:
        """Whether the client protocol is in scope."""
        return not self.protocols or protocol in self.protocols

    def allows_endpoint(self, endpoint: str) -> bool:
        """Whether the endpoint, one of `Endpoint`, is in scope."""
        return not self.endpoints or endpoint in self.endpoints

    def allows_ip(self, address: str | None) -> bool:
        """Whether a client at `address` may use the key; one without an address may only where there is no list."""
        return not self.ips or (address is not None and _contains(self.ips, address))

    def allows_admin(self, *, write: bool) -> bool:
        """Whether the key may read, or change, over the admin API."""
        return self.admin == "write" or (self.admin == "read" and not write)


OPEN = Scopes()


@lru_cache(4096)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(translate(pattern) for pattern in patterns)).match


@lru_cache(65_536)
def _contains(networks: tuple[str, ...], address: str) -> bool:
    try:
        client = ip_address(address)
    except ValueError:
        return False
    spellings = {client}
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        spellings.add(client.ipv4_mapped)  # a socket that listens on both families shows IPv4 clients so
    return any(spelling in ip_network(network) for network in networks for spelling in spellings)
