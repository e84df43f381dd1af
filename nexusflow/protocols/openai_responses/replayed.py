"""A whole canonical answer as the events that a stream of it would have been."""

from collections.abc import Iterator

import msgspec

from nexusflow.ir.chat import Candidate, Part, Refusal, Text, Thinking, ToolCall
from nexusflow.ir.events import Cited, Done, Event, Finished, PartDelta, PartEnded, PartStarted, Started, UsageSeen
from nexusflow.ir.reply import ChatReply


def events(reply: ChatReply) -> Iterator[Event]:
    """The events of `reply`, every candidate after the other. Log-probabilities come with the first text."""
    yield Started(id=reply.id, model=reply.model, created=reply.created)
    for choice, candidate in enumerate(reply.candidates):
        yield from _candidate(candidate, choice)
    if reply.usage is not None:
        yield UsageSeen(reply.usage)
    yield Done(tier=reply.tier, ext=reply.ext)


def _candidate(candidate: Candidate, choice: int) -> Iterator[Event]:
    logprobs = candidate.logprobs
    for index, part in enumerate(candidate.parts):
        empty, text = _emptied(part)
        yield PartStarted(index, empty, choice)
        if isinstance(part, Text):
            if text or logprobs:
                yield PartDelta(index, text, choice, logprobs)
            logprobs = None
            for citation in part.citations:
                yield Cited(index, citation, choice)
        elif text:
            yield PartDelta(index, text, choice)
        yield PartEnded(index, choice)
    yield Finished(candidate.finish, choice)


def _emptied(part: Part) -> tuple[Part, str]:
    """A part as it starts, and the text that its deltas bring. Media and unknown blocks start complete."""
    if isinstance(part, Text):
        return msgspec.structs.replace(part, text="", citations=()), part.text
    if isinstance(part, Thinking):
        return msgspec.structs.replace(part, text=""), part.text
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, arguments=""), part.arguments
    return (Refusal(""), part.text) if isinstance(part, Refusal) else (part, "")
