"""AT-10, I-08, reliability 2.4: arithmetic of prices. Integers, every class once, one rounding, no way to a credit."""

import random

import msgspec
import pytest

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import LaterPrice, LongPrompt, Price, Rates, TierRates
from nexusflow.ir.usage import Usage
from nexusflow.pricing import Cost, Unpriceable, bound, cost_of, implausible, price_id, rates_for
from nexusflow.pricing.cost import MILLION, MOST_AMOUNT, MOST_UNITS, PIECES, TOKENS

NOT_PRICED = {
    "pred_accepted",
    "pred_rejected",
    "n_video_seconds",
    "media",
    "tier",
    "speed",
    "geo",
    "source",
    "inconsistent",
    "raw",
}
"""Fields of a usage record that have no rate of their own: predictions are inside the output; video has its list."""
ALL_ONE = Rates(**dict.fromkeys(TOKENS.values(), MILLION), **dict.fromkeys(PIECES.values(), 1))
"""One nano-unit for each token and each piece."""


def test_I08_every_quantity_of_a_usage_record_has_exactly_one_rate_and_every_rate_a_quantity() -> None:
    assert TOKENS.keys() | PIECES.keys() | NOT_PRICED == set(Usage.__struct_fields__)
    assert not TOKENS.keys() & PIECES.keys()
    assert {*TOKENS.values(), *PIECES.values(), "per_request"} == set(Rates.__struct_fields__)


@pytest.mark.parametrize("name", TOKENS)
def test_I08_a_token_of_each_class_is_charged_once_at_its_own_rate(name: str) -> None:
    price = Price(tokens=Rates(**{TOKENS[name]: 7 * MILLION}))
    assert cost_of(price, Usage(**{name: 3}), 0) == Cost(21, 21)
    others = {one: 5 for one, rate in TOKENS.items() if rate != TOKENS[name]}
    assert cost_of(price, Usage(**others), 0) == Cost(0, 0)


@pytest.mark.parametrize("name", PIECES)
def test_I08_a_piece_is_charged_once_and_a_request_is_too(name: str) -> None:
    price = Price(tokens=Rates(per_request=1000, **{PIECES[name]: 7}))
    assert cost_of(price, Usage(**{name: 3}), 0) == Cost(1021, 1021)


@pytest.mark.parametrize(("millionths", "nano"), [(499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2)])
def test_the_sum_is_rounded_half_up_once(millionths: int, nano: int) -> None:
    """Two classes that each would round down come to a half together."""
    price = Price(tokens=Rates(input=millionths - 250_000, output=250_000))
    assert cost_of(price, Usage(input_text=1, output_text=1), 0) == Cost(nano, nano)


def test_markup_is_paid_by_the_customer_and_rounded_on_its_own() -> None:
    price = Price(tokens=Rates(input=1_400_000), markup=1_000)  # 1.4 nano-units and 10 %: 1.54
    assert cost_of(price, Usage(input_text=1), 0) == Cost(amount=2, cost=1)


def test_B11_the_list_of_the_moment_of_the_reservation_holds() -> None:
    later = (LaterPrice(100, Price(tokens=Rates(input=2 * MILLION))), LaterPrice(200, Price(markup=5)))
    price = Price(tokens=Rates(input=MILLION), later=later)
    used = Usage(input_text=10)
    assert [cost_of(price, used, at).amount for at in (0, 99, 100, 199, 200, 10**13)] == [10, 10, 20, 20, 0, 0]
    assert [bound(price, at, input_tokens=10, output_tokens=0) for at in (99, 100, 200)] == [10, 20, 0]


def test_the_tier_that_was_reported_goes_before_the_length_of_the_prompt() -> None:
    standard, long, flex, fast = (Rates(input=at) for at in range(4))
    price = Price(
        tokens=standard,
        above=(LongPrompt(10, long), LongPrompt(20, flex)),
        tiers=(TierRates("flex", flex), TierRates("fast", fast)),
    )
    for usage, rates in (
        (Usage(input_text=10), standard),
        (Usage(input_text=6, cache_read_text=3, tool_input=2), long),
        (Usage(input_text=21), flex),
        (Usage(input_text=11, tier="FLEX"), flex),
        (Usage(input_text=11, tier="unheard-of"), long),
        (Usage(input_text=1, tier="standard", speed="fast"), fast),
        (Usage(input_text=1, tier="flex", speed="standard"), flex),
    ):
        assert rates_for(price, usage) is rates, usage


