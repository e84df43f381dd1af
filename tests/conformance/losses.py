"""What a client of a protocol cannot see of an answer that came by another: every known loss, with its reason.

`through(client, reading)` is the reading that is left; the bridge must deliver exactly that. `refused` says which
answers a client gets as a 502 instead. Anything that is not in these tables must arrive.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.support.naive.values import Answer, Call, Reading

Step = Callable[[Reading], Reading]


@dataclass(frozen=True, slots=True)
class Known:
    """One loss of one kind of client."""

    client: str
    reason: str
    step: Step


def answers(change: Callable[[Answer], Answer]) -> Step:
    """The step that changes every answer."""
    return lambda reading: replace(reading, answers=tuple(change(one) for one in reading.answers))


def finishes(**words: str) -> Step:
    """The step that says some finish reasons in coarser words."""
    return answers(lambda one: replace(one, finish=words.get(one.finish, one.finish)))


def without(**empty: Any) -> Step:
    """The step that empties some members of every answer."""
    return answers(lambda one: replace(one, **empty))


def first_only(reading: Reading) -> Reading:
    """One answer is all that the protocol has room for."""
    return replace(reading, answers=reading.answers[:1])


def refusal_as_text(one: Answer) -> Answer:
    """The words of a refusal are text, and the answer ends by the filter."""
    return replace(one, text=one.text + one.refusal, refusal="", finish="filter") if one.refusal else one


def wrapped(one: Answer) -> Answer:
    """The bare input of a custom tool is the member of an object."""
    calls = tuple(
        Call(c.name, {"input": c.arguments} if isinstance(c.arguments, str) else c.arguments) for c in one.calls
    )
    return replace(one, calls=calls)


def soundless(one: Answer) -> Answer:
    """Only the pictures are left."""
    return replace(one, media=tuple(kind for kind in one.media if kind != "audio"))


def counted(**change: int) -> Step:
    """The step that changes the counts, if there are any."""
    return lambda reading: replace(reading, usage=replace(reading.usage, **change) if reading.usage else None)


TABLE = (
    Known(CHAT, "one word for any end of text", finishes(stop_sequence="end")),
    Known(
        CHAT,
        "one word for any lack of room, and for a turn that is to be continued",
        finishes(context="length", pause="length"),
    ),
    Known(MESSAGES, "a message is one answer", first_only),
    Known(MESSAGES, "no place for token probabilities", without(logprobs=())),
    Known(MESSAGES, "no block of refusal", answers(refusal_as_text)),
    Known(MESSAGES, "arguments are objects", answers(wrapped)),
    Known(GEMINI, "one word for any end of text", finishes(stop_sequence="end", pause="end")),
    Known(GEMINI, "one word for any lack of room", finishes(context="length")),
    Known(GEMINI, "refusals have no part of their own", answers(refusal_as_text)),
    Known(GEMINI, "arguments are objects", answers(wrapped)),
    Known(GEMINI, "writes to a cache are not told apart from input", counted(written=0)),
    Known(RESPONSES, "a response is one answer", first_only),
    Known(RESPONSES, "one word for any end of text", finishes(stop_sequence="end")),
    Known(
        RESPONSES,
        "one word for any lack of room, and for a turn that is to be continued",
        finishes(context="length", pause="length"),
    ),
    Known(RESPONSES, "no sound in an answer, which nobody can ask for either", answers(soundless)),
)


def through(client: str, reading: Reading) -> Reading:
    """What is left of `reading` for a client."""
    for known in TABLE:
        if known.client == client:
            reading = known.step(reading)
    return reading


def unexplained(parsed: Reading, expected: Reading) -> Reading:
    """`parsed` without the refusals that only say why an answer was stopped: the provider has no such part itself."""
    stopped = [one.finish == "filter" and not one.refusal for one in expected.answers]
    if len(stopped) != len(parsed.answers):
        return parsed
    found = (replace(one, refusal="") if said else one for one, said in zip(parsed.answers, stopped, strict=True))
    return replace(parsed, answers=tuple(found))


def refused(client: str, reading: Reading) -> str | None:
    """Why a client is refused an answer; None when it gets one."""
    shown = reading.answers[:1] if client in (MESSAGES, RESPONSES) else reading.answers
    if client != GEMINI and any(one.finish in ("malformed", "empty") for one in shown):
        return "the provider failed, and the protocol has no word for it but an error"
    if client == MESSAGES and any(one.media for one in shown):
        return "no place for pictures or sound in an answer"
    return None
