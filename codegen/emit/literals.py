"""The only ways in which a value reaches Python source (SEC-42). Names always come from our own fixed lists."""

import msgspec

from nexusflow.ir.plan import ImageRate, LaterPrice, LongPrompt, Price, Rates, TierRates, VideoRate

LINE = 100
CONSTRUCTORS = (Price, Rates, LongPrompt, TierRates, VideoRate, ImageRate, LaterPrice)
"""The structs that may appear as constants; `nexusflow.artifact` exports exactly these."""


def text(value: str) -> str:
    """A string literal in pure ASCII, without line breaks, quotes or escapes that could end it early."""
    return ascii(value)


def number(value: int | float) -> str:
    """A number; underscores make prices readable."""
    return f"{value:_}" if isinstance(value, int) else repr(float(value))


def constant(value: object, indent: int = 0) -> str:
    """A struct of `CONSTRUCTORS`, tuple, string, number, bool or None as one expression. Defaults are left out.

    Long ones are broken into a line per member, `indent` spaces in. Raises `TypeError` for anything else.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, tuple):
        return _bracketed("", [constant(item, indent + 4) for item in value], indent, always_comma=True)
    if isinstance(value, CONSTRUCTORS):
        defaults = {field.name: field.default for field in msgspec.structs.fields(value)}
        members = [
            f"{name}={constant(given, indent + 4)}"
            for name, given in msgspec.structs.asdict(value).items()
            if given != defaults[name]
        ]
        return _bracketed(type(value).__name__, members, indent)
    raise TypeError(f"{type(value).__name__} cannot be a constant of an artifact")


def _bracketed(name: str, members: list[str], indent: int, *, always_comma: bool = False) -> str:
    comma = "," if always_comma and members else ""
    line = f"{name}({', '.join(members)}{comma})"
    if indent + len(line) <= LINE and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{member},\n" for member in members)
    return f"{name}(\n{inner}{' ' * indent})"
