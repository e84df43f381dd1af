"""Turns in the order of strict providers: every call answered once, right after it (protocols 2.0.6)."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.chat import ChatCall, Media, Part, Role, Text, ToolCall, ToolResult, Turn, Url
from nexusflow.ir.errors import RequestRefused
from nexusflow.protocols.common import turns

A, B = (ToolCall(id=id_, name=f"f_{id_}", arguments="{}") for id_ in "ab")


def said(text: str) -> Text:
    return Text(text=text)


def answer(id_: str, text: str = "ok", name: str | None = None) -> ToolResult:
    return ToolResult(call_id=id_, content=(said(text),), name=name)


def turn(role: Role, *parts: Part, at: int = 0, name: str | None = None) -> Turn:
    return Turn(role=role, parts=parts, path=f"messages[{at}]", name=name)


def arranged(*given_turns: Turn) -> tuple[Turn, ...]:
    return turns.arranged(ChatCall(origin="openai/chat-completions", model="m", turns=given_turns))


def refused(*given_turns: Turn) -> tuple[str, str | None]:
    with pytest.raises(RequestRefused) as error:
        arranged(*given_turns)
    assert error.value.problem.kind == "E-PARAM"
    return error.value.problem.message, error.value.problem.param


def test_T53_tool_messages_in_a_row_are_one_turn_with_results_first() -> None:
    called = turn("assistant", said("hm"), A, B, at=1)
    _, _, found, end = arranged(
        turn("user", said("hi"), at=0),
        called,
        turn("user", answer("b"), at=2),
        turn("user", said("and?"), at=3),
        turn("user", answer("a"), at=4),
        turn("assistant", said("so"), at=5),
    )
    assert found.parts == (answer("a", name="f_a"), answer("b", name="f_b"), said("and?"))
    assert (found.path, end.path) == ("messages[2]", "messages[5]")


def test_T54_text_around_a_result_is_kept_after_it() -> None:
    (_, found) = arranged(turn("assistant", A), turn("user", said("x"), answer("a"), said("y")))
    assert found.parts == (answer("a", name="f_a"), said("x"), said("y"))


def test_T70_a_result_takes_its_calls_name_unless_it_has_one() -> None:
    (_, found) = arranged(turn("assistant", A, B), turn("user", answer("a"), answer("b", name="own")))
    assert [part.name for part in found.parts if isinstance(part, ToolResult)] == ["f_a", "own"]


def test_a_call_without_a_result_is_named_with_its_turn() -> None:
    missing = ("tool call b has no result", "messages[1]")
    hello, called = turn("user", said("hi")), turn("assistant", A, B, at=1)
    assert refused(hello, called, turn("user", answer("a"), at=2)) == missing
    assert refused(hello, called, turn("user", answer("a"), at=2), turn("assistant", said("x"), at=3)) == missing
    assert refused(hello, called)[0] == "tool call a has no result"
    assert refused(hello, called, turn("system", said("s"), at=2))[0] == "tool call a has no result"


def test_a_result_without_a_call_is_named_with_its_turn() -> None:
    message, param = refused(turn("user", said("hi")), turn("user", answer("a"), at=1))
    assert "tool call a" in message
    assert param == "messages[1]"  # although the two are one turn
    called = (turn("assistant", A), turn("user", answer("a"), at=1), turn("assistant", said("x"), at=2))
    assert refused(*called, turn("user", answer("a"), at=3))[1] == "messages[3]"


def test_a_second_result_and_a_second_call_of_one_id_are_refused() -> None:
    called = turn("assistant", A)
    assert refused(called, turn("user", answer("a"), at=1), turn("user", answer("a", "no"), at=2)) == (
        "`messages[2]`: tool call a is answered twice",
        "messages[2]",
    )
    twice = turn("assistant", ToolCall(id="a", name="g", arguments="{}"), at=1)
    assert refused(called, twice, turn("user", answer("a"), at=2)) == (
        "`messages[1]`: tool call a is made twice",
        "messages[1]",
    )


def test_an_id_may_come_again_in_a_later_turn() -> None:
    again = (turn("assistant", A), turn("user", answer("a")))
    assert [len(found.parts) for found in arranged(*again, *again)] == [1, 1, 1, 1]


def test_what_the_system_says_between_call_and_result_comes_after() -> None:
    middle = turn("system", said("s"), at=2)
    found = arranged(
        turn("assistant", A, B, at=0),
        turn("user", answer("b"), at=1),
        middle,
        turn("user", answer("a"), at=3),
        turn("assistant", said("x"), at=4),
    )
    assert [one.role for one in found] == ["assistant", "user", "system", "assistant"]
    assert found[2] is middle
    assert [part.call_id for part in found[1].parts if isinstance(part, ToolResult)] == ["a", "b"]


def test_a_system_turn_elsewhere_keeps_its_place() -> None:
    given_turns = (turn("user", said("a")), turn("system", said("s"), at=1), turn("user", said("b"), at=2))
    assert arranged(*given_turns) == given_turns


def test_adjacent_turns_of_one_role_are_one_unless_their_names_differ() -> None:
    picture = Media(kind="image", source=Url("https://x.example/a.png"))
    found = arranged(
        turn("user", said("a"), at=0),
        turn("user", picture, at=1),
        turn("user", said("b"), at=2, name="bob"),
        turn("assistant", said("c"), at=3),
        turn("assistant", said("d"), at=4),
    )
    assert [one.parts for one in found] == [(said("a"), picture), (said("b"),), (said("c"), said("d"))]
    assert [one.path for one in found] == ["messages[0]", "messages[2]", "messages[3]"]


def test_the_extensions_of_merged_turns_are_kept() -> None:
    one = msgspec.structs.replace(turn("user", said("a")), ext={"x": msgspec.Raw(b"1")})
    other = msgspec.structs.replace(turn("user", said("b")), ext={"y": msgspec.Raw(b"2")})
    (found,) = arranged(one, other)
    assert set(found.ext or ()) == {"x", "y"}


def test_the_leading_system_turns_are_those_before_anything_else() -> None:
    first, second, later = turn("system", said("1")), turn("developer", said("2")), turn("system", said("3"))
    user = turn("user", said("u"))
    assert turns.leading_system((first, second, user, later)) == ((first, second), (user, later))
    assert turns.leading_system((user, first)) == ((), (user, first))
    assert turns.leading_system(()) == ((), ())


@st.composite
def answered(draw: st.DrawFn) -> tuple[Turn, ...]:
    """Calls whose results come in any order, in any number of turns, between any texts."""
    found: list[Turn] = []
    for round_ in range(draw(st.integers(1, 3))):
        calls = [ToolCall(id=f"{round_}-{at}", name="f", arguments="{}") for at in range(draw(st.integers(0, 4)))]
        results: list[Part] = [answer(call.id, call.id) for call in draw(st.permutations(calls))]
        results.insert(draw(st.integers(0, len(results))), said(f"text {round_}"))
        at = draw(st.integers(0, len(results)))
        found.append(turn("assistant", said("x"), *calls))
        found += [turn("user", *half) for half in (results[:at], results[at:]) if half]
    return tuple(found)


@given(answered())
def test_every_part_arrives_once_with_results_in_the_order_of_their_calls(given_turns: tuple[Turn, ...]) -> None:
    found = arranged(*given_turns)
    roles = [one.role for one in found]
    assert all(one != other for one, other in pairwise(roles))
    for asked, told in zip(found[::2], found[1::2], strict=True):
        calls = [part.id for part in asked.parts if isinstance(part, ToolCall)]
        assert [part.call_id for part in told.parts[: len(calls)] if isinstance(part, ToolResult)] == calls
        assert [isinstance(part, Text) for part in told.parts[len(calls) :]] == [True]
    assert arranged(*found) == found
