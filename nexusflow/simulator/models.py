"""The table of the simulated models: what each does, the rows of the fault matrix it serves, its options."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from nexusflow.simulator import chat, faults, wire
from nexusflow.simulator.chat import Call
from nexusflow.simulator.options import Options, read_options

TTFB: dict[str, Any] = {"ttfb": 0}
PACE: dict[str, Any] = {**TTFB, "delay": 0, "events": None, "size": None}
MIDDLE: dict[str, Any] = {**PACE, "after": 3}
HUGE_BYTES = 9 * 1024 * 1024

Act = Callable[[Call], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Model:
    """One row: `rows` are those of the fault matrix, `takes` its options with their defaults."""

    rows: str
    what: str
    act: Act
    takes: dict[str, Any] = field(default_factory=lambda: PACE)
    thinks: bool = False


def _refusal(rows: str, status: int, message: str, kind: str, code: str | None) -> Model:
    """A model that answers every chat with one status and OpenAI's error object."""

    async def refuse(call: Call) -> None:
        await call.connection.answer(status, wire.error(message, kind, code), chat.JSON)

    return Model(rows, f"status {status}: {message}", refuse, TTFB)


def _waiting(seconds: float, takes: dict[str, Any]) -> dict[str, Any]:
    return {**takes, "seconds": seconds}


MODELS: dict[str, Model] = {
    "chat": Model("", "answers well", chat.answer),
    "reasoning": Model("", "answers well, and thinks before", chat.answer, thinks=True),
    "fault-slow": Model("U-05", "first byte after `seconds`", faults.wait_and_answer, _waiting(120, PACE)),
    "fault-hang": Model("U-06", "headers, then nothing for `seconds`", faults.hang, _waiting(120, PACE)),
    "fault-stall": Model("U-07", "stops for `seconds` after `after` deltas", faults.stall, _waiting(120, MIDDLE)),
    "fault-truncate": Model("U-08", "clean end after `after` deltas", faults.truncate, MIDDLE),
    "fault-no-done": Model("U-09", "complete but for [DONE]", faults.omit_done),
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
    "fault-503": _refusal("U-22", 503, "The server is overloaded.", "server_error", "overloaded"),
    "fault-500": _refusal("U-23", 500, "The server had an error in simulated_secret_module.", "server_error", None),
    "fault-401": _refusal(
        "U-24", 401, "Incorrect API key provided: sk-simulated-secret.", "invalid_request_error", "invalid_api_key"
    ),
    "fault-404": _refusal("U-25", 404, "The model does not exist.", "invalid_request_error", "model_not_found"),
    "fault-400": _refusal(
        "U-26", 400, "This model's maximum context length is 8 tokens.", "invalid_request_error",
        "context_length_exceeded",
    ),
    "fault-stale": Model(
        "U-27", "closes the kept connection `seconds` after answering", faults.close_idle, _waiting(0, PACE)
    ),
    "fault-redirect": Model("U-29", "redirects with `status`", faults.redirect, {**TTFB, "status": 302}),
    "fault-no-usage": Model("U-30", "no usage, asked or not", faults.omit_usage),
    "fault-bad-usage": Model(
        "U-31", "usage of `kind` negative, absurd, text or cached", faults.report_untrue_usage,
        {**PACE, "kind": "negative"},
    ),
    "fault-repeated-usage": Model("U-32", "cumulative usage on every chunk", faults.repeat_usage),
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
