"""10,000 extreme values in each field that holds a quantity, of requests and of usage reports (I-07, B-08).

Whatever stands there, the caller gets an answer in their protocol and nobody gets money: a reservation is never
negative, a charge is never a credit and never beyond what one call may cost.
"""

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from nexusflow.flow.estimate import most, size_of
from nexusflow.flow.settlement import Evidence, Outcome, Terms, settle
from nexusflow.ir.chat import Origin
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.plan import Billing, Model, Price, Rates, RequestBounds
from nexusflow.pricing import bound
from nexusflow.pricing.cost import MOST_AMOUNT
from nexusflow.protocols.anthropic.wire import MessagesRequest
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.protocols.gemini.wire import GenerateRequest
from nexusflow.protocols.openai_chat.wire import ChatRequest
from nexusflow.protocols.openai_responses.wire import ResponsesRequest
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES

COUNT = 10_000
MODEL = Model(id="m", title="M", owner="o", category="language", lanes=(), protocols=())
PRICE = Price(tokens=Rates(**dict.fromkeys(Rates.__struct_fields__, 15_000_000_000)), markup=2_500)
BODIES: dict[Origin, tuple[type[msgspec.Struct], str]] = {
    CHAT: (ChatRequest, '{"model":"m","messages":[{"role":"user","content":"x"}],%s}'),
    RESPONSES: (ResponsesRequest, '{"model":"m","input":"x",%s}'),
    MESSAGES: (MessagesRequest, '{"model":"m","messages":[{"role":"user","content":"x"}],%s}'),
    GEMINI: (GenerateRequest, '{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{%s}}'),
}
ASKED: list[tuple[Origin, str]] = [
    (CHAT, '"max_tokens":%s'),
    (CHAT, '"max_completion_tokens":%s'),
    (CHAT, '"n":%s'),
    (CHAT, '"max_tokens":9,"n":%s'),
    (RESPONSES, '"max_output_tokens":%s'),
    (RESPONSES, '"max_tool_calls":%s'),
    (MESSAGES, '"max_tokens":%s'),
    (MESSAGES, '"max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":%s}'),
    (GEMINI, '"maxOutputTokens":%s'),
    (GEMINI, '"candidateCount":%s'),
    (GEMINI, '"maxOutputTokens":9,"thinkingConfig":{"thinkingBudget":%s}'),
]
REPORTED: list[tuple[Origin, str]] = [
    (CHAT, '{"prompt_tokens":%s,"completion_tokens":3,"total_tokens":5}'),
    (CHAT, '{"prompt_tokens":2,"completion_tokens":%s}'),
    (CHAT, '{"prompt_tokens":2,"completion_tokens":3,"total_tokens":%s}'),
    (CHAT, '{"prompt_tokens":2,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":%s}}'),
    (CHAT, '{"prompt_tokens":2,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":%s}}'),
    (CHAT, '{"prompt_tokens":2,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":%s}}'),
    (RESPONSES, '{"input_tokens":%s,"output_tokens":3,"total_tokens":5}'),
    (RESPONSES, '{"input_tokens":2,"output_tokens":%s,"total_tokens":5}'),
    (RESPONSES, '{"input_tokens":2,"output_tokens":3,"input_tokens_details":{"cached_tokens":%s}}'),
    (RESPONSES, '{"input_tokens":2,"output_tokens":3,"output_tokens_details":{"reasoning_tokens":%s}}'),
    (MESSAGES, '{"input_tokens":%s,"output_tokens":3}'),
    (MESSAGES, '{"input_tokens":2,"output_tokens":%s}'),
    (MESSAGES, '{"input_tokens":2,"output_tokens":3,"cache_read_input_tokens":%s}'),
    (MESSAGES, '{"input_tokens":2,"output_tokens":3,"cache_creation_input_tokens":%s}'),
    (MESSAGES, '{"input_tokens":2,"output_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":%s}}'),
    (MESSAGES, '{"input_tokens":2,"output_tokens":3,"server_tool_use":{"web_search_requests":%s}}'),
    (GEMINI, '{"promptTokenCount":%s,"candidatesTokenCount":3}'),
    (GEMINI, '{"promptTokenCount":2,"candidatesTokenCount":%s}'),
    (GEMINI, '{"promptTokenCount":2,"candidatesTokenCount":3,"thoughtsTokenCount":%s}'),
    (GEMINI, '{"promptTokenCount":2,"candidatesTokenCount":3,"cachedContentTokenCount":%s}'),
    (GEMINI, '{"promptTokenCount":2,"candidatesTokenCount":3,"toolUsePromptTokenCount":%s}'),
    (GEMINI, '{"promptTokenCount":2,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":%s}]}'),
]
ANSWERS = {
    CHAT: '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":%s}',
    RESPONSES: '{"id":"r","object":"response","created_at":1,"model":"m","status":"completed","output":[],"usage":%s}',
    MESSAGES: '{"id":"g","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"x"}],'
    '"stop_reason":"end_turn","usage":%s}',
    GEMINI: '{"candidates":[{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP"}],'
    '"modelVersion":"m","usageMetadata":%s}',
}


