"""How much money is set aside for a call before it is sent (reliability 2.3): an upper bound, not the worst case."""

from nexusflow.ir.plan import Price, Rates
from nexusflow.pricing.cost import MILLION, MOST_AMOUNT, WHOLE, in_force


def bound(price: Price, now_ms: int, *, input_tokens: int, output_tokens: int, answers: int = 1) -> int:
    """Nano-units at the prices of `now_ms`: `input_tokens` read in the dearest way, `answers` times `output_tokens`.

    No cache is assumed to help, and a cache write may be dearer than plain input.
    """
    price = in_force(price, now_ms)
    rates = price.tokens
    for step in price.above:
        if input_tokens > step.input_tokens:
            rates = step.rates
    millionths = rates.per_request * MILLION
    millionths += input_tokens * _dearest_input(rates)
    millionths += output_tokens * answers * max(rates.output, rates.reasoning)
    divisor = MILLION * WHOLE
    return min(-(-millionths * (WHOLE + price.markup) // divisor), MOST_AMOUNT)


def _dearest_input(rates: Rates) -> int:
    return max(rates.input, rates.cache_write_5m)
