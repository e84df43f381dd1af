"""Strict, but no stricter than the vendors: what a vendor is on record to have taken, the simulated one takes too."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from nexusflow.simulator.anthropic import message_rules
from nexusflow.simulator.anthropic import request as messages_request
from nexusflow.simulator.anthropic.body import Body, Counted
from nexusflow.simulator.failure import Refused
from nexusflow.simulator.gemini import others, rules
from nexusflow.simulator.gemini import request as gemini_request
from nexusflow.simulator.openai import chat_request, embeddings, responses_request, responses_rules
from nexusflow.simulator.shape import Misfit
from nexusflow.simulator.traits import Traits
from tests.support.corpus import Exchange, exchanges

Read = Callable[[dict[str, Any], Traits], Any]

# A recorded request was for a model of one kind or the other.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
KINDS = (Traits(EFFORTS), Traits(EFFORTS, newest=True), Traits())
OFFICIAL = ("openai", "anthropic", "google")
# What was taken though it is more than this provider can: models that draw, prompts and caches kept at the vendor's.
BEYOND = ("combination of response modalities", "CachedContent not found", "field `model`")
FIRST_VERSION = "2023-06-01"


def messages(data: dict[str, Any], traits: Traits) -> Any:
    """As a client with beta headers sends it; the recordings have not kept them."""
    return messages_request.read(data, Body, traits, FIRST_VERSION, beta=True)


def counted(data: dict[str, Any], traits: Traits) -> Any:
    return messages_request.read(data, Counted, traits, FIRST_VERSION, beta=True)


def generated(data: dict[str, Any], traits: Traits) -> Any:
    return gemini_request.read(data, traits, stream=False)


def responded(data: dict[str, Any], traits: Traits) -> Any:
    return responses_request.read(data, traits, [])


FOLDERS: dict[str, Read] = {
    "openai-chat": chat_request.read,
    "openai-responses": responded,
    "openai-embeddings": lambda data, traits: embeddings.read(data),
    "anthropic-messages": messages,
    "anthropic-count-tokens": counted,
    "gemini-generate": generated,
    "gemini-stream": generated,
    "gemini-count-tokens": others.read_count,
}


def taken(folder: str) -> list[Exchange]:
    """The recorded requests that the vendor itself answered well."""
    return [
        one
        for one in exchanges(folder)
        if one.succeeded and one.provider in OFFICIAL and one.request is not None and one.request.body
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_vendor_took_is_taken(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (message_rules, rules, responses_rules):
        monkeypatch.setattr(module, "holds", lambda *_: True)  # the vendors' own seals are not ours to check
    read, refused = FOLDERS[folder], {}
    for exchange in taken(folder):
        data = msgspec.json.decode((exchange.request and exchange.request.body) or "{}")
        if data.get("previous_response_id") or data.get("conversation"):
            continue  # the calls that it answers are kept at the vendor's
        said = [refusal(read, data, traits) for traits in KINDS]
        if all(said) and not any(word in one for one in said if one for word in BEYOND):
            refused[exchange.id] = said[0]
    assert not refused, "\n".join(f"{one}: {why}" for one, why in refused.items())
    assert taken(folder)


def refusal(read: Read, data: dict[str, Any], traits: Traits) -> str | None:
    """Why a request is not taken, None when it is."""
    try:
        read(data, traits)
    except Refused as refused:
        return f"{refused.failure.message} {refused.failure.code}"
    except Misfit as misfit:
        return str(misfit)
    return None
