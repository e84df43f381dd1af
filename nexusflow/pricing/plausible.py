"""Whether a provider's usage report can be true (B-08): it is what money is charged by, so it is not taken on faith."""

from nexusflow.ir.usage import Usage
from nexusflow.pricing.cost import MOST_UNITS, PIECES, TOKENS

_COUNTS = (*TOKENS, *PIECES)


def implausible(usage: Usage, most_input: int, most_output: int) -> str | None:
    """Why `usage` cannot be true, or None. `most_*` are the largest token counts that can be for this request."""
    for name in _COUNTS:
        count = getattr(usage, name)
        if count is not None and not 0 <= count <= MOST_UNITS:
            return f"{name} of {count}"
    if usage.total_input > most_input:
        return f"{usage.total_input} input tokens reported, at most {most_input} possible"
    if usage.total_output > most_output:
        return f"{usage.total_output} output tokens reported, at most {most_output} possible"
    return None
