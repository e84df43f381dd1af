"""Canonical values and event streams of the gateway as the neutral readings of `canonical`."""

from collections.abc import Iterable

from nexusflow.ir.chat import Finish, Media, Part, Refusal, Text, Thinking, ToolCall
from nexusflow.ir.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, UsageSeen
from nexusflow.ir.reply import ChatReply
from nexusflow.ir.usage import Usage
from tests.support.naive.values import Answer, Call, Counts, Reading, arguments, reported

Tokens = tuple[tuple[str, float], ...]


def of_reply(reply: ChatReply) -> Reading:
    """A whole answer."""
    answers = tuple(
        _answer(one.parts, one.finish, tuple((token.token, token.logprob) for token in one.logprobs or ()))
        for one in reply.candidates
    )
    return Reading(answers, of_usage(reply.usage))


def of_events(events: Iterable[Event]) -> Reading:
    """A stream's events."""
    parts: dict[int, list[Part]] = {}
    texts: dict[tuple[int, int], str] = {}
    finish: dict[int, Finish] = {}
    tokens: dict[int, Tokens] = {}
    usage: Usage | None = None
    failed = False
    for event in events:
        match event:
            case PartStarted(part=part, choice=choice):
                parts.setdefault(choice, []).append(part)
            case PartDelta(index=index, text=text, choice=choice, logprobs=logprobs):
                texts[choice, index] = texts.get((choice, index), "") + text
                new = tuple((token.token, token.logprob) for token in logprobs or ())
                tokens[choice] = (*tokens.get(choice, ()), *new)
            case Finished(finish=found, choice=choice):
                finish[choice] = found
                parts.setdefault(choice, [])
            case UsageSeen(usage=usage):
                pass
            case Failed():
                failed = True
            case PartEnded() | _:
                pass
    answers = tuple(
        _answer(
            [_with_text(part, texts.get((choice, index), "")) for index, part in enumerate(parts[choice])],
            finish.get(choice, Finish(reason="end")),
            tokens.get(choice, ()),
        )
        for choice in sorted(parts)
    )
    return Reading(answers, of_usage(usage), failed)


def of_usage(usage: Usage | None) -> Counts | None:
    """The counts of a record."""
    if usage is None:
        return None
    counts = Counts(
        input=usage.total_input,
        output=usage.total_output,
        cached=usage.cache_read,
        written=usage.cache_write,
        reasoning=usage.output_reasoning or 0,
    )
    return reported(counts)


def _with_text(part: Part, text: str) -> Part:
    match part:
        case Text():
            return Text(text=part.text + text)
        case Thinking():
            return Thinking(text=part.text + text, redacted=part.redacted)
        case Refusal():
            return Refusal(text=part.text + text)
        case ToolCall():
            return ToolCall(id=part.id, name=part.name, arguments=part.arguments + text, custom=part.custom)
    return part


def _answer(parts: Iterable[Part], finish: Finish, tokens: Tokens) -> Answer:
    parts = list(parts)
    return Answer(
        text="".join(part.text for part in parts if isinstance(part, Text)),
        thinking="".join(part.text for part in parts if isinstance(part, Thinking)),
        refusal="".join(part.text for part in parts if isinstance(part, Refusal)),
        calls=tuple(_call(part) for part in parts if isinstance(part, ToolCall)),
        finish="filter" if finish.reason == "refusal" else finish.reason,
        media=tuple(part.kind for part in parts if isinstance(part, Media)),
        logprobs=tokens,
    )


def _call(part: ToolCall) -> Call:
    return Call(part.name, part.arguments if part.custom else arguments(part.arguments))
