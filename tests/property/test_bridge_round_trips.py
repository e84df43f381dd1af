"""What a protocol's writer says, its own reader reads back: answers, streams, requests and usage."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Media, Origin, Part, Text, Tool, ToolCall, ToolResult, Turn
from nexusflow.ir.loss import Losses
from nexusflow.protocols.dialects import DIALECTS
from tests.support import bridge, canonical, grammar, replay, seen, strategies
from tests.support.canonical import PROTOCOLS

COMMON = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TAKES_ALL = Destination(
    model="m",
    family="f",
    capabilities=Capabilities(input=("text", "image", "file"), system_parts=True, cache="none", stop_max=5),
)

protocols = pytest.mark.parametrize("protocol", PROTOCOLS)


@protocols
@given(data=st.data())
@COMMON
def test_an_answer_is_read_back(protocol: Origin, data: st.DataObject) -> None:
    reply = data.draw(strategies.replies(protocol))
    again = bridge.read_reply(protocol, bridge.write_reply(protocol, reply))
    assert seen.of_reply(again) == seen.of_reply(reply)
    assert [[type(part) for part in one.parts] for one in again.candidates] == [
        [type(part) for part in one.parts] for one in reply.candidates
    ]


@protocols
@given(data=st.data(), size=st.integers(1, 9), seed=st.integers(0, 99))
@COMMON
def test_a_stream_is_read_back(protocol: Origin, data: st.DataObject, size: int, seed: int) -> None:
    """T12, T13: arguments in fragments of any size, and the bytes in pieces of any size."""
    reply = data.draw(strategies.replies(protocol))
    events = strategies.streamed(reply, size)
    grammar.check(events)
    written = bridge.write_stream(protocol, events)
    again = bridge.read_stream(protocol, replay.at_random(seed)(written))
    grammar.check(again)
    assert seen.of_events(again) == seen.of_reply(reply)
    assert canonical.read_stream(protocol, written) == seen.of_reply(reply)


@protocols
@given(data=st.data(), size=st.integers(1, 9))
@COMMON
def test_a_stream_and_a_whole_answer_say_the_same(protocol: Origin, data: st.DataObject, size: int) -> None:
    reply = data.draw(strategies.replies(protocol))
    streamed = canonical.read_stream(protocol, bridge.write_stream(protocol, strategies.streamed(reply, size)))
    assert streamed == canonical.read_body(protocol, json.loads(bridge.write_reply(protocol, reply)))


@protocols
@given(data=st.data())
@COMMON
def test_usage_is_read_back(protocol: Origin, data: st.DataObject) -> None:
    """T33, T34, T40: each class of tokens keeps its count."""
    usage = data.draw(strategies.usages(protocol))
    form = bridge.USAGE[protocol]
    again = form.read(form.write(usage))
    assert form.write(again) == form.write(usage)
    assert seen.of_usage(again) == seen.of_usage(usage)
    assert not again.inconsistent


@protocols
@given(data=st.data())
@COMMON
def test_a_request_is_read_back(protocol: Origin, data: st.DataObject) -> None:
    call = data.draw(strategies.calls(protocol))
    losses = Losses()
    written = DIALECTS[protocol].write_request.write(call, TAKES_ALL, losses)
    again = DIALECTS[protocol].read_request.read(written, model="m", stream=False)
    expected = view(call)
    if protocol == "google/generate-content" and call.tool_choice and call.tool_choice.mode == "required":
        expected["schema"] = None  # there is no answer to form where a function has to be called
    assert view(again) == expected
    assert not losses, losses.header()


def view(call: ChatCall) -> dict[str, Any]:
    """What a request says, without the caller's spelling of it."""
    choice = call.tool_choice
    return {
        "turns": merged(call.turns),
        "tools": [said(tool) for tool in call.tools if isinstance(tool, Tool)],
        "choice": (choice.mode, choice.names) if choice else None,
        "max_tokens": call.max_tokens,
        "stop": call.stop,
        "temperature": call.sampling.temperature,
        "schema": json.loads(bytes(call.format.schema)) if call.format and call.format.schema else None,
    }


def merged(turns: tuple[Turn, ...]) -> list[tuple[str, list[Any]]]:
    """Turns with neighbours of one role put together: protocols differ in where they cut them."""
    found: list[tuple[str, list[Any]]] = []
    for turn in turns:
        role = "system" if turn.role == "developer" else turn.role
        if not found or found[-1][0] != role:
            found.append((role, []))
        found[-1][1].extend(spoken(part) for part in turn.parts)
    return found


def spoken(part: Part) -> Any:
    """What one part says."""
    match part:
        case Text(text=text):
            return text
        case Media(kind=kind, source=source):
            return (kind, source)
        case ToolCall(id=_, name=name, arguments=arguments):
            return ("call", name, json.loads(arguments))
        case ToolResult(content=content):
            return ("result", [spoken(inner) for inner in content])
    return part


def said(tool: Tool) -> Any:
    """What one tool says of itself."""
    return (tool.name, tool.description, json.loads(bytes(tool.parameters)) if tool.parameters else None)
