"""Canonical stream events and their grammar (architecture 8.3).

Readers turn any provider's stream into these; writers turn these into any client's stream. Parts of one choice never
overlap: a reader closes one before it opens the next, and holds back what came too early. Parts of different choices
may interleave. `index` counts the parts of a choice from 0, consecutively.
"""

from enum import Enum, auto

from msgspec import Struct

from nexusflow.ir.chat import Citation, Ext, Finish, Logprob, Opaque, Part
from nexusflow.ir.errors import Problem
from nexusflow.ir.usage import Usage


class Started(Struct, frozen=True, kw_only=True):
    """The provider answers. Ids, model and time are its own."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


class PartStarted(Struct, frozen=True):
    """A part begins. `part` is empty but for its kind, id and name; media, unknown blocks and redacted thinking are
    complete already and get no deltas."""

    index: int
    part: Part
    choice: int = 0


class PartDelta(Struct, frozen=True):
    """More text of the open part: text, thinking, refusal, or a fragment of a call's arguments. Never empty unless it
    brings `logprobs`."""

    index: int
    text: str
    choice: int = 0
    logprobs: tuple[Logprob, ...] | None = None


class Cited(Struct, frozen=True):
    """A source of the open text part."""

    index: int
    citation: Citation
    choice: int = 0


class PartEnded(Struct, frozen=True):
    """The open part is complete. `signature` is what was not yet known when it started.

    `said` is the whole text of a signed text part, for a client whose protocol has no place for a signature that comes
    behind a text: by it the gateway finds the signature when the text comes back.
    """

    index: int
    choice: int = 0
    signature: Opaque | None = None
    ext: Ext | None = None
    said: str | None = None


class UsageSeen(Struct, frozen=True):
    """The whole record so far: it replaces the one before (protocols 1.4.4, 1.5.4), so writers keep the last."""

    usage: Usage


class Finished(Struct, frozen=True):
    """One choice is over."""

    finish: Finish
    choice: int = 0


class Done(Struct, frozen=True):
    """The whole answer is over, and well."""

    tier: str | None = None
    ext: Ext | None = None


class Failed(Struct, frozen=True):
    """It broke. Nothing follows."""

    problem: Problem


Event = Started | PartStarted | PartDelta | Cited | PartEnded | UsageSeen | Finished | Done | Failed


class State(Enum):
    """Where a stream (`IDLE`, `OPEN`, `DONE`) or one of its choices (`BETWEEN`, `IN_PART`, `ENDED`) stands."""

    IDLE = auto()
    OPEN = auto()
    DONE = auto()
    BETWEEN = auto()
    IN_PART = auto()
    ENDED = auto()


STREAM: dict[State, dict[type[Event], State]] = {
    State.IDLE: {Started: State.OPEN, Failed: State.DONE},
    State.OPEN: {UsageSeen: State.OPEN, Done: State.DONE, Failed: State.DONE},
    State.DONE: {},
}
"""What may happen to the whole stream. `Done` needs every choice that was opened to have ended."""

CHOICE: dict[State, dict[type[Event], State]] = {
    State.BETWEEN: {PartStarted: State.IN_PART, Finished: State.ENDED},
    State.IN_PART: {PartDelta: State.IN_PART, Cited: State.IN_PART, PartEnded: State.BETWEEN},
    State.ENDED: {},
}
"""What may happen to one choice while the stream is open."""
