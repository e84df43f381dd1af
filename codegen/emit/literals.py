"""The only ways in which a value reaches Python source (SEC-42). Names always come from our own fixed lists."""

import msgspec

from nexusflow.ir.plan import ImageRate, LongPrompt, Price, Rates, TierRates, VideoRate

CONSTRUCTORS = (Price, Rates, LongPrompt, TierRates, VideoRate, ImageRate)
"""The structs that may appear as constants; `nexusflow.artifact` exports exactly these."""


def text(value: str) -> str:
    """A string literal in pure ASCII, without line breaks, quotes or escapes that could end it early."""
    return ascii(value)


def number(value: int | float) -> str:
    """A number; underscores make prices readable."""
    return f"{value:_}" if isinstance(value, int) else repr(float(value))


def constant(value: object) -> str:
    """A struct of `CONSTRUCTORS`, tuple, string, number, bool or None as one expression. Defaults are left out.

    Raises `TypeError` for anything else.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, tuple):
        return "(" + "".join(f"{constant(item)}, " for item in value).rstrip(" ") + ")"
    if isinstance(value, CONSTRUCTORS):
        defaults = {field.name: field.default for field in msgspec.structs.fields(value)}
        arguments = [
            f"{name}={constant(given)}"
            for name, given in msgspec.structs.asdict(value).items()
            if given != defaults[name]
        ]
        return f"{type(value).__name__}({', '.join(arguments)})"
    raise TypeError(f"{type(value).__name__} cannot be a constant of an artifact")
