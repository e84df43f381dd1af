"""The models: what a name and its options ask for. `chat@delay=5,events=64` is `chat` with two options.

Options: `ttfb` milliseconds before the status line, `delay` milliseconds between events, `events` text tokens of the
reply, `after` events before a fault strikes, `retry` the Retry-After value, `seconds` a slow model waits.
"""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What goes wrong, with the rows of the fault matrix that it serves."""

    SLOW = "slow"  # U-05: accepts, answers late or never
    HANG = "hang"  # U-06: headers, then nothing
    STALL = "stall"  # U-07: stops in the middle
    TRUNCATE = "truncate"  # U-08: clean end without [DONE] or finish_reason
    NO_DONE = "no-done"  # U-09: complete but for [DONE]
    CUT = "cut"  # U-10: connection closed in the middle of an event
    RESET = "reset"  # U-10: the same by TCP reset
    MALFORMED = "malformed"  # U-11, U-12
    FRAMING = "framing"  # U-13
    HUGE = "huge-event"  # U-14
    HTML = "html"  # U-15
    ERROR_200 = "error-200"  # U-16
    ERROR_FIRST = "error-first"  # U-17
    ERROR_EVENT = "error-event"  # U-18
    S429 = "429"  # U-20, U-21
    S503 = "503"  # U-22
    S500 = "500"  # U-23
    S401 = "401"  # U-24
    S404 = "404"  # U-25
    S400 = "400"  # U-26
    STALE = "stale"  # U-27: closes the idle connection after answering
    REDIRECT = "redirect"  # U-29
    NO_USAGE = "no-usage"  # U-30
    BAD_USAGE = "bad-usage"  # U-31
    EMPTY = "empty"  # U-34
    OTHER_MODEL = "other-model"  # U-35


OPTIONS = frozenset(("ttfb", "delay", "events", "after", "retry", "seconds"))
NAMES = ("chat", "reasoning", *(f"fault-{fault}" for fault in Fault))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One request's model, taken apart. Times are seconds."""

    name: str
    fault: Fault | None
    ttfb: float
    delay: float
    events: int | None
    after: int
    retry: str
    seconds: float


def behaviour(model: str) -> Behaviour | None:
    """The behaviour that a model name asks for, or None for an unknown name or option."""
    name, _, text = model.partition("@")
    options = dict(option.partition("=")[::2] for option in text.split(",") if option)
    if name not in NAMES or not options.keys() <= OPTIONS:
        return None
    try:
        return Behaviour(
            name=name,
            fault=Fault(name.removeprefix("fault-")) if name.startswith("fault-") else None,
            ttfb=float(options.get("ttfb", 0)) / 1000,
            delay=float(options.get("delay", 0)) / 1000,
            events=int(options["events"]) if "events" in options else None,
            after=int(options.get("after", 3)),
            retry=options.get("retry", "7"),
            seconds=float(options.get("seconds", 120)),
        )
    except ValueError:
        return None
