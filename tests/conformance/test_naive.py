"""The naive readings are themselves checked: the official SDKs must read the same from the recordings.

Where they do not, the provider bends its protocol so that the SDK gives up or garbles; each is listed with the cause.
"""

import warnings

import pytest

from tests.support import canonical, sdk
from tests.support.canonical import FOLDERS
from tests.support.corpus import exchanges

SDK_FAILS = {
    "chat-035232a93d93": "a later tool delta without a function",
    "chat-09fc9222b346": "a later tool delta without a function",
    "chat-1149f372923f": "usage under a name of the server's own",
    "chat-1ee312025490": "a chunk without usage after the one with usage",
    "chat-27dd5a7c1d96": "a tool delta without an index",
    "chat-2abbd73971e0": "thinking as parts of the content",
    "chat-31c05c8894b5": "the second choice comes first",
    "chat-35249f3c9197": "usage under a name of the server's own",
    "chat-94299dea15dd": "the name of a tool comes twice",
    "chat-c35f8f4e20ea": "a chunk without usage after the one with usage",
    "chat-c6804130febf": "reasoning details without an index",
    "chat-cdca1e9a9d3e": "thinking as parts of the content",
    "chat-d19ab4852566": "a stream without chunks",
    "chat-d8bbaaae5b9d": "annotations without an index",
    "chat-da8ad1ac58bf": "a tool delta without an index",
    "chat-db7d4835cc36": "a tool delta without an index",
    "chat-f2d898a72a80": "a later tool delta without a function",
    "chat-fb2f9a3909a7": "usage under a name of the server's own",
    "chat-ff9ca3ccf19e": "thinking as parts of the content",
    "resp-235918d318de": "an item changes between its start and its end",
    "resp-4990bb1017e8": "the recording lost deltas",
    "resp-77402646323a": "the response's id changes",
    "resp-a4b9ec5321fe": "the response's id changes",
    "resp-bb98ba7a60df": "the recording lost deltas",
    "resp-d48c28dd35fa": "the recording has other log probabilities in the deltas than at the end",
    "resp-ec6fe5dd052d": "the response's id changes",
    "resp-f9542734bf10": "the response's id changes",
    "anth-2d70a6364e04": "the messages of a whole loop in one recording",
    "anth-2f14c9a564a0": "the messages of a whole loop in one recording",
    "anth-2ff1a76cd344": "the messages of a whole loop in one recording",
    "anth-9c52be7d8def": "the message starts anew in the middle of a block",
    "anth-c6ca7c7ab28f": "the messages of a whole loop in one recording",
    "anth-f360df2492e1": "the messages of a whole loop in one recording",
    "gems-08c12fba4e0b": "a JSON array instead of events",
    "gems-6978618d526b": "a JSON array instead of events",
    "gems-733cbd185f71": "a JSON array instead of events",
    "gems-c23c43be0ae0": "a JSON array instead of events",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_official_sdks_read_the_recordings_as_the_naive_readings_do(folder: str) -> None:
    protocol = FOLDERS[folder]
    differ = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for exchange in exchanges(folder):
            if not exchange.succeeded:
                continue
            parse = sdk.read_stream if exchange.stream else sdk.read_body
            try:
                same = parse(protocol, exchange.response.data) == canonical.read(exchange)
            except Exception:  # an SDK that gives up reads nothing
                same = False
            if not same:
                differ.append(exchange.id)
    prefixes = tuple({exchange.id.split("-")[0] + "-" for exchange in exchanges(folder)})
    assert differ == sorted(id_ for id_ in SDK_FAILS if id_.startswith(prefixes))
