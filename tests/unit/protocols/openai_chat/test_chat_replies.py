"""Whole answers: a provider's as a canonical reply, a canonical one as a client's (protocols 1.2.3, 2.2, 2.3)."""

import json
from typing import Any

import pytest
from msgspec import Raw
from openai.types.chat import ChatCompletion

from nexusflow.ir.chat import (
    Candidate,
    Citation,
    Data,
    Finish,
    Logprob,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Unknown,
)
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import read_reply, write_reply
from tests.support.chat import RESPONSE_ID, asked, destination, read

CLAUDE = Opaque("anthropic/messages", "claude", "SIG")
GEMINI = Opaque("google/generate-content", "gemini", "AAAA")


def replied(message: dict[str, Any], finish: str | None = "stop", **top: Any) -> ChatReply:
    body = {
        "id": "c1",
        "created": 7,
        "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    return read_reply.read(json.dumps(body | top).encode(), destination())


def answer(*parts: Part, finish: Finish | None = None, ask: Asked | None = None, **more: Any) -> Any:
    """The client's answer, which must fit the official types."""
    candidate = Candidate(parts=parts, finish=finish or Finish(reason="end"), logprobs=more.pop("logprobs", None))
    reply = ChatReply(origin="anthropic/messages", candidates=(candidate,), **more)
    return ChatCompletion.model_validate_json(write_reply.write(reply, ask or asked(), Losses()))


def test_text_calls_and_usage_are_read() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"type": "custom", "id": "b", "custom": {"name": "sh", "input": "ls"}},
    ]
    found = replied(
        {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": calls},
        "tool_calls",
        usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        service_tier="flex",
        system_fingerprint="fp",
    )
    (candidate,) = found.candidates
    assert candidate == Candidate(
        parts=(
            Thinking(text="hm"),
            Text(text="so"),
            ToolCall(id="a", name="f", arguments='{"x":1}'),
            ToolCall(id="b", name="sh", arguments="ls", custom=True),
        ),
        finish=Finish(reason="tools", raw="tool_calls"),
    )
    assert (found.id, found.model, found.created, found.tier) == ("c1", "up", 7, "flex")
    assert found.usage is not None
    assert (found.usage.total, found.usage.tier) == (7, "flex")


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls", "eos", "odd", None])
@pytest.mark.parametrize("stop", [None, "END", 7])
def test_a_plain_text_means_the_same_read_in_one_go_and_part_by_part(finish: str | None, stop: object) -> None:
    """An empty list of calls says nothing, but sends the answer the long way."""
    messages: tuple[dict[str, Any], ...] = ({"content": "hi"}, {"content": "hi", "tool_calls": []})
    found = [
        json.dumps({"choices": [{"message": message, "finish_reason": finish, "stop_reason": stop}]})
        for message in messages
    ]
    short, long = (read_reply.read(body.encode(), destination()).candidates for body in found)
    assert short == long
    assert short[0].parts == (Text(text="hi"),)


@pytest.mark.parametrize("place", ["usage", "choice", "groq"])
def test_T49_usage_is_found_where_it_stands(place: str) -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    choice = {"message": {"content": "hi"}, **({"usage": counts} if place == "choice" else {})}
    top: dict[str, Any] = {"usage": counts if place == "usage" else {"prompt_tokens": 0, "total_tokens": 0}}
    if place == "groq":
        top["x_groq"] = {"usage": counts}
    reply = read_reply.read(json.dumps({"choices": [choice], **top}).encode(), destination())
    assert reply.usage is not None
    assert (reply.usage.total_input, reply.usage.total_output) == (3, 4)


def test_T31_calls_make_the_finish_tools() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": ""}}
    assert replied({"content": None, "tool_calls": [call]}).candidates[0].finish.reason == "tools"


def test_calls_of_one_message_stay_as_many_as_they_are() -> None:
    call = {"id": "same", "index": 0, "function": {"name": "f", "arguments": "{}"}}
    assert len(replied({"tool_calls": [call, call]}).candidates[0].parts) == 2


def test_empty_members_are_nothing() -> None:
    """As a Go server sends them: every member, with the zero of its type."""
    found = replied(
        {
            "content": "x",
            "refusal": "",
            "annotations": None,
            "audio": {"id": "", "data": "", "expires_at": 0, "transcript": ""},
            "function_call": {"name": "", "arguments": ""},
            "tool_calls": None,
        },
        "",
    )
    assert found.candidates[0] == Candidate(parts=(Text(text="x"),), finish=Finish(reason="end"))


def test_a_choice_without_a_message() -> None:
    body = b'{"choices":[{"index":0,"finish_reason":"content_filter"}]}'
    (candidate,) = read_reply.read(body, destination()).candidates
    assert candidate == Candidate(parts=(), finish=Finish(reason="filter", raw="content_filter"))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.UPSTREAM),
        (b"<html>", Kind.UPSTREAM),
        (b"[]", Kind.UPSTREAM),
        (b'{"x":1}', Kind.UPSTREAM),
        (b'{"choices":[]}', Kind.UPSTREAM),
        (b'{"choices":[{"message":{"content":5}}]}', Kind.UPSTREAM),
        (b'{"error":{"message":"m","type":"rate_limit_error"}}', Kind.RATE),
        (b'{"choices":[{"error":{"message":"m","code":503}}]}', Kind.BUSY),
    ],
)
def test_U11_U16_U34_what_is_no_answer(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_reply.read(body, destination())
    assert refused.value.problem.kind is kind


def test_reasoning_with_state_goes_out_and_comes_back() -> None:
    found = (
        answer(
            Thinking(text="hm", signature=CLAUDE), Thinking(text="", redacted=True, signature=CLAUDE), Text(text="so")
        )
        .choices[0]
        .message
    )
    assert found.reasoning_content == "hm"
    back = read(messages=[{"role": "user", "content": "x"}, found.model_dump(exclude_unset=True)]).turns[1]
    assert back.parts == (
        Thinking(text="hm", signature=CLAUDE),
        Thinking(text="", redacted=True, signature=CLAUDE),
        Text(text="so"),
    )


def test_T86_T88_google_state_goes_out_and_comes_back() -> None:
    call = ToolCall(id="t", name="f", arguments="{}", signature=GEMINI)
    found = answer(Text(text="so", signature=GEMINI), call, finish=Finish(reason="tools")).choices[0].message
    back = read(messages=[found.model_dump(exclude_unset=True)]).turns[0]
    assert back.parts == (Text(text="so", signature=GEMINI), call)


def test_T115_carried_blocks_go_out_and_come_back_in_their_places() -> None:
    block = Unknown(origin="anthropic/messages", type="web_search_tool_result", raw=Raw(b'{"type":"x","k":1.50}'))
    cited = Text(text="Größe", citations=(Citation(url="http://a", ext={"encrypted_index": Raw(b'"E"')}),))
    parts = (Text(text="Look: "), block, cited, Text(text=" end"))
    found = answer(*parts).choices[0].message
    assert found.content == "Look: Größe end"
    assert (found.annotations[0].url_citation.start_index, found.annotations[0].url_citation.end_index) == (6, 11)
    back = read(messages=[found.model_dump(exclude_unset=True)]).turns[0].parts
    assert [type(part) for part in back] == [Text, Unknown, Text, Text]
    assert back[2] == cited
    assert isinstance(back[1], Unknown)
    assert json.loads(bytes(back[1].raw)) == {"type": "x", "k": 1.5}


def test_content_is_null_beside_calls_and_empty_with_nothing() -> None:
    call = ToolCall(id="t", name="f", arguments="")
    found = answer(call, finish=Finish(reason="tools")).choices[0].message
    assert found.content is None
    assert found.tool_calls[0].function.arguments == "{}"
    assert answer().choices[0].message.content == ""


def test_answers_of_all_choices_and_the_callers_names() -> None:
    one = Candidate(parts=(Text(text="a"),), finish=Finish(reason="end"))
    other = Candidate(parts=(Text(text="b"),), finish=Finish(reason="length"))
    reply = ChatReply(origin="google/generate-content", candidates=(one, other), model="up", usage=Usage(input_text=1))
    found = ChatCompletion.model_validate_json(write_reply.write(reply, asked(), Losses()))
    assert (found.id, found.model) == (f"chatcmpl-{RESPONSE_ID}", "public")
    assert [(one.index, one.message.content, one.finish_reason) for one in found.choices] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


def test_refusals_filters_and_failures() -> None:
    found = answer(Refusal("No."), finish=Finish(reason="refusal", raw="refusal")).choices[0]
    assert (found.message.refusal, found.finish_reason) == ("No.", "content_filter")
    blocked = answer(finish=Finish(reason="filter", text="blocked: SAFETY")).choices[0]
    assert (blocked.message.content, blocked.message.refusal) == ("", "blocked: SAFETY")
    with pytest.raises(RequestRefused) as refused:
        answer(finish=Finish(reason="malformed", raw="MALFORMED_FUNCTION_CALL"))
    assert refused.value.problem.kind is Kind.UPSTREAM


def test_media_log_probabilities_and_tier() -> None:
    image = Media(kind="image", source=Data("image/png", "AAAA"))
    sound = Media(kind="audio", source=Data("audio/wav", "BBBB"), transcript="hi")
    tokens = (Logprob(token="a", logprob=-0.25, bytes=(97,)),)
    found = answer(Text(text="a"), image, sound, logprobs=tokens, tier="standard")
    assert found.choices[0].message.images[0]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert found.choices[0].message.audio.transcript == "hi"
    assert found.choices[0].logprobs.content[0].logprob == -0.25
    assert found.service_tier == "default"


def test_a_caller_of_the_older_form() -> None:
    ask = asked(read(functions=[{"name": "f"}]))
    found = answer(ToolCall(id="t", name="f", arguments="{}"), finish=Finish(reason="tools"), ask=ask).choices[0]
    assert (found.message.function_call.name, found.message.tool_calls) == ("f", None)
    assert found.finish_reason == "function_call"


def test_a_custom_tool_gets_its_bare_input_back() -> None:
    ask = asked(read(tools=[{"type": "custom", "custom": {"name": "sh"}}]))
    call = ToolCall(id="t", name="sh", arguments='{"input":"ls"}')
    found = answer(call, finish=Finish(reason="tools"), ask=ask).choices[0].message.tool_calls[0]
    assert (found.type, found.custom.input) == ("custom", "ls")


def test_ids_that_leave_fit_everywhere() -> None:
    found = answer(ToolCall(id="functions.f:0", name="f", arguments="{}")).choices[0].message.tool_calls[0]
    assert found.id.startswith("nxid_")
    assert len(found.id) <= 40
