"""Where a provider's stream is cut never matters: hypothesis chooses a recording and the cuts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import bridge
from tests.support.canonical import FOLDERS
from tests.support.corpus import Exchange, exchanges

FOLDERS_WITH_STREAMS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini-stream")


def short(folder: str) -> list[Exchange]:
    """The shortest streams of a folder, which hypothesis can cut anywhere in reasonable time."""
    found = [one for one in exchanges(folder) if one.stream and one.succeeded]
    return sorted(found, key=lambda one: (len(one.response.data), one.id))[:24]


@pytest.mark.parametrize("folder", FOLDERS_WITH_STREAMS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_T13_any_cuts_give_the_same_events(folder: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(short(folder)), label="recording").response.data
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12), label="cuts"))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    protocol = FOLDERS[folder]
    assert bridge.read_stream(protocol, pieces) == bridge.read_stream(protocol, [body])
