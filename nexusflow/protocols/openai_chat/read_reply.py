"""A provider's whole chat answer as a canonical reply, with the dialects of compatible providers levelled."""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Candidate, Ext, Finish, Logprob, Part, Refusal, Text, Thinking, ToolCall
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.events import Cited, Event, Finished, PartDelta, PartEnded, PartStarted
from nexusflow.ir.reply import ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors, read_parts, usage
from nexusflow.protocols.openai_chat.stream_choice import ChoiceReader
from nexusflow.protocols.openai_chat.tables import CHAT
from nexusflow.protocols.openai_chat.wire_reply import ABSENT, Answer, Choice, Message, says


def read(body: bytes, to: Destination) -> ChatReply:
    """The reply. Raises `RequestRefused` for an answer that is not a chat completion: malformed (U-11), an error in a
    200 (U-16), without a choice that says anything or has its end (U-34)."""
    try:
        answer = read_parts.read_answer(body)
    except msgspec.ValidationError:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a chat completion.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not valid JSON.") from None
    if says(answer.error):
        raise RequestRefused(errors.read_in_band(bytes(answer.error)))
    if answer.choices is None:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a chat completion.")
    if not answer.choices:
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    tier = answer.service_tier or None
    try:
        candidates = tuple(_candidate(choice, at, answer, to) for at, choice in enumerate(answer.choices))
    except msgspec.DecodeError:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a chat completion.") from None
    if not any(one.parts for one in candidates) and not any(choice.finish_reason for choice in answer.choices):
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    return ChatReply(
        origin=CHAT,
        candidates=candidates,
        id=answer.id or None,
        model=answer.model or None,
        created=int(answer.created) if answer.created else None,
        usage=_usage(answer),
        tier=tier,
        ext=_ext(answer),
    )


def _usage(answer: Answer) -> Usage | None:
    """The first of the places where providers put it that says anything (T49)."""
    places = [answer.usage, *(choice.usage for choice in answer.choices or ())]
    if answer.x_groq is not None:
        places.append(answer.x_groq.usage)
    return usage.first(places, tier=answer.service_tier, zeros=True)


def _ext(answer: Answer) -> Ext | None:
    if not answer.system_fingerprint:
        return None
    return {"system_fingerprint": Raw(msgspec.json.encode(answer.system_fingerprint))}


def _candidate(choice: Choice, at: int, answer: Answer, to: Destination) -> Candidate:
    """One choice, read as a stream of a single step, so that both forms mean the same."""
    if says(choice.error):
        raise RequestRefused(errors.read_in_band(bytes(choice.error)))
    message = choice.message or choice.delta
    if message is not None and _is_text(message) and choice.logprobs is ABSENT and answer.citations is ABSENT:
        return _text(choice, message)
    events: list[Event] = []
    reader = ChoiceReader(at, answer.id or None, to)
    reader.read(choice, read_parts.numbered(message), events)
    for citation in () if reader.cited else read_parts.sources_of(answer.citations, answer.search_results):
        reader.cite(citation, events)
    reader.end(events)
    return _assembled(events)


def _is_text(message: Message) -> bool:
    """Whether a message is a text and nothing else."""
    return isinstance(message.content, str) and bool(message.content) and message == Message(content=message.content)


def _text(choice: Choice, message: Message) -> Candidate:
    """What the long way comes to for the most usual answer."""
    stop = read_parts.stop_of(choice) if choice.finish_reason else None
    finish = read_parts.finish_of(choice.finish_reason, stop, called=False, refused=False)
    return Candidate(parts=(Text(text=str(message.content)),), finish=finish)


def _assembled(events: list[Event]) -> Candidate:
    parts: list[Part] = []
    logprobs: list[Logprob] = []
    finish = Finish(reason="end")
    for event in events:
        if isinstance(event, PartStarted):
            parts.append(event.part)
        elif isinstance(event, PartDelta):
            parts[-1] = _longer(parts[-1], event.text)
            logprobs += event.logprobs or ()
        elif isinstance(event, Cited) and isinstance(parts[-1], Text):
            parts[-1] = replace(parts[-1], citations=(*parts[-1].citations, event.citation))
        elif isinstance(event, PartEnded) and event.signature is not None:
            part = parts[-1]
            if isinstance(part, Text | Thinking | ToolCall):
                parts[-1] = replace(part, signature=event.signature)
        elif isinstance(event, Finished):
            finish = event.finish
    return Candidate(parts=tuple(parts), finish=finish, logprobs=tuple(logprobs) or None)


def _longer(part: Part, text: str) -> Part:
    if isinstance(part, ToolCall):
        return replace(part, arguments=part.arguments + text)
    if isinstance(part, Text | Thinking):
        return replace(part, text=part.text + text)
    return Refusal(part.text + text) if isinstance(part, Refusal) else part
