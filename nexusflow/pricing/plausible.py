"""Whether a provider's usage report can be true (B-08): it is what money is charged by, so it is not taken on faith."""

from itertools import compress

from nexusflow.ir.usage import Usage
from nexusflow.pricing.cost import PIECES, TOKENS, units_of
from nexusflow.pricing.media import MOST_UNITS

_COUNTS = (*TOKENS, *PIECES)


def implausible(usage: Usage, most_input: int, most_output: int) -> str | None:
    """Why `usage` cannot be true, or None. `most_*` are the largest token counts that can be for this request."""
    found = units_of(usage)
    for name, count in zip(compress(_COUNTS, found), filter(None, found), strict=True):
        if not 0 <= count <= MOST_UNITS:
            return f"{name} of {count}"
    read, written = usage.total_input, usage.total_output
    if read > most_input:
        return f"{read} input tokens reported, at most {most_input} possible"
    if written > most_output:
        return f"{written} output tokens reported, at most {most_output} possible"
    return None
