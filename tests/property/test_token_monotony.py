"""Whatever is added to a request, the token estimate never falls: a limit must not be evaded by sending more."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.chat import (
    ChatCall,
    Data,
    Document,
    Media,
    Opaque,
    OutputFormat,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.tokens import embeddings, estimate
from nexusflow.tokens.text import weigh

words = st.text(max_size=60)
data = st.builds(Data, st.sampled_from(["audio/wav", "video/mp4", "text/plain", "application/pdf"]), words)
plain: st.SearchStrategy[Any] = st.one_of(
    st.builds(Text, text=words),
    st.builds(Document, text=words, title=st.none() | words),
    st.builds(Media, kind=st.sampled_from(["image", "audio", "video", "file"]), source=data, name=st.none() | words),
)
parts: st.SearchStrategy[Part] = st.one_of(
    plain,
    st.builds(Refusal, words),
    st.builds(
        Thinking, text=words, signature=st.none() | st.builds(Opaque, st.just("anthropic/messages"), words, words)
    ),
    st.builds(ToolCall, id=words, name=words, arguments=words),
    st.builds(ToolResult, call_id=words, content=st.lists(plain, max_size=3).map(tuple)),
)
turns = st.builds(Turn, role=st.sampled_from(["user", "assistant"]), parts=st.lists(parts, max_size=3).map(tuple))
tools = st.builds(Tool, name=words, description=st.none() | words, parameters=st.none() | st.just(Raw(b'{"a":[1]}')))
calls = st.builds(
    ChatCall,
    origin=st.just("openai/chat-completions"),
    model=st.just("m"),
    turns=st.lists(turns, max_size=3).map(tuple),
    tools=st.lists(tools, max_size=2).map(tuple),
    format=st.none() | st.builds(OutputFormat, kind=st.just("json_schema"), name=st.none() | words),
)


def grown(call: ChatCall, **more: Any) -> ChatCall:
    fields = {name: getattr(call, name) for name in ChatCall.__struct_fields__}
    return ChatCall(**{**fields, **more})


@given(words, words)
def test_longer_text_never_weighs_less(text: str, more: str) -> None:
    assert 0 <= weigh(text) <= weigh(text + more)
    assert weigh(more) <= weigh(text + more)


@given(calls, turns, tools)
def test_more_turns_and_tools_never_count_less(call: ChatCall, turn: Turn, tool: Tool) -> None:
    least = estimate(call)
    assert least > 0
    assert estimate(grown(call, turns=(*call.turns, turn))) > least
    assert estimate(grown(call, turns=(turn, *call.turns))) > least
    assert estimate(grown(call, tools=(*call.tools, tool))) > least


@given(calls, st.integers(0), parts)
def test_a_longer_turn_never_counts_less(call: ChatCall, place: int, part: Part) -> None:
    if not call.turns:
        return
    at = place % len(call.turns)
    before, turn, after = call.turns[:at], call.turns[at], call.turns[at + 1 :]
    longer = Turn(role=turn.role, parts=(*turn.parts, part))
    assert estimate(grown(call, turns=(*before, longer, *after))) >= estimate(call)


@given(words, words, words)
def test_reasoning_never_counts_less_for_being_readable(text: str, more: str, sealed: str) -> None:
    def count(shown: str, state: str | None) -> int:
        signature = Opaque("anthropic/messages", "", state) if state is not None else None
        part = Thinking(text=shown, signature=signature)
        return estimate(
            ChatCall(origin="anthropic/messages", model="m", turns=(Turn(role="assistant", parts=(part,)),))
        )

    assert count("", None) <= count(text, None) <= count(text + more, sealed)
    assert count("", sealed) <= count(text, sealed)


@given(st.lists(words | st.lists(st.integers(0, 9)).map(tuple), max_size=5), words)
def test_more_inputs_never_count_less(contents: list[Any], more: str) -> None:
    def count(*inputs: Any) -> int:
        made = tuple(Input(content=one) for one in inputs)
        return embeddings.estimate(EmbeddingCall(origin="openai/embeddings", model="m", inputs=made))

    assert count(*contents) < count(*contents, more)
