"""Reasoning state of any vendor on its way through a Gemini client and back (protocols 2.0.4, 2.7)."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.chat import Candidate, Finish, Opaque, Part, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.events import Done, Event, Finished, PartDelta, PartEnded, PartStarted, Started
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.gemini import signatures, write_reply
from nexusflow.protocols.gemini.tables import ORIGIN
from tests.support.generate import asked, read, sent


def state(payload: str) -> Opaque:
    return Opaque("anthropic/messages", "claude", payload)


def shown(text: str, payload: str) -> Thinking:
    return Thinking(text=text, signature=state(payload))


def hidden(payload: str, *, redacted: bool = False) -> Thinking:
    return Thinking(text="", signature=state(payload), redacted=redacted)


CALL = ToolCall(id="c1", name="f", arguments="{}")
NEXT = ToolCall(id="c2", name="g", arguments="{}")


def unary(parts: tuple[Part, ...], *, thoughts: bool) -> list[dict[str, Any]]:
    reply = ChatReply(origin="anthropic/messages", candidates=(Candidate(parts=parts, finish=Finish(reason="end")),))
    found: list[dict[str, Any]] = json.loads(write_reply.write(reply, asked(thoughts=thoughts), Losses()))[
        "candidates"
    ][0]["content"]["parts"]
    return found


def streamed(parts: tuple[Part, ...], *, thoughts: bool) -> list[dict[str, Any]]:
    events: list[Event] = [Started()]
    for index, part in enumerate(parts):
        if isinstance(part, Thinking):
            start = part if part.redacted else Thinking(text="")
            events.append(PartStarted(index, start))
            events += [PartDelta(index, part.text)] if part.text else []
            events.append(PartEnded(index, signature=None if part.redacted else part.signature))
        elif isinstance(part, Text):
            events += [PartStarted(index, Text(text="")), PartDelta(index, part.text), PartEnded(index)]
        elif isinstance(part, ToolCall):
            events += [PartStarted(index, part), PartDelta(index, "{}"), PartEnded(index)]
    frames = sent([*events, Finished(Finish(reason="end")), Done()], thoughts=thoughts)
    return [part for frame in frames for part in frame["candidates"][0]["content"]["parts"]]


def replayed(parts: list[dict[str, Any]]) -> list[Part]:
    """What the client's next request tells us of this turn; it sends everything back as it came."""
    for part in parts:
        base64.b64decode(part.get("thoughtSignature", ""), validate=True)  # or the official SDK refuses the answer
    return list(read(contents=[{"role": "model", "parts": parts}]).turns[0].parts)


def essence(parts: list[Part]) -> list[Any]:
    """The parts without empty texts, which only carry state."""
    found: list[Any] = []
    for part in parts:
        match part:
            case Text(text=text):
                found += [text] if text else []
            case ToolCall(name=name):
                found.append(("call", name))
            case Thinking(text=text, signature=signature, redacted=redacted):
                found.append((text, signature and signature.payload, redacted))
    return found


@pytest.mark.parametrize("write", [unary, streamed])
@pytest.mark.parametrize(
    "parts",
    [
        (shown("Hmm.", "s1"), CALL),
        (shown("Hmm.", "s1"), Text(text="Let me look."), CALL),
        (hidden("s1"), CALL),
        (hidden("s1"), Text(text="Let me look."), CALL, hidden("s2"), NEXT),
        (shown("One.", "s1"), hidden("data", redacted=True), CALL),
        (hidden("data", redacted=True), hidden("s1"), CALL),
        (shown("One.", "s1"), CALL, shown("Two.", "s2"), NEXT),
        (shown("Hmm.", "s1"), Text(text="Done.")),
        (hidden("s1"), Text(text="Done.")),
    ],
)
def test_T89_T92_another_vendors_state_comes_back_where_it_stood(write: Any, parts: tuple[Part, ...]) -> None:
    assert essence(replayed(write(parts, thoughts=True))) == essence(list(parts))


@pytest.mark.parametrize("write", [unary, streamed])
def test_state_without_its_text_is_dropped_unless_it_never_had_one(write: Any) -> None:
    """A signature is of no use with a text other than its own."""
    found = essence(replayed(write((shown("Hmm.", "s1"), CALL), thoughts=False)))
    assert found == [("call", "f")]
    found = essence(replayed(write((hidden("s1"), CALL), thoughts=False)))
    assert found == [("", "s1", False), ("call", "f")]


@pytest.mark.parametrize("write", [unary, streamed])
def test_thoughts_that_the_client_drops_take_their_state_with_them(write: Any) -> None:
    parts = [part for part in write((shown("Hmm.", "s1"), CALL), thoughts=True) if not part.get("thought")]
    assert essence(replayed(parts)) == [("call", "f")]


def test_googles_own_signature_passes_as_it_is() -> None:
    own = Opaque(ORIGIN, "gemini", "Cs8+/w==")
    parts = unary(
        (Text(text="x", signature=own), ToolCall(id="c", name="f", arguments="{}", signature=own)), thoughts=False
    )
    assert [part["thoughtSignature"] for part in parts] == ["Cs8+/w==", "Cs8+/w=="]
    for text in ("Cs8+/w==", "Cs8-_w"):
        assert signatures.opened(text) == ()


def test_the_placeholder_is_the_documented_word() -> None:
    assert base64.b64decode(signatures.PLACEHOLDER) == b"skip_thought_signature_validator"


def test_a_signature_without_its_padding_is_opened_too() -> None:
    """Google's SDK writes bytes in the URL-safe alphabet; others leave the padding out."""
    carried = signatures.carry((hidden("??>>" * 9),))
    assert carried is not None
    assert not set("+/") & set(carried)
    for text in (carried, carried.rstrip("=")):
        (found,) = signatures.opened(text)
        assert (found.opaque.payload, found.length) == ("??>>" * 9, 0)


@given(st.text(max_size=60))
def test_any_text_is_opened_without_harm(text: str) -> None:
    """What a client sends back is not trusted input."""
    signatures.opened(text)
    for head in ("nx1.", "!nx1.a.", "0:nx1.a.claude.", "99999999999:nx1.", "nx1.a.claude.x nx1."):
        signatures.opened(base64.b64encode((head + text).encode()).decode())


def test_a_signature_beyond_all_measure_is_not_looked_into() -> None:
    huge = base64.b64encode(b"nx1.a.claude." + b"A" * signatures.MAX_CARRIED).decode()
    assert signatures.opened(huge) == ()


def test_T115_another_vendors_block_comes_back_as_itself() -> None:
    block = Unknown(origin="anthropic/messages", type="server_tool_use", raw=Raw(b'{"a_b":[1.50]}'))
    (found,) = replayed(unary((block,), thoughts=False))
    assert isinstance(found, Unknown)
    assert (found.origin, found.type, bytes(found.raw)) == (block.origin, block.type, b'{"a_b": [1.5]}')
