"""Hypothesis strategies for canonical answers and calls, each within what one protocol can say.

What a protocol has no words for is left out here, so that reading back what was written must give the value itself.
"""

import json
from collections.abc import Iterator

from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.chat import (
    Candidate,
    ChatCall,
    Data,
    Finish,
    FinishReason,
    Media,
    Origin,
    OutputFormat,
    Part,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from nexusflow.ir.events import (
    Done,
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageSeen,
)
from nexusflow.ir.reply import ChatReply
from nexusflow.ir.usage import Usage
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES

PNG = "iVBORw0KGgo="
REASONS: dict[str, tuple[FinishReason, ...]] = {
    CHAT: ("end", "length", "refusal"),
    RESPONSES: ("end", "length", "refusal"),
    MESSAGES: ("end", "length", "refusal", "pause", "context"),
    GEMINI: ("end", "length", "refusal"),
}
_CLASSES: dict[str, tuple[str, ...]] = {
    CHAT: ("input_text", "cache_read_text", "output_text", "output_reasoning"),
    RESPONSES: ("input_text", "cache_read_text", "cache_write_30m", "output_text", "output_reasoning"),
    MESSAGES: ("input_text", "cache_read_text", "cache_write_5m", "cache_write_1h", "output_text", "output_reasoning"),
    GEMINI: ("input_text", "cache_read_text", "output_text", "output_reasoning", "tool_input"),
}

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,15}", fullmatch=True)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, _json, max_size=4).map(lambda value: json.dumps(value, ensure_ascii=False))


@st.composite
def usages(draw: st.DrawFn, protocol: Origin) -> Usage:
    """A record with the classes that the protocol tells apart."""
    return Usage(**{name: draw(st.integers(1, 10_000)) for name in _CLASSES[protocol]})


@st.composite
def candidates(draw: st.DrawFn, protocol: Origin) -> Candidate:
    """An answer: thinking, text, calls, in the order in which every protocol puts them."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Thinking(text=draw(words)))
    if draw(st.booleans()):
        parts.append(Text(text=draw(words)))
    count = draw(st.integers(0, 3))
    parts += [ToolCall(id=f"call_{n}", name=draw(names), arguments=draw(objects)) for n in range(count)]
    if not parts:
        parts.append(Text(text=draw(words)))
    reason: FinishReason = "tools" if count else draw(st.sampled_from(REASONS[protocol]))
    return Candidate(parts=tuple(parts), finish=Finish(reason=reason))


@st.composite
def replies(draw: st.DrawFn, protocol: Origin) -> ChatReply:
    """A whole answer, of several candidates where the protocol has them."""
    most = 3 if protocol in (CHAT, GEMINI) else 1
    found = draw(st.lists(candidates(protocol), min_size=1, max_size=most))
    return ChatReply(origin=protocol, candidates=tuple(found), id="x", usage=draw(usages(protocol)))


def streamed(reply: ChatReply, size: int) -> list[Event]:
    """The same answer as a stream with deltas of at most `size` characters, one candidate after the other."""
    events: list[Event] = [Started(id=reply.id)]
    for choice, candidate in enumerate(reply.candidates):
        for index, part in enumerate(candidate.parts):
            events += _part(part, index, choice, size)
    events += [Finished(one.finish, choice) for choice, one in enumerate(reply.candidates)]
    return [*events, *([UsageSeen(reply.usage)] if reply.usage else []), Done()]


def _part(part: Part, index: int, choice: int, size: int) -> Iterator[Event]:
    match part:
        case Text(text=text):
            yield PartStarted(index, Text(text=""), choice)
        case Thinking(text=text):
            yield PartStarted(index, Thinking(text=""), choice)
        case ToolCall(id=id_, name=name, arguments=text):
            yield PartStarted(index, ToolCall(id=id_, name=name, arguments=""), choice)
        case _:
            raise ValueError(part)
    for at in range(0, len(text), size):
        yield PartDelta(index, text[at : at + size], choice)
    yield PartEnded(index, choice)


@st.composite
def conversations(draw: st.DrawFn, tools: tuple[Tool, ...]) -> tuple[Turn, ...]:
    """Turns that every protocol can say: a system text, then user and assistant in turn, calls with their results."""
    callable_ = st.sampled_from([tool.name for tool in tools] or [""])
    turns = [Turn(role="system", parts=(Text(text=draw(words)),))] if draw(st.booleans()) else []
    turns.append(Turn(role="user", parts=tuple(draw(st.lists(user_parts, min_size=1, max_size=3)))))
    for at in range(draw(st.integers(0, 2))):
        count = draw(st.integers(0, 2 if tools else 0))
        calls = [ToolCall(id=f"call_{at}_{n}", name=draw(callable_), arguments=draw(objects)) for n in range(count)]
        text = [Text(text=draw(words))] if not calls or draw(st.booleans()) else []
        turns.append(Turn(role="assistant", parts=(*text, *calls)))
        results = [ToolResult(call_id=c.id, name=c.name, content=(Text(text=draw(words)),)) for c in calls]
        said = [] if calls and draw(st.booleans()) else [Text(text=draw(words))]
        turns.append(Turn(role="user", parts=(*results, *said)))
    return tuple(turns)


user_parts = words.map(lambda text: Text(text=text)) | st.just(
    Media(kind="image", source=Data(mime="image/png", base64=PNG))
)
_schemas = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(names, st.just({"type": "string"}), max_size=2),
        "additionalProperties": st.just(False),
    }
).map(lambda schema: Raw(json.dumps(schema).encode()))
_tools = st.builds(Tool, name=names, description=words, parameters=_schemas)


@st.composite
def calls(draw: st.DrawFn, protocol: Origin) -> ChatCall:
    """A request within what all four protocols can say."""
    declared = tuple(draw(st.lists(_tools, max_size=2, unique_by=lambda tool: tool.name)))
    turns = draw(conversations(declared))
    choices = [None, ToolChoice(mode="auto"), ToolChoice(mode="required"), ToolChoice(mode="none")]
    choices += [ToolChoice(mode="required", names=(tool.name,)) for tool in declared]
    schema = OutputFormat(kind="json_schema", name="answer", schema=draw(_schemas))
    return ChatCall(
        origin=protocol,
        model="m",
        turns=turns,
        tools=declared,
        tool_choice=draw(st.sampled_from(choices)) if declared else None,
        max_tokens=draw(st.integers(16, 5000)),
        stop=() if protocol == RESPONSES else tuple(draw(st.lists(words, max_size=3, unique=True))),
        sampling=Sampling(temperature=draw(st.sampled_from([None, 0.25, 0.5]))),
        format=draw(st.sampled_from([None, schema])),
    )
