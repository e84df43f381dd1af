"""Every recording, read as its provider's protocol and written for a client of each of the three others.

What the client's official SDK makes of it must be what the naive reading made of the recording, but for the losses that
tests/conformance/losses.py declares. Our own naive reading of the written bytes must agree with the SDK.
"""

from collections.abc import Callable, Iterable

import pytest

from nexusflow.ir.chat import Origin
from nexusflow.ir.errors import Kind, RequestRefused
from tests.conformance import losses, odd
from tests.support import bridge, canonical, openapi, sdk
from tests.support.canonical import FOLDERS, PROTOCOLS, Reading, squeezed
from tests.support.corpus import Exchange, exchanges

PAIRS = [(folder, client) for folder, upstream in FOLDERS.items() for client in PROTOCOLS if client != upstream]


def readable(folder: str, *, stream: bool) -> Iterable[tuple[Exchange, Reading]]:
    """The recordings that the provider's reader takes as good answers, with what is in them."""
    for exchange in exchanges(folder):
        if exchange.stream is stream and exchange.succeeded and exchange.id not in odd.ALL:
            yield exchange, squeezed(canonical.read(exchange))


def differences(
    client: Origin, found: Iterable[tuple[Exchange, Reading]], write: Callable[[Exchange], bytes], *, stream: bool
) -> dict[str, object]:
    """What differs between the recordings and what a client's SDK reads after the bridge."""
    differ: dict[str, object] = {}
    parse = sdk.read_stream if stream else sdk.read_body
    for exchange, reading in found:
        if (exchange.id, client) in odd.PAIRS:
            continue
        try:
            written = write(exchange)
        except RequestRefused as refused:
            if losses.refused(client, reading) is None or refused.problem.kind is not Kind.UPSTREAM:
                differ[exchange.id] = refused.problem
            continue
        if losses.refused(client, reading) is not None and not stream:
            differ[exchange.id] = "should have been refused"
            continue
        try:
            parsed = squeezed(parse(client, written))
        except Exception as raised:  # whatever an SDK raises is the finding
            if losses.refused(client, reading) is None:
                differ[exchange.id] = raised
            continue
        expected = losses.through(client, reading)
        if losses.unexplained(parsed, expected) != expected:
            differ[exchange.id] = (parsed, expected)
    return differ


@pytest.mark.parametrize(("folder", "client"), PAIRS)
def test_a_whole_answer_reaches_the_clients_sdk(folder: str, client: Origin) -> None:
    """T02, T07, T27, T30, T33, T34, T39, T40, T57: the recordings hold all of these."""

    def write(exchange: Exchange) -> bytes:
        return bridge.write_reply(client, bridge.read_reply(FOLDERS[folder], exchange.response.data))

    assert differences(client, readable(folder, stream=False), write, stream=False) == {}


@pytest.mark.parametrize(("folder", "client"), PAIRS)
def test_a_stream_reaches_the_clients_sdk(folder: str, client: Origin) -> None:
    """The SDK's own accumulating helper reads it: T03, T04, T05, T11, T17, T21, T22, T23."""

    def write(exchange: Exchange) -> bytes:
        return bridge.write_stream(client, bridge.read_stream(FOLDERS[folder], [exchange.response.data]))

    assert differences(client, readable(folder, stream=True), write, stream=True) == {}


@pytest.mark.parametrize(("folder", "client"), PAIRS)
def test_what_is_written_fits_the_vendors_description(folder: str, client: Origin) -> None:
    faults = {}
    for exchange, reading in [*readable(folder, stream=False), *readable(folder, stream=True)]:
        if losses.refused(client, reading) is not None:
            continue
        upstream, body = FOLDERS[folder], exchange.response.data
        if exchange.stream:
            written = bridge.write_stream(client, bridge.read_stream(upstream, [body]))
            found = openapi.faults_of_stream(client, written)
        else:
            found = openapi.faults_of_reply(client, bridge.write_reply(client, bridge.read_reply(upstream, body)))
        if found:
            faults[exchange.id] = found
    assert faults == {}
