"""The table of the simulated models: what each does, the rows of the fault matrix it serves, its options."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from nexusflow.simulator import faults
from nexusflow.simulator.failure import Class
from nexusflow.simulator.form import Call, answer, block
from nexusflow.simulator.options import Options, read_options
from nexusflow.simulator.traits import Traits

TTFB: dict[str, Any] = {"ttfb": 0}
PACE: dict[str, Any] = {**TTFB, "delay": 0, "events": None, "size": None}
WELL: dict[str, Any] = {**PACE, "cached": 0, "written": 0}
MIDDLE: dict[str, Any] = {**PACE, "after": 3}
HUGE_BYTES = 9 * 1024 * 1024

Act = Callable[[Call], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Model:
    """One row: `rows` are those of the fault matrix, `takes` its options with their defaults.

    It `talks` where it answers chats, and `embeds` where it makes embeddings; faults do both.
    """

    rows: str
    what: str
    act: Act
    takes: dict[str, Any] = field(default_factory=lambda: PACE)
    traits: Traits = field(default_factory=Traits)
    talks: bool = True
    embeds: bool = True


def _well(what: str, act: Act = answer, *, more: dict[str, Any] | None = None, **traits: Any) -> Model:
    """A model that fits chats alone."""
    return Model("", what, act, {**WELL, **(more or {})}, Traits(**traits), embeds=False)


def _refusal(rows: str, kind: Class, what: str) -> Model:
    """A model that answers everything with one class of error."""
    return Model(rows, what, functools.partial(faults.refuse, kind=kind), TTFB)


def _waiting(seconds: float, takes: dict[str, Any]) -> dict[str, Any]:
    return {**takes, "seconds": seconds}


OLDER = ("none", "minimal", "low", "medium", "high")
NEWEST = ("low", "medium", "high", "xhigh", "max")
BOTH = ("none", "low", "medium", "high", "xhigh")
REDACTED: dict[str, Any] = {"redacted": False}

MODELS: dict[str, Model] = {
    "chat": _well("answers well; it cannot think"),
    "reasoning": _well(
        "answers well and thinks before: on Messages when asked, elsewhere unless told not to", more=REDACTED,
        efforts=OLDER,
    ),
    "thinker": _well(
        "thinks always; no sampling, prefill, stop sequences or budgets, and it insists on its signatures",
        more=REDACTED, efforts=NEWEST, newest=True,
    ),
    "thinker-tools": _well(
        "as thinker, but rests at effort none and takes functions on Chat only then", more=REDACTED, efforts=BOTH,
        newest=True, chat_tools=False,
    ),
    "refusing": _well("refuses in words", ending="refusal"),
    "filtered": _well("cut off by a filter in the middle", ending="filter"),
    "blocked": _well("its prompts are not let through", block),
    "embedding": Model("", "embeddings of up to 1536 dimensions", answer, TTFB, talks=False),
    "fault-slow": Model("U-05", "first byte after `seconds`", faults.wait_and_answer, _waiting(120, PACE)),
    "fault-hang": Model("U-06", "headers, then nothing for `seconds`", faults.hang, _waiting(120, PACE)),
    "fault-stall": Model("U-07", "stops for `seconds` after `after` deltas", faults.stall, _waiting(120, MIDDLE)),
    "fault-truncate": Model("U-08", "clean end after `after` deltas", faults.truncate, MIDDLE),
    "fault-no-done": Model("U-09", "complete but for its last event, such as [DONE]", faults.omit_end),
    "fault-cut": Model("U-10", "closes within an event after `after` deltas", faults.cut, MIDDLE),
    "fault-reset": Model("U-10", "the same by TCP reset", faults.reset, MIDDLE),
    "fault-malformed": Model("U-11 U-12", "not JSON, or one event that is not", faults.malform, MIDDLE),
    "fault-framing": Model("U-13", "unusual but legal framing", faults.frame_badly, {**PACE, "comments": 100}),
    "fault-huge-event": Model(
        "U-14", "one event with a text of `size` bytes", faults.swell, {**TTFB, "size": HUGE_BYTES}
    ),
    "fault-html": Model("U-15", "a web page", faults.answer_html, TTFB),
    "fault-error-200": Model("U-16", "status 200 with an error as its JSON", faults.fail_in_200, TTFB),
    "fault-error-first": Model("U-17", "an error as the first event", faults.fail_first, TTFB),
    "fault-error-event": Model("U-18", "an error event after `after` deltas", faults.fail_late, MIDDLE),
    "fault-429": Model(
        "U-20 U-21", "Retry-After `retry`: any text, or `date` for `seconds` ahead", faults.limit_rate,
        {**_waiting(7, TTFB), "retry": "7"},
    ),
    "fault-503": _refusal("U-22", "unavailable", "unavailable: 503"),
    "fault-500": _refusal("U-23", "internal", "failed inside: 500"),
    "fault-401": _refusal("U-24", "auth", "wrong key: 401, with Google 400"),
    "fault-404": _refusal("U-25", "model", "no such model: 404"),
    "fault-400": _refusal("U-26", "context", "prompt too long: 400"),
    "fault-402": _refusal("", "billing", "no credit: 402 with Anthropic, 429 with OpenAI, 400 with Google"),
    "fault-403": _refusal("", "permission", "not permitted: 403"),
    "fault-413": _refusal("", "large", "request too large: 413"),
    "fault-502": _refusal("", "gateway", "bad gateway: 502"),
    "fault-504": _refusal("", "timeout", "timed out: 504"),
    "fault-529": _refusal("", "overloaded", "overloaded: 529 with Anthropic, 503 elsewhere"),
    "fault-quota": _refusal("", "quota", "quota used up: 429"),
    "fault-policy": _refusal("", "policy", "refused by a filter: 400"),
    "fault-stale": Model(
        "U-27", "closes the kept connection `seconds` after answering", faults.close_idle, _waiting(0, PACE)
    ),
    "fault-redirect": Model("U-29", "redirects with `status`", faults.redirect, {**TTFB, "status": 302}),
    "fault-no-usage": Model("U-30", "no usage, asked or not", faults.omit_usage),
    "fault-bad-usage": Model(
        "U-31", "usage of `kind` negative, absurd, text or cached", faults.report_untrue_usage,
        {**PACE, "kind": "negative"},
    ),
    "fault-repeated-usage": Model("U-32", "cumulative usage wherever there is room for it", faults.repeat_usage),
    "fault-zero-usage": Model("U-33", "usage of 0", faults.report_zero_usage),
    "fault-empty": Model("U-34", "no output and no finish reason", faults.say_nothing, TTFB),
    "fault-other-model": Model("U-35", "another model's name in the answer", faults.name_another_model),
}  # fmt: skip


def find(wanted: str) -> tuple[str, Model, Options]:
    """The name, row and options that a model name asks for.

    Raises `KeyError` for an unknown name and `ValueError`, with the reason, for options it does not take.
    """
    name, _, text = wanted.partition("@")
    model = MODELS[name]
    return name, model, read_options(text, model.takes)
