"""How much money is set aside for a call before it is sent (reliability 2.3): an upper bound, not the worst case."""

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import Price, Rates
from nexusflow.pricing.cost import MOST_AMOUNT, WHOLE, in_force
from nexusflow.pricing.media import MILLION, MOST_UNITS


def bound(price: Price, now_ms: int, *, input_tokens: int, output_tokens: int, answers: int = 1) -> int:
    """Nano-units at the prices of `now_ms`: `input_tokens` read in the dearest way, `answers` times `output_tokens`.

    No cache is assumed to help, and a cache write or another medium may be dearer than plain input. Raises
    `RequestRefused` for what could cost more than any call may (2.4).
    """
    price = in_force(price, now_ms)
    rates = price.tokens
    for step in price.above:
        if input_tokens > step.input_tokens:
            rates = step.rates
    output = output_tokens * answers
    millionths = rates.per_request * MILLION + input_tokens * _dearest_input(rates) + output * _dearest_output(rates)
    amount = -(-millionths * (WHOLE + price.markup) // (MILLION * WHOLE))
    if amount > MOST_AMOUNT or input_tokens > MOST_UNITS or output > MOST_UNITS:
        raise refuse(Kind.PARAM, "the request could cost more than any call may", code="value_out_of_range", status=422)
    return amount


def _dearest_input(rates: Rates) -> int:
    return max(rates.input, rates.cache_write_5m, rates.input_image, rates.input_audio, rates.input_video)


def _dearest_output(rates: Rates) -> int:
    return max(rates.output, rates.reasoning, rates.output_audio, rates.output_image)
