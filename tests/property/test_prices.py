"""I-08, I-09: what holds for every price list and every usage."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nexusflow.ir.plan import LongPrompt, Price, Rates
from nexusflow.ir.usage import Usage
from nexusflow.pricing import bound, cost_of
from nexusflow.pricing.cost import MILLION, MOST_AMOUNT, PIECES, TOKENS

CLASSES = (*TOKENS, *PIECES)
amounts = st.integers(0, 10**12)
counts = st.integers(0, 10**6) | st.none()
rates = st.builds(Rates, **dict.fromkeys(Rates.__struct_fields__, amounts))
usages = st.builds(Usage, **dict.fromkeys(CLASSES, counts))
markups = st.integers(0, 999_999)


def exact(rates: Rates, usage: Usage) -> Fraction:
    """The sum in fractions, written another way."""
    tokens = sum(Fraction((getattr(usage, name) or 0) * getattr(rates, rate), MILLION) for name, rate in TOKENS.items())
    pieces = sum(Fraction((getattr(usage, name) or 0) * getattr(rates, rate)) for name, rate in PIECES.items())
    return tokens + pieces + rates.per_request


@given(rates, usages, markups)
def test_I09_an_amount_is_the_exact_sum_rounded_half_up_once(rates: Rates, usage: Usage, markup: int) -> None:
    owed = exact(rates, usage)
    paid = owed * (10_000 + markup) / 10_000
    if paid > MOST_AMOUNT - 1:
        return
    amount, cost = cost_of(Price(tokens=rates, markup=markup), usage, 0)
    assert (amount, cost) == ((2 * paid + 1) // 2, (2 * owed + 1) // 2)


@given(rates, usages, st.sampled_from(CLASSES), st.integers(1, 10**6))
def test_more_of_anything_never_costs_less(rates: Rates, usage: Usage, name: str, more: int) -> None:
    larger = replace(usage, **{name: (getattr(usage, name) or 0) + more})
    if exact(rates, larger) < MOST_AMOUNT:
        assert cost_of(Price(tokens=rates), larger, 0).amount >= cost_of(Price(tokens=rates), usage, 0).amount


@given(rates, usages, usages)
def test_two_parts_cost_what_the_whole_does_but_for_rounding(rates: Rates, one: Usage, two: Usage) -> None:
    """A request fee is paid twice, a rounding is at most one nano-unit."""
    both = Usage(**{name: (getattr(one, name) or 0) + (getattr(two, name) or 0) for name in CLASSES})
    if exact(rates, both) + rates.per_request > MOST_AMOUNT - 2:
        return
    price = Price(tokens=rates)
    parts = cost_of(price, one, 0).amount + cost_of(price, two, 0).amount
    assert abs(parts - cost_of(price, both, 0).amount - rates.per_request) <= 1


@given(usages)
def test_I08_the_classes_of_tokens_are_the_total(usage: Usage) -> None:
    """Priced at one nano-unit a token, a usage costs its total: none is forgotten, none counted twice."""
    flat = Rates(**dict.fromkeys(TOKENS.values(), MILLION))
    assert cost_of(Price(tokens=flat), usage, 0).amount == usage.total


@given(rates, st.integers(0, 10**6), st.integers(0, 10**6), markups, st.booleans())
def test_a_call_within_its_bounds_costs_at_most_its_reservation(
    rates: Rates, input_: int, output: int, markup: int, thinks: bool
) -> None:
    price = Price(tokens=rates, above=(LongPrompt(500_000, rates),), markup=markup)
    used = Usage(input_text=input_, **{"output_reasoning" if thinks else "output_text": output})
    if exact(rates, used) * (10_000 + markup) // 10_000 > MOST_AMOUNT // 8:
        return
    held = Fraction(input_ * max(getattr(rates, name) for name in rates.__struct_fields__), MILLION)
    if held * (10_000 + markup) // 10_000 < MOST_AMOUNT // 8:
        most = max(rates.output, rates.reasoning, rates.output_audio, rates.output_image)
        if output * most * (10_000 + markup) // 10_000 // MILLION < MOST_AMOUNT // 8:
            reserved = bound(price, 0, input_tokens=input_, output_tokens=output)
            assert cost_of(price, used, 0).amount <= reserved
