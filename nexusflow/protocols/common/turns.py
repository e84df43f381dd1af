"""Turns in the order that strict providers demand: every call answered, once, right after it (protocols 2.0.6)."""

from collections.abc import Iterator, Sequence

import msgspec

from nexusflow.ir.chat import ChatCall, Part, ToolCall, ToolResult, Turn
from nexusflow.ir.errors import Kind, refuse

Places = dict[int, str]
"""Where the caller wrote each call and result, which are told apart by their identity."""


def arranged(call: ChatCall) -> tuple[Turn, ...]:
    """The turns with tool results right after their calls, first in their user turn, in the order of the calls, named
    as these are; adjacent turns of one role are one, and what the system said in between comes after the results.

    Raises `RequestRefused`: a call without a result or made twice, a result without a call, or a second one.
    """
    places = {
        id(part): turn.path for turn in call.turns for part in turn.parts if isinstance(part, ToolCall | ToolResult)
    }
    if not places:
        return tuple(merged(call.turns))
    arranged: list[Turn] = []
    open_calls: dict[str, ToolCall] = {}
    for turn in merged(list(_uninterrupted(call.turns))):
        if turn.role == "user":
            arranged.append(_answers(turn, open_calls, places))
            open_calls = {}
            continue
        if turn.role == "assistant":
            _require_answered(open_calls, places)
            open_calls = _calls(turn, places)
        arranged.append(turn)
    _require_answered(open_calls, places)
    return tuple(arranged)


def _uninterrupted(turns: Sequence[Turn]) -> Iterator[Turn]:
    """System turns between calls and their results, which no provider takes there, come after the results."""
    waiting: set[str] = set()
    held: list[Turn] = []
    for turn in turns:
        if waiting and turn.role in ("system", "developer"):
            held.append(turn)
            continue
        answered = {part.call_id for part in turn.parts if isinstance(part, ToolResult)}
        waiting = {part.id for part in turn.parts if isinstance(part, ToolCall)} or (
            waiting - answered if answered else set()
        )
        yield turn
        if not waiting:
            yield from held
            held.clear()
    yield from held


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Adjacent turns of the same role and name as one."""
    found: list[Turn] = []
    for turn in turns:
        last = found[-1] if found else None
        if last is not None and (last.role, last.name) == (turn.role, turn.name) and turn.role in ("user", "assistant"):
            ext = {**(last.ext or {}), **(turn.ext or {})} or None
            found[-1] = msgspec.structs.replace(last, parts=last.parts + turn.parts, ext=ext)
        else:
            found.append(turn)
    return found


def leading_system(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    """The system and developer turns that open the conversation, and the rest."""
    at = 0
    while at < len(turns) and turns[at].role in ("system", "developer"):
        at += 1
    return tuple(turns[:at]), tuple(turns[at:])


def _calls(turn: Turn, places: Places) -> dict[str, ToolCall]:
    found: dict[str, ToolCall] = {}
    for part in turn.parts:
        if isinstance(part, ToolCall):
            if part.id in found:
                path = places[id(part)]
                message = f"`{path}`: tool call {part.id} is made twice"
                raise refuse(Kind.PARAM, message, param=path, code="duplicate_tool_call")
            found[part.id] = part
    return found


def _answers(turn: Turn, calls: dict[str, ToolCall], places: Places) -> Turn:
    results: dict[str, ToolResult] = {}
    others: list[Part] = []
    for part in turn.parts:
        if not isinstance(part, ToolResult):
            others.append(part)
            continue
        call = calls.get(part.call_id)
        if call is None or part.call_id in results:
            what = "answers no open tool call" if call is None else "is answered twice"
            path = places[id(part)]
            message = f"`{path}`: tool call {part.call_id} {what}"
            raise refuse(Kind.PARAM, message, param=path, code="unexpected_tool_result")
        results[part.call_id] = part if part.name else msgspec.structs.replace(part, name=call.name)
    _require_answered({name: call for name, call in calls.items() if name not in results}, places)
    if not results:
        return turn
    return msgspec.structs.replace(turn, parts=(*(results[name] for name in calls), *others))


def _require_answered(calls: dict[str, ToolCall], places: Places) -> None:
    for call in calls.values():
        message = f"tool call {call.id} has no result"
        raise refuse(Kind.PARAM, message, param=places[id(call)], code="missing_tool_result")
