"""The connection pools of one worker. They outlive artifacts, so a swap keeps warm connections."""

from collections.abc import Callable, Iterator

from nexusflow.ir.plan import Provider
from nexusflow.upstream.http1_transport import Http1Transport
from nexusflow.upstream.transport import Transport


class Pool:
    """One transport per provider address and size."""

    def __init__(self, open_transport: Callable[[int], Transport] = Http1Transport) -> None:
        self._open = open_transport
        self._transports: dict[tuple[str, int], Transport] = {}
        self._named: dict[str, Transport] = {}

    def connect(self, provider: Provider) -> Transport:
        """The transport to `provider`; opened on first use."""
        key = (provider.base_url, provider.max_in_flight)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = self._open(provider.max_in_flight)
        self._named[provider.id] = transport
        return transport

    def certificates(self) -> Iterator[tuple[str, float]]:
        """When the certificate ends that a provider showed last, in seconds since 1970."""
        for name, transport in self._named.items():
            if transport.certified_until is not None:
                yield name, transport.certified_until

    async def close(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()
        self._named.clear()