def extremes() -> list[int]:
    """10^4 values: around every power of two that a machine word ends at, and anywhere between."""
    chosen = random.Random(10)
    edges = [sign * (2**power + step) for power in range(70) for sign in (-1, 1) for step in (-1, 0, 1)]
    edges += [18446744073686646784, MOST_UNITS, MOST_UNITS + 1, 10**15, 10**18, 10**30]
    return edges + [chosen.randint(-(2**80), 2**80) for _ in range(10_000 - len(edges))]


EXTREMES = extremes()


@pytest.mark.parametrize("name", [*TOKENS, *PIECES])
def test_AT10_no_extreme_quantity_becomes_a_credit(name: str) -> None:
    """GHSA-8r8v-xf7q-rcpr: a quantity that wrapped below zero was paid out."""
    price = Price(tokens=ALL_ONE, markup=2_500)
    for value in EXTREMES:
        usage = Usage(**{name: value})
        try:
            amount, cost = cost_of(price, usage, 0)
        except Unpriceable:
            assert value < 0 or value > MOST_UNITS
            assert implausible(usage, 10**40, 10**40) is not None
            continue
        assert 0 <= cost <= amount <= MOST_AMOUNT
        assert cost == value


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "answers"])
def test_AT10_no_extreme_demand_becomes_a_small_or_negative_reservation(name: str) -> None:
    price = Price(tokens=ALL_ONE)
    usual = {"input_tokens": 1, "output_tokens": 1, "answers": 1}
    least = bound(price, 0, input_tokens=1, output_tokens=1)
    for value in EXTREMES:
        if value < 1:
            continue  # the request structs take no such number
        try:
            amount = bound(price, 0, **{**usual, name: value})
        except RequestRefused:
            assert value > MOST_UNITS // 2
            continue
        assert least <= amount <= MOST_AMOUNT


def test_AT10_no_usage_report_that_a_provider_could_write_is_a_credit() -> None:
    for value in EXTREMES:
        usage = Usage(input_text=value, output_text=-value)
        assert implausible(usage, 10**9, 10**9) is not None or value == 0


def test_the_largest_product_still_fits_the_ledger() -> None:
    dear = Price(tokens=Rates(input=10**15))
    assert cost_of(dear, Usage(input_text=MILLION), 0).amount == MOST_AMOUNT
    with pytest.raises(Unpriceable):
        cost_of(dear, Usage(input_text=MILLION + 1), 0)
    with pytest.raises(RequestRefused) as refused:
        bound(dear, 0, input_tokens=MILLION + 1, output_tokens=0)
    assert refused.value.problem.kind is Kind.PARAM


def test_the_reservation_covers_the_dearest_way_of_reading_and_thinking() -> None:
    for field in ("input", "cache_write_5m", "input_image", "input_audio", "input_video"):
        assert bound(Price(tokens=Rates(**{field: MILLION})), 0, input_tokens=9, output_tokens=0) == 9
    for field in ("output", "reasoning", "output_audio", "output_image"):
        assert bound(Price(tokens=Rates(**{field: MILLION})), 0, input_tokens=0, output_tokens=3, answers=4) == 12
    assert bound(Price(tokens=Rates(input=1)), 0, input_tokens=1, output_tokens=0) == 1  # rounded up


def test_a_price_list_is_known_by_what_it_says() -> None:
    price = Price(tokens=Rates(input=1))
    assert price_id(price) == price_id(msgspec.json.decode(msgspec.json.encode(price), type=Price))
    assert len(price_id(price)) == 16
    other = msgspec.structs.replace(price, markup=1)
    assert price_id(other) != price_id(price)
