"""Amounts as people write them: integer nano-units of the ledger's currency, and decimals without rounding."""

import re

UNIT = 1_000_000_000
LARGEST = 9_000_000_000 * UNIT
"""What fits into a 64-bit integer, with room."""
_DECIMAL = re.compile(r"(-?)(\d{1,10})(?:\.(\d{1,9}))?", re.ASCII)


def as_text(amount: int) -> str:
    """`1500000000` is `1.5`; as many decimals as needed, at least two."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), UNIT)
    return f"{sign}{whole}.{f'{rest:09}'.rstrip('0').ljust(2, '0')}"


def as_nano(text: str) -> int:
    """The reverse. Raises `ValueError` for anything but a plain decimal with at most nine decimals."""
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount; write it like 12.50, with at most nine decimals")
    sign, whole, rest = match.groups()
    amount = int(whole) * UNIT + int((rest or "").ljust(9, "0"))
    if amount > LARGEST:
        raise ValueError(f"{text!r} is larger than this ledger can hold")
    return -amount if sign else amount
