"""AT-07: real usage objects, read and priced here and by the package `genai-prices`, whose code is not ours.

Two readings of the same object by different people must agree on every count that both know, and two calculations with
the same price list on every amount. Where they do not, the difference is listed below with its reason.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest
from genai_prices import data_snapshot
from genai_prices.types import ModelPrice, Provider
from genai_prices.types import Usage as TheirUsage

from codegen import prices, spec
from codegen.catalogue.listed import Amounts, find
from nexusflow.ir.usage import Usage
from nexusflow.pricing import cost_of
from tests.support import bridge
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.support.corpus import CORPUS

MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
READERS = {
    "openai-chat": (CHAT, "openai", "chat", "https://api.openai.com/v1"),
    "openai-responses": (RESPONSES, "openai", "responses", "https://api.openai.com/v1"),
    "anthropic-messages": (MESSAGES, "anthropic", "default", "https://api.anthropic.com"),
    "gemini": (GEMINI, "google", "default", "https://generativelanguage.googleapis.com"),
}
"""Our protocol, their provider and flavour, and the address by which they find prices."""


class Body(NamedTuple):
    """One recorded answer, cut down to its model and usage, and both readings of it."""

    line: int
    protocol: str
    raw: dict[str, Any]
    model: str | None
    ours: Usage
    theirs: TheirUsage


def provider(name: str) -> Provider:
    return next(one for one in data_snapshot.get_snapshot().providers if one.id == name)


@cache
def bodies() -> tuple[Body, ...]:
    found = []
    for at, line in enumerate((CORPUS / "usage" / "bodies.jsonl").read_text().splitlines(), start=1):
        entry = json.loads(line)
        body = entry["body"]
        protocol, name, flavour, _ = READERS[entry["protocol"]]
        raw = body.get("usageMetadata") or body["usage"]
        if entry["protocol"] == "openai-chat" and "completion_tokens" not in raw:
            continue  # embeddings, which their reader of chats refuses
        model, theirs = provider(name).extract_usage(body, api_flavor=flavour)
        found.append(Body(at, entry["protocol"], raw, model, bridge.USAGE[protocol].read(raw), theirs))
    return tuple(found)


def counted(usage: Usage) -> dict[str, int]:
    """Our classes, summed up to their words."""
    return {
        "input_tokens": usage.total_input,
        "output_tokens": usage.total_output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "cache_write_5m_tokens": usage.cache_write_5m or 0,
        "cache_write_1h_tokens": usage.cache_write_1h or 0,
        "input_audio_tokens": (usage.input_audio or 0) + (usage.cache_read_audio or 0),
        "input_image_tokens": (usage.input_image or 0) + (usage.cache_read_image or 0),
        "input_video_tokens": (usage.input_video or 0) + (usage.cache_read_video or 0),
        "input_tool_tokens": usage.tool_input or 0,
        "output_reasoning_tokens": usage.output_reasoning or 0,
        "output_audio_tokens": usage.output_audio or 0,
        "output_image_tokens": usage.output_image or 0,
        "web_searches": usage.n_web_search or 0,
    }


def reason(body: Body, name: str) -> str | None:
    """Why the two readings of one count differ; None where nothing explains it."""
    modalities = {detail["modality"] for detail in body.raw.get("promptTokensDetails", ())}
    if name == "input_image_tokens" and "DOCUMENT" in modalities:
        return "they count the pages of a document as pictures, we as text, which Google prices them as"
    told = body.raw.get("total_tokens", 0)
    if name == "output_tokens" and told > body.raw["prompt_tokens"] + body.raw["completion_tokens"]:
        return "the total is larger than its parts: we take the rest for thinking that was not itemised"
    return None


def test_AT07_there_are_recordings_of_every_protocol() -> None:
    assert len(bodies()) > 1100
    assert {body.protocol for body in bodies()} == READERS.keys()


@pytest.mark.parametrize("protocol", READERS)
def test_AT07_both_readings_agree_on_every_count(protocol: str) -> None:
    unexplained, explained = [], 0
    for body in bodies():
        mine = counted(body.ours)
        for name, value in vars(body.theirs).items():
            if body.protocol == protocol and name in mine and value != mine[name]:
                explained += reason(body, name) is not None
                if reason(body, name) is None:
                    unexplained.append((body.line, name, value, mine[name]))
    assert unexplained == []
    assert explained == {"gemini": 12, "openai-chat": 2}.get(protocol, 0)


def priced(amounts: Amounts, above: dict[int, Amounts]) -> spec.Price:
    """A listing as gateway.yaml would have it."""
    steps = [{"input_tokens": start, "price": texts(rates)} for start, rates in above.items()]
    return msgspec.convert({**texts(amounts), "above": steps}, spec.Price)


def texts(amounts: Amounts) -> dict[str, str]:
    return {name: format(amount.quantize(Decimal("1e-9")), "f") for name, amount in amounts.items()}


@pytest.mark.parametrize("protocol", READERS)
def test_AT07_both_calculations_agree_to_the_nano_unit(protocol: str) -> None:
    _, name, _, address = READERS[protocol]
    differ, compared = [], 0
    for body in bodies():
        if body.protocol != protocol or body.model is None:
            continue
        model = body.model.removeprefix("models/")
        listing, listed = find(address, model, MOMENT), provider(name).find_model(model)
        if listing is None or listed is None or "input" not in listing.amounts:
            continue
        price: ModelPrice = listed.get_prices(MOMENT)
        wanted = price.calc_price(body.theirs)["total_price"] * 10**9
        cost = cost_of(prices.resolve(priced(listing.amounts, listing.above)), body.ours, 0).cost
        compared += 1
        if abs(cost - wanted) > Decimal("0.5"):
            differ.append((body.line, model, wanted, cost))
    assert differ == []
    assert compared > 100
