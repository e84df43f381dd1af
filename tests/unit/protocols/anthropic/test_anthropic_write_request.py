"""A canonical call as a Messages request for the provider: the conversation (protocols 2.1.1, 2.1.2, 2.2)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    CacheMark,
    Citation,
    Data,
    Document,
    FileRef,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.loss import Losses
from tests.support.messages import chat, read, turn, written

HELLO = turn("user", Text(text="Hello"))
CALL = ToolCall(id="t1", name="f", arguments='{"a":1}')
RESULT = ToolResult(call_id="t1", content=(Text(text="out"),))


def messages(*turns: Turn, losses: Losses | None = None, **flags: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(chat(*turns), losses, **flags)["messages"]
    return found


def content(*parts: Part, losses: Losses | None = None, **flags: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = messages(turn("user", *parts), losses=losses, **flags)[0]["content"]
    return found


def refused(*turns: Turn, **flags: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        messages(*turns, **flags)
    assert caught.value.problem.kind is Kind.PARAM
    return caught.value.problem


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_leading_system_turns_are_the_system_text() -> None:
    body = written(chat(turn("system", Text(text="A")), turn("developer", Text(text="B"), Text(text="C")), HELLO))
    assert body["system"] == [text("A"), text("B"), text("C")]
    assert body["messages"] == [{"role": "user", "content": [text("Hello")]}]
    assert "system" not in written(chat())  # T60


def test_T59_a_later_system_turn_stays_where_the_model_takes_it() -> None:
    turns = (HELLO, turn("system", Text(text="S"), path="messages[1]"))
    losses = Losses()
    assert messages(*turns, losses=losses, mid_system=True)[1] == {"role": "system", "content": [text("S")]}
    assert not losses
    assert messages(*turns, losses=losses, mid_system=False)[0]["content"] == [text("Hello"), text("S")]
    assert losses.header() == "placed=messages[1]@user"


def test_a_system_turn_is_never_put_into_an_answer() -> None:
    turns = (HELLO, turn("assistant", Text(text="A")), turn("system", Text(text="S")), turn("user", Text(text="B")))
    assert [message["role"] for message in messages(*turns, mid_system=True)] == ["user", "assistant", "user"]


def test_T53_results_come_first_and_as_one_turn_in_the_order_of_the_calls() -> None:
    second = ToolCall(id="t2", name="g", arguments="")
    found = messages(
        HELLO,
        turn("assistant", CALL, second),
        turn("user", ToolResult(call_id="t2", content=())),
        turn("user", RESULT),
        turn("user", Text(text="And?")),
    )
    assert [block.get("tool_use_id") for block in found[2]["content"]] == ["t1", "t2", None]
    assert len(found) == 3


def test_results_stay_first_when_a_system_turn_joins_them() -> None:
    found = messages(
        HELLO, turn("assistant", CALL), turn("system", Text(text="S")), turn("user", RESULT), mid_system=False
    )
    assert [block["type"] for block in found[2]["content"]] == ["tool_result", "text"]


def test_T57_text_and_calls_are_both_kept() -> None:
    found = messages(HELLO, turn("assistant", Text(text="I look"), CALL), turn("user", RESULT))
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    assert found[1] == {"role": "assistant", "content": [text("I look"), use]}
    assert found[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": [text("out")]}]


@pytest.mark.parametrize("arguments", ['{"a":1}{"b":2}', "[1]", '{"a":', "1"])
def test_T67_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    bad = ToolCall(id="t1", name="f", arguments=arguments)
    found = refused(HELLO, turn("assistant", bad), turn("user", RESULT))
    assert str(found.param).endswith(".tool_calls[0].function.arguments")


@pytest.mark.parametrize("arguments", ["", "null", "{}"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    call = ToolCall(id="t1", name="f", arguments=arguments)
    assert messages(HELLO, turn("assistant", call), turn("user", RESULT))[1]["content"][0]["input"] == {}


def test_a_free_form_call_is_wrapped() -> None:
    call = ToolCall(id="t1", name="f", arguments="ls -l", custom=True)
    found = messages(HELLO, turn("assistant", call), turn("user", RESULT))
    assert found[1]["content"][0]["input"] == {"input": "ls -l"}


def test_ids_that_the_provider_would_refuse_are_renamed_alike() -> None:
    id_ = "call:" + "x" * 60
    call = ToolCall(id=id_, name="f", arguments="{}")
    found = messages(HELLO, turn("assistant", call), turn("user", ToolResult(call_id=id_, content=())))
    assert found[1]["content"][0]["id"] == found[2]["content"][0]["tool_use_id"] != id_


def test_a_failed_result_says_so() -> None:
    failed = ToolResult(call_id="t1", content=(Text(text="boom"),), is_error=True)
    assert messages(HELLO, turn("assistant", CALL), turn("user", failed))[2]["content"][0]["is_error"] is True


def test_T56_images_in_results_and_foreign_blocks_as_text() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="))
    foreign = Unknown(origin="openai/responses", type="x", raw=Raw(b'{"type":"x"}'))
    result = ToolResult(call_id="t1", content=(image, foreign, Text(text="")))
    blocks = messages(HELLO, turn("assistant", CALL), turn("user", result))[2]["content"][0]["content"]
    assert [block["type"] for block in blocks] == ["image", "text"]
    assert blocks[1]["text"] == '{"type":"x"}'


def test_T52_empty_texts_are_left_out_and_an_empty_end_is_refused() -> None:
    assert content(Text(text=""), Text(text="x")) == [text("x")]
    found = messages(HELLO, turn("assistant", Text(text="")), turn("user", Text(text="B")))
    assert found == [{"role": "user", "content": [text("Hello"), text("B")]}]
    assert refused(HELLO, turn("assistant", Text(text="A")), turn("user", Text(text=""), path="messages[2]")).param == (
        "messages[2]"
    )


def test_a_conversation_needs_a_user() -> None:
    assert refused(turn("system", Text(text="S"))).param == "messages"


def test_an_answer_first_gets_a_turn_before_it() -> None:
    losses = Losses()
    found = messages(turn("assistant", Text(text="A")), turn("user", Text(text="B")), losses=losses)
    assert [message["role"] for message in found] == ["user", "assistant", "user"]
    assert "placed=messages[0]" in losses.header()


def test_an_answer_that_was_begun_needs_a_model_that_goes_on() -> None:
    begun = turn("assistant", Text(text="It is \n"), path="messages[1]")
    assert messages(HELLO, begun, prefill=True)[-1] == {"role": "assistant", "content": [text("It is")]}
    assert refused(HELLO, begun, prefill=False).code == "unsupported_prefill"


def test_media() -> None:
    blocks = content(
        Media(kind="image", source=Data("image/png", "AA==")),
        Media(kind="image", source=Url("https://x.test/a.png")),
        Media(kind="file", source=Data("application/pdf", "AA=="), name="T.pdf", context="C", cite=True),
        Media(kind="file", source=Url("https://x.test/a.pdf")),
        Media(kind="file", source=Data("text/plain", "aGk="), name="n.txt"),
        Media(kind="file", source=FileRef("file_1", "anthropic/messages")),
        Document(text="words", title="T"),
        Document(text="A", title=None, source="https://x.test", cite=True),
    )
    plain = {"type": "text", "media_type": "text/plain"}
    assert blocks == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
            "title": "T.pdf",
            "context": "C",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
        {"type": "document", "source": {**plain, "data": "hi"}, "title": "n.txt"},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {**plain, "data": "words"}, "title": "T"},
        {
            "type": "search_result",
            "source": "https://x.test",
            "title": "https://x.test",
            "content": [text("A")],
            "citations": {"enabled": True},
        },
    ]


@pytest.mark.parametrize(
    ("part", "flags"),
    [
        (Media(kind="image", source=Data("image/bmp", "AA==")), {}),
        (Media(kind="image", source=Url("https://x.test/a.png")), {"image_url": False}),
        (Media(kind="file", source=Data("application/pdf", "AA==")), {"pdf": False}),
        (Media(kind="file", source=Data("application/zip", "AA==")), {}),
        (Media(kind="file", source=Data("text/plain", "/w==")), {}),
        (Media(kind="file", source=FileRef("file_1", "openai/responses")), {}),
        (Media(kind="audio", source=Data("audio/wav", "AA==")), {}),
        (Media(kind="video", source=Url("https://x.test/v")), {}),
    ],
)
def test_media_that_the_model_cannot_see_is_refused(part: Part, flags: dict[str, Any]) -> None:
    found = refused(turn("user", Text(text="x"), part), **flags)
    assert str(found.param).startswith("messages[0].content[1].")


def test_an_image_in_an_answer_is_refused() -> None:
    image = Media(kind="image", source=Data("image/png", "AA=="))
    assert refused(HELLO, turn("assistant", image), turn("user", Text(text="x"))).code == "unsupported_content"


def test_the_detail_of_an_image_and_a_name_are_hints() -> None:
    losses = Losses()
    content(Media(kind="image", source=Data("image/png", "AA=="), detail="high"), losses=losses)
    messages(Turn(role="user", parts=(Text(text="x"),), name="Bob", path="messages[0]"), losses=losses)
    assert losses.header() == "dropped=messages[0].content[0].image_url.detail,messages[0].name"


def test_a_refusal_becomes_text() -> None:
    losses = Losses()
    found = messages(HELLO, turn("assistant", Refusal("No.")), turn("user", Text(text="x")), losses=losses)
    assert found[1]["content"] == [text("No.")]
    assert losses


def test_T91_T92_signed_thinking_goes_back_whole_and_in_place() -> None:
    def state(payload: str, family: str = "claude") -> Opaque:
        return Opaque("anthropic/messages", family, payload)

    found = messages(
        HELLO,
        turn(
            "assistant",
            Thinking(text="hm", signature=state("s1")),
            Thinking(text="", redacted=True, signature=state("d")),
            CALL,
        ),
        turn("user", RESULT),
    )
    assert found[1]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "s1"},
        {"type": "redacted_thinking", "data": "d"},
    ]


@pytest.mark.parametrize(
    "signature",
    [None, Opaque("anthropic/messages", "other", "s"), Opaque("google/generate-content", "gemini", "s")],
)
def test_T94_thinking_of_another_model_is_left_out_in_silence(signature: Opaque | None) -> None:
    losses = Losses()
    thought = Thinking(text="hm", signature=signature)
    found = messages(HELLO, turn("assistant", thought, CALL), turn("user", RESULT), losses=losses)
    assert [block["type"] for block in found[1]["content"]] == ["tool_use"]
    assert not losses


def test_T115_what_only_this_provider_made_goes_back_whole() -> None:
    raw = Raw(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1}}')
    native = Unknown(origin="anthropic/messages", type="server_tool_use", raw=raw)
    foreign = Unknown(origin="openai/responses", type="web_search_call", raw=Raw(b"{}"))
    losses = Losses()
    turns = (HELLO, turn("assistant", native, foreign, Text(text="A")), turn("user", Text(text="x")))
    found = messages(*turns, losses=losses)
    assert found[1]["content"] == [json.loads(bytes(raw)), text("A")]
    assert losses


def test_T115_citations_that_this_provider_made_go_back() -> None:
    cited = {"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "c", "encrypted_index": "e"}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "A", "citations": [cited]}]}
    hello = {"role": "user", "content": "x"}
    call = read(messages=[hello, answer, hello])
    assert written(call)["messages"][1]["content"][0]["citations"] == [cited]
    losses = Losses()
    foreign = turn("assistant", Text(text="A", citations=(Citation(url="u"),)), path="messages[1]")
    assert "citations" not in messages(HELLO, foreign, HELLO, losses=losses)[1]["content"][0]
    assert losses.header() == "dropped=messages[1].content[0].citations"


@pytest.mark.parametrize(
    ("ttl", "expected", "changed"),
    [
        (None, {"type": "ephemeral"}, False),
        ("5m", {"type": "ephemeral"}, False),
        ("30m", {"type": "ephemeral", "ttl": "1h"}, False),
        ("1h", {"type": "ephemeral", "ttl": "1h"}, False),
        ("12h", {"type": "ephemeral", "ttl": "1h"}, True),
    ],
)
def test_T77_cache_marks_with_their_lifetimes(ttl: str | None, expected: dict[str, str], changed: bool) -> None:
    losses = Losses()
    (block,) = content(Text(text="x", cache=CacheMark(ttl)), losses=losses, cache="anthropic")
    assert block["cache_control"] == expected
    assert bool(losses) is changed


def test_T77_a_provider_without_marks_gets_none() -> None:
    losses = Losses()
    (block,) = content(Text(text="x", cache=CacheMark()), losses=losses, cache="none")
    assert block == text("x")
    assert losses.header() == "dropped=messages[0].content[0].cache_control"


def test_T58_T77_this_protocols_own_fields_survive() -> None:
    body: dict[str, Any] = {
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [text("x")]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [text("out")],
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    }
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}],
        "context_management": {"edits": []},
        "output_config": {"task_budget": {"type": "tokens"}},
        "metadata": {"user_id": "u", "team": "t"},
    }
    found = written(read(**body), cache="anthropic")
    assert {name: found[name] for name in body} == body


def test_T76_what_another_protocol_kept_beside_a_part_stays_out() -> None:
    losses = Losses()
    assert content(Text(text="x", ext={"prompt_odd": Raw(b"1")}), losses=losses) == [text("x")]
    assert losses.header() == "dropped=messages[0].content[0].prompt_odd"
