"""Whether a reader's events obey the grammar of `nexusflow.ir.events`, by its own tables."""

from collections.abc import Iterable

from nexusflow.ir.chat import Media, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.events import (
    CHOICE,
    STREAM,
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    State,
)

OfChoice = PartStarted | PartDelta | Cited | PartEnded | Finished


class Ungrammatical(AssertionError):
    """An event that may not stand where it does."""


def check(events: Iterable[Event], *, whole: bool = True) -> None:
    """Raise `Ungrammatical` at the first event out of place; a `whole` stream must also have come to its end."""
    checker = Grammar()
    for event in events:
        checker.feed(event)
    if whole and checker.stream is not State.DONE:
        raise Ungrammatical(f"the stream ends in state {checker.stream.name}")


class Grammar:
    """The two automata of the tables, with the rules that they cannot say: part numbers, and what takes deltas."""

    def __init__(self) -> None:
        self.stream = State.IDLE
        self.choices: dict[int, State] = {}
        self.parts: dict[int, list[PartStarted]] = {}

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, OfChoice):
            self._of_choice(event)
            return
        after = STREAM[self.stream].get(type(event))
        if after is None:
            raise Ungrammatical(f"{event!r} in state {self.stream.name}")
        if isinstance(event, Done):
            still = [choice for choice, state in self.choices.items() if state is not State.ENDED]
            if still or not self.choices:
                raise Ungrammatical(f"Done with open choices {still} of {len(self.choices)}")
        self.stream = after

    def _of_choice(self, event: OfChoice) -> None:
        if self.stream is not State.OPEN:
            raise Ungrammatical(f"{event!r} in a stream that is {self.stream.name}")
        state = self.choices.get(event.choice, State.BETWEEN)
        after = CHOICE[state].get(type(event))
        if after is None:
            raise Ungrammatical(f"{event!r} in a choice that is {state.name}")
        parts = self.parts.setdefault(event.choice, [])
        if isinstance(event, PartStarted):
            self._opened(event, len(parts))
            parts.append(event)
        elif not isinstance(event, Finished):
            self._within(event, parts[-1])
        self.choices[event.choice] = after

    def _opened(self, event: PartStarted, at: int) -> None:
        if event.index != at:
            raise Ungrammatical(f"part {event.index} where {at} is next: {event!r}")
        match event.part:
            case Text(text=text) | Thinking(text=text, redacted=False) | Refusal(text=text) if text:
                raise Ungrammatical(f"a part that starts with content: {event!r}")
            case ToolCall(id=id_, name=name, arguments=arguments) if arguments or not id_ or not name:
                raise Ungrammatical(f"a call that starts with arguments, or without an id or a name: {event!r}")

    def _within(self, event: PartDelta | Cited | PartEnded, opened: PartStarted) -> None:
        if event.index != opened.index:
            raise Ungrammatical(f"{event!r} while part {opened.index} is open")
        if isinstance(event, PartDelta):
            closed = isinstance(opened.part, Media | Unknown) or getattr(opened.part, "redacted", False)
            if closed or not (event.text or event.logprobs):
                raise Ungrammatical(f"{event!r} of {opened.part!r}")
        if isinstance(event, Cited) and not isinstance(opened.part, Text):
            raise Ungrammatical(f"{event!r} of {opened.part!r}")


def failure(events: list[Event]) -> Failed | None:
    """The failure that ends `events`, if one does."""
    last = events[-1] if events else None
    return last if isinstance(last, Failed) else None
