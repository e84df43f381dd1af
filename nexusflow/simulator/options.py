"""What stands behind the `@` of a model name: `delay=5,events=64`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

NotNegative = Annotated[float, Meta(ge=0)]


class Options(Struct, frozen=True):
    """All options of all models; a model takes those that its row of the table names, with its own defaults."""

    ttfb: NotNegative = 0  # milliseconds before the status line
    delay: NotNegative = 0  # milliseconds between two events
    events: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None  # content deltas of a stream
    size: Annotated[int, Meta(ge=1, le=64 * 1024 * 1024)] | None = None  # bytes of the reply's text
    after: Annotated[int, Meta(ge=0)] = 0  # deltas sent before the fault strikes
    seconds: NotNegative = 0  # how long the fault waits
    retry: str = ""  # value of Retry-After; `date` stands for a date so many seconds ahead
    status: Literal[301, 302, 303, 307, 308] = 302
    kind: Literal["negative", "absurd", "text", "cached"] = "negative"  # what is wrong with the usage
    comments: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # comment lines ahead of the first event
    cached: Annotated[int, Meta(ge=0)] = 0  # prompt tokens read from a cache, whatever the request marks
    written: Annotated[int, Meta(ge=0)] = 0  # prompt tokens written to a cache, whatever the request marks
    redacted: bool = False  # thinking that Anthropic hands out only in redacted form


def read_options(text: str, takes: Mapping[str, Any]) -> Options:
    """The options in `text`, over the defaults in `takes`. Raises `ValueError` naming what is wrong."""
    given = dict(option.partition("=")[::2] for option in text.split(",") if option)
    unknown = sorted(given.keys() - takes.keys())
    if unknown:
        raise ValueError(f"no option {unknown[0]!r}; there are {', '.join(takes)}")
    return msgspec.convert({**takes, **given}, Options, strict=False)