def edges() -> Iterator[str]:
    """Where number formats end, what is no number, and what only looks like one."""
    for power in range(131):
        for near in (-2, -1, 0, 1, 2):
            yield str(2**power + near)
            yield str(-(2**power) + near)
    for power in range(320):
        yield from (f"1e{power}", f"-1e{power}", f"1e-{power}", f"{10**power}", f"-{10**power}", f"9.5e{power}")
    yield from ("null", "true", "false", '""', '"5"', '"-5"', '"1e9"', '"NaN"', '"Infinity"', "[]", "{}", "[5]", "-0")
    yield from (
        "0.1",
        "-0.0",
        "1.0",
        "1e999",
        "-1e999",
        '{"$numberLong":"5"}',
        '"\\u0665"',
        "9" * 4_000,
        '"' + "9" * 4_000 + '"',
    )


@cache
def extremes() -> tuple[str, ...]:
    """10,000 different JSON values, the same in each run."""
    dice = random.Random(7)
    found = dict.fromkeys(edges())
    while len(found) < COUNT:
        size = dice.choice((8, 16, 31, 32, 53, 63, 64, 65, 200))
        number = dice.randrange(-(2**size), 2**size)
        found[dice.choice((str(number), str(number), f"{number}.0", f"{number}.5", f'"{number}"'))] = None
    return tuple(found)[:COUNT]


@pytest.mark.parametrize(("protocol", "field"), ASKED, ids=lambda value: str(value)[:60])
def test_I07_no_quantity_in_a_request_makes_a_negative_reservation_or_a_crash(protocol: Origin, field: str) -> None:
    side, (struct, body) = DIALECTS[protocol].identity_request, BODIES[protocol]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct)
    statuses: Counter[int] = Counter()
    reserved = 0
    for value in extremes():
        sent = (body % (field % value)).encode()
        try:
            demand = side.demand(side.validate(sent, decoder, MODEL, RequestBounds()))
            size = size_of(sent, demand, MODEL, 4_096)
            amount = bound(PRICE, 0, input_tokens=size.input, output_tokens=size.output, answers=size.answers)
        except RequestRefused as no:
            statuses[DIALECTS[protocol].errors.status(no.problem)] += 1
        else:
            assert 0 < amount <= MOST_AMOUNT, value[:80]
            reserved += 1
    assert reserved + statuses.total() == COUNT
    assert reserved
    assert statuses.keys() <= {400, 422}
    assert statuses


@pytest.mark.parametrize(("protocol", "field"), REPORTED, ids=lambda value: str(value)[:90])
def test_B08_no_quantity_in_a_usage_report_makes_a_credit_or_an_impossible_charge(protocol: Origin, field: str) -> None:
    terms = Terms(
        request="R", org="o", provider="p", model="m", plan="d", price=PRICE, price_id="i", billing=Billing(), now_ms=0
    )
    size = size_of(b"x" * 400, Demand(100), MODEL, 4_096)
    amounts = set()
    for value in extremes():
        usage = DIALECTS[protocol].identity_reply.usage((ANSWERS[protocol] % (field % value)).encode())
        limits = most(usage, size, b"", MODEL) if usage is not None else (0, 0)
        evidence = Evidence(usage, size.input, lambda: 20, *limits)
        for outcome in Outcome:
            done = settle(outcome, terms, evidence)
            assert all(0 <= entry.amount <= MOST_AMOUNT for entry in done.entries), value[:80]
            amounts.add(done.amount)
    assert len(amounts) > 3
