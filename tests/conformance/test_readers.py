"""Each reader over every recording sees what the naive reading sees, whatever the cuts, and speaks in grammar.

Recordings are of real providers; the naive readings know nothing of the gateway (tests/support/canonical.py).
"""

from dataclasses import replace

import pytest

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.events import Done, Event, Failed, UsageSeen
from tests.conformance import odd
from tests.support import bridge, canonical, grammar, replay, seen
from tests.support.canonical import FOLDERS
from tests.support.corpus import Exchange, exchanges

FOLDER_NAMES = tuple(FOLDERS)


def unary(folder: str) -> list[Exchange]:
    """The recorded whole answers with status 200."""
    return [one for one in exchanges(folder) if one.response.status == 200 and not one.stream]


def streams(folder: str) -> list[Exchange]:
    """The recorded streams with status 200, those that fail within included."""
    return [one for one in exchanges(folder) if one.response.status == 200 and one.stream]


def events_of(exchange: Exchange, split: replay.Split = replay.whole) -> list[Event]:
    """The canonical events of a recorded stream."""
    return bridge.read_stream(FOLDERS[exchange.protocol], split(exchange.response.data))


def seen_in(exchange: Exchange) -> canonical.Reading | None:
    """A recorded whole answer as the gateway reads it; None where it refuses it as an error."""
    try:
        reply = bridge.read_reply(FOLDERS[exchange.protocol], exchange.response.data)
    except RequestRefused:
        return None
    return canonical.squeezed(seen.of_reply(reply))


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_every_whole_answer_is_read_as_the_naive_reading_reads_it(folder: str) -> None:
    differ = {}
    for exchange in unary(folder):
        expected = canonical.squeezed(canonical.read(exchange))
        wanted = None if expected.failed or exchange.id in odd.REFUSED else expected
        found = seen_in(exchange)
        if exchange.id in odd.COUNTS and found is not None:
            found = replace(found, usage=expected.usage)
        if found != wanted:
            differ[exchange.id] = (found, wanted)
    assert differ == {}


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_every_stream_is_read_as_the_naive_reading_reads_it(folder: str) -> None:
    """T10, T19, T24, T26, T42, T47: the recordings hold all of these, and the naive reading knows the outcome."""
    differ = {}
    for exchange in streams(folder):
        if exchange.id in odd.STREAMS:
            continue
        found = canonical.squeezed(seen.of_events(events_of(exchange)))
        expected = canonical.squeezed(canonical.read(exchange))
        if expected.failed:
            found, expected = odd.failures(found), odd.failures(expected)
        if found != expected:
            differ[exchange.id] = (found, expected)
    assert differ == {}


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_every_stream_is_grammatical(folder: str) -> None:
    faults = {}
    for exchange in streams(folder):
        try:
            grammar.check(events_of(exchange))
        except grammar.Ungrammatical as fault:
            faults[exchange.id] = str(fault)
    assert faults == {}


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_T13_a_byte_a_read_gives_the_same_events(folder: str) -> None:
    differ = [one.id for one in streams(folder) if events_of(one, replay.by_byte) != events_of(one)]
    assert differ == []


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_T13_pieces_of_any_size_give_the_same_events(folder: str) -> None:
    differ = [
        one.id for one in streams(folder) if events_of(one, replay.at_random(seed=11, most=900)) != events_of(one)
    ]
    assert differ == []


@pytest.mark.parametrize("folder", FOLDER_NAMES)
def test_T102_a_stream_cut_anywhere_is_its_beginning_and_one_failure(folder: str) -> None:
    """The shortest streams at every byte, the others at one byte of each frame or so."""
    wrong = []
    sound = [one for one in streams(folder) if one.succeeded]
    for rank, exchange in enumerate(sorted(sound, key=lambda one: len(one.response.data))):
        body = exchange.response.data
        step = 1 if rank < 4 else max(len(body) // 24, 1)
        whole = events_of(exchange)
        cuts = range(0, len(body), step)
        wrong += [(exchange.id, at) for at in cuts if not begins(cut_at(exchange, body[:at]), whole)]
    assert wrong == []


def cut_at(exchange: Exchange, beginning: bytes) -> list[Event]:
    """The events of a stream whose connection ended well after `beginning`."""
    return bridge.read_stream(FOLDERS[exchange.protocol], [beginning])


def begins(events: list[Event], whole: list[Event]) -> bool:
    """Whether `events` are a beginning of `whole` and one failure; or all of it, when only what may follow the last
    finish reason was cut off: in the protocols without a last word that is no truncation (U-09)."""
    *before, last = events
    if isinstance(last, Failed):
        return before == whole[: len(before)]
    return said(events) == said(whole)


def said(events: list[Event]) -> list[Event]:
    """The events without usage, and without what the end tells about the answer as a whole."""
    return [event for event in events if not isinstance(event, UsageSeen | Done)]
