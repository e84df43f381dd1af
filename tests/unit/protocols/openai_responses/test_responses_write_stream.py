"""Canonical events as the client's stream, and whole answers, as the official SDK reads them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import openai
import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    Candidate,
    Citation,
    Data,
    Finish,
    FinishReason,
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
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.events import (
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageSeen,
)
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_responses import read_request, write_reply
from nexusflow.protocols.openai_responses.replayed import events
from nexusflow.protocols.openai_responses.write_stream import KEEP_ALIVE, StreamWriter

Client = Callable[[bytes], openai.OpenAI]
Ask = Callable[..., Asked]
Emit = Callable[[Asked, Sequence[Event]], bytes]
USAGE = Usage(input_text=5, cache_read_text=3, output_text=2, output_reasoning=1)
CLAUDE = Opaque("anthropic/messages", "claude", "sig")
GEMINI = Opaque("google/generate-content", "gemini", "c2ln")


def reply(*parts: Part, finish: str = "end", **members: Any) -> ChatReply:
    reason: FinishReason = finish  # type: ignore[assignment]
    candidate = Candidate(parts=parts, finish=Finish(reason=reason, **members))
    return ChatReply(origin="anthropic/messages", candidates=(candidate,), usage=USAGE, tier="standard")


def frames(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]


def final(client: Client, body: bytes) -> Any:
    """What the SDK's own stream helper makes of it."""
    with client(body).responses.stream(model="public", input="hi") as stream:
        return stream.get_final_response()


MIXED = reply(
    Thinking(text="Hmm.", signature=CLAUDE),
    Text(text="Hello "),
    Text(text="world", citations=(Citation(url="https://a.org", title="A"),)),
    ToolCall(id="toolu_1", name="f", arguments='{"x":1}'),
    ToolCall(id="toolu_2", name="g", arguments=""),
    finish="tools",
)


def test_T23_the_official_helper_accepts_the_stream(client: Client, asked: Ask, emit: Emit) -> None:
    body = emit(asked(), list(events(MIXED)))
    told = frames(body)
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    added = [one["output_index"] for one in told if one["type"] == "response.output_item.added"]
    assert added == [0, 1, 2, 3]
    names = [line for line in body.decode().split("\n") if line.startswith("event: ")]
    assert names == [f"event: {one['type']}" for one in told]
    answer = final(client, body)
    assert answer.output_text == "Hello world"
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.call_id for item in answer.output[2:]] == ["toolu_1", "toolu_2"]
    assert answer.output[1].content[1].annotations[0].end_index == len("world")
    assert answer.usage.input_tokens == 8
    assert answer.usage.output_tokens_details.reasoning_tokens == 1
    assert answer.service_tier == "default"


def test_T110_T11_name_and_id_are_the_clients_in_every_event(asked: Ask, emit: Emit) -> None:
    whole = [one["response"] for one in frames(emit(asked(), list(events(MIXED)))) if "response" in one]
    assert [one["status"] for one in whole] == ["in_progress", "in_progress", "completed"]
    assert {one["model"] for one in whole} == {"public"}
    assert len({(one["id"], one["created_at"]) for one in whole}) == 1
    assert whole[0]["id"].startswith("resp_")
    ids = [item["id"] for item in whole[-1]["output"]]
    assert len(set(ids)) == len(ids)


def test_T12_a_call_without_arguments_has_an_empty_object(client: Client, asked: Ask, emit: Emit) -> None:
    body = emit(asked(), list(events(MIXED)))
    assert final(client, body).output[3].arguments == "{}"
    deltas = [one["delta"] for one in frames(body) if one["type"] == "response.function_call_arguments.delta"]
    assert deltas == ['{"x":1}', "{}"]


def test_whole_answers_are_the_streams_last_word(asked: Ask) -> None:
    writer = StreamWriter(asked())
    for event in events(MIXED):
        writer.feed(event)
    losses = Losses()
    assert write_reply.write(MIXED, asked(), losses) == writer.response
    assert not losses


def test_the_request_is_repeated(asked: Ask) -> None:
    members = {
        "instructions": "be brief",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "tool_choice": "required",
        "text": {"verbosity": "low"},
        "store": False,
        "temperature": 0.5,
        "metadata": {"k": "v"},
    }
    answer = json.loads(write_reply.write(MIXED, asked(**members), Losses()))
    expected = {**members, "text": {"verbosity": "low", "format": {"type": "text"}}}
    assert {name: answer[name] for name in expected} == expected
    bare = json.loads(write_reply.write(MIXED, asked(), Losses()))
    assert (bare["store"], bare["parallel_tool_calls"], bare["tools"], bare["tool_choice"]) == (True, True, [], "auto")
    assert (bare["truncation"], bare["previous_response_id"], bare["metadata"]) == ("disabled", None, {})


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("end", "completed", None),
        ("stop_sequence", "completed", None),
        ("tools", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context", "incomplete", "max_output_tokens"),
        ("filter", "incomplete", "content_filter"),
        ("refusal", "incomplete", "content_filter"),
    ],
)
def test_T27_T30_ends(reason: str, status: str, why: str | None, asked: Ask, emit: Emit) -> None:
    told = frames(emit(asked(), list(events(reply(Text(text="x"), finish=reason)))))
    answer = told[-1]["response"]
    assert told[-1]["type"] == f"response.{status}"
    assert (answer["status"], (answer["incomplete_details"] or {}).get("reason")) == (status, why)
    assert answer["output"][-1]["status"] == status


def test_refusals_in_words_are_complete_answers(client: Client, asked: Ask, emit: Emit) -> None:
    for one in (reply(Refusal("I won't."), finish="refusal"), reply(finish="refusal", text="I won't.")):
        answer = final(client, emit(asked(), list(events(one))))
        assert answer.status == "completed"
        assert answer.output[0].content[0].refusal == "I won't."


def test_T29_an_end_without_anything_usable_is_an_error(asked: Ask) -> None:
    nothing = reply(finish="empty", raw="NO_IMAGE")
    with pytest.raises(RequestRefused) as caught:
        write_reply.write(nothing, asked(), Losses())
    assert caught.value.problem.code == "upstream_empty:NO_IMAGE"
    writer = StreamWriter(asked())
    writer.feed(Started())
    with pytest.raises(RequestRefused) as caught:
        writer.feed(Finished(Finish(reason="malformed", raw="MALFORMED_FUNCTION_CALL")))
    (failed,) = frames(writer.feed(Failed(caught.value.problem)))
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"]["code"] == "upstream_empty:MALFORMED_FUNCTION_CALL"


PROBLEM = Problem(kind=Kind.UPSTREAM, message="The provider failed.")
HALF = [
    Started(),
    PartStarted(0, Text(text="")),
    PartDelta(0, "done"),
    PartEnded(0),
    PartStarted(1, ToolCall(id="a", name="f", arguments="")),
    PartDelta(1, '{"x"'),
    UsageSeen(USAGE),
]


def test_T102_a_stream_that_breaks_ends_in_failed(client: Client, asked: Ask, emit: Emit) -> None:
    body = emit(asked(), [*HALF, Failed(PROBLEM), Done()])
    last = frames(body)[-1]
    assert last["type"] == "response.failed"
    failed = last["response"]
    assert (failed["status"], failed["error"]) == ("failed", {"code": "upstream_error", "message": PROBLEM.message})
    assert [item["status"] for item in failed["output"]] == ["completed", "incomplete"]
    assert failed["usage"]["input_tokens"] == 8
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        final(client, body)


def test_T102_the_sdk_raises_when_nothing_was_announced(client: Client, asked: Ask, emit: Emit) -> None:
    body = emit(asked(), [Failed(PROBLEM)])
    assert body.startswith(b"event: error\ndata: ")
    with pytest.raises(openai.APIError, match="The provider failed"):
        final(client, body)


def test_failures_from_outside(asked: Ask) -> None:
    writer = StreamWriter(asked())
    assert frames(writer.failure(PROBLEM))[0]["type"] == "error"
    assert writer.failure(PROBLEM) == writer.feed(Failed(PROBLEM)) == b""
    writer = StreamWriter(asked())
    writer.feed(Started())
    assert frames(writer.failure(PROBLEM))[0]["type"] == "response.failed"
    assert writer.response is None
    assert KEEP_ALIVE.startswith(b":")


def test_logprobs(client: Client, asked: Ask, emit: Emit) -> None:
    token = Logprob(token="Hi", logprob=-0.5, top=(Logprob(token="Yo", logprob=-1.5),))
    told = [Started(), PartStarted(0, Text(text="")), PartDelta(0, "Hi", 0, (token,)), PartDelta(0, "!"), PartEnded(0)]
    body = emit(asked(), [*told, Finished(Finish(reason="end")), Done()])
    deltas = [one for one in frames(body) if one["type"] == "response.output_text.delta"]
    assert [[entry["token"] for entry in one["logprobs"]] for one in deltas] == [["Hi"], []]
    found = final(client, body).output[0].content[0].logprobs
    assert (found[0].token, found[0].bytes, found[0].top_logprobs[0].token) == ("Hi", [72, 105], "Yo")


def test_citations(asked: Ask, emit: Emit) -> None:
    told: list[Event] = [
        Started(),
        PartStarted(0, Text(text="")),
        PartDelta(0, "12345"),
        Cited(0, Citation(url="https://a.org", start=1, end=3)),
        Cited(0, Citation(kind="document", title="Doc", cited_text="quote")),
        PartEnded(0),
        Finished(Finish(reason="end")),
        Done(),
    ]
    frame_list = frames(emit(asked(), told))
    (annotation,) = (one for one in frame_list if one["type"] == "response.output_text.annotation.added")
    assert annotation["annotation"] == {
        "type": "url_citation",
        "start_index": 1,
        "end_index": 3,
        "url": "https://a.org",
        "title": "",
    }
    part = frame_list[-1]["response"]["output"][0]["content"][0]
    assert part["annotations"] == [annotation["annotation"]]
    assert part["citations"] == [{"type": "document", "title": "Doc", "cited_text": "quote"}]


CUSTOM = {"tools": [{"type": "custom", "name": "sql"}]}


def test_custom_calls_and_their_stand_in(client: Client, asked: Ask, emit: Emit) -> None:
    native = reply(ToolCall(id="a", name="sql", arguments="SELECT 1", custom=True), finish="tools")
    wrapped = reply(ToolCall(id="a", name="sql", arguments='{"input": "SELECT 1"}'), finish="tools")
    for one in (native, wrapped):
        body = emit(asked(**CUSTOM), list(events(one)))
        item = final(client, body).output[0]
        assert (item.type, item.input, item.call_id, item.name) == ("custom_tool_call", "SELECT 1", "a", "sql")
        deltas = [one["delta"] for one in frames(body) if one["type"] == "response.custom_tool_call_input.delta"]
        assert deltas == ["SELECT 1"]


def test_namespaces_are_restored(client: Client, asked: Ask, emit: Emit) -> None:
    inner = {"type": "function", "name": "find", "parameters": {}}
    tools = [{"type": "namespace", "name": "crm", "description": "d", "tools": [inner]}]
    body = emit(
        asked(tools=tools), list(events(reply(ToolCall(id="a", name="crm__find", arguments="{}"), finish="tools")))
    )
    item = final(client, body).output[0]
    assert (item.name, item.namespace) == ("find", "crm")


def test_ids_that_nobody_takes_are_replaced(asked: Ask) -> None:
    answer = json.loads(write_reply.write(reply(ToolCall(id="a/b c", name="f", arguments="{}")), asked(), Losses()))
    assert answer["output"][0]["call_id"].startswith("nxid_")


def came_back(one: ChatReply, asked: Ask) -> tuple[Part, ...]:
    """The answer's items as the client sends them with its next request."""
    output = json.loads(write_reply.write(one, asked(), Losses()))["output"]
    body = json.dumps({"model": "public", "input": [*output, {"role": "user", "content": "and?"}]}).encode()
    return read_request.read(body, model="public", stream=False).turns[0].parts


def test_T86_T88_T92_hidden_state_survives_the_client(asked: Ask) -> None:
    parts = (
        Thinking(text="Hmm.", signature=CLAUDE),
        Thinking(text="", signature=Opaque("anthropic/messages", "claude", "data"), redacted=True),
        Text(text="Hello", signature=GEMINI),
        ToolCall(id="a", name="f", arguments="{}", signature=GEMINI),
        ToolCall(id="b", name="f", arguments="{}"),
    )
    thinking, redacted, text, first, second = came_back(reply(*parts, finish="tools"), asked)
    assert isinstance(thinking, Thinking)
    assert (thinking.text, thinking.signature) == ("Hmm.", CLAUDE)
    assert isinstance(redacted, Thinking)
    assert (redacted.redacted, redacted.signature) == (True, Opaque("anthropic/messages", "claude", "data"))
    assert text == parts[2]
    assert (first, second) == parts[3:]


def test_state_that_comes_late_follows_its_part(asked: Ask, emit: Emit) -> None:
    told: list[Event] = [
        Started(),
        PartStarted(0, Text(text="")),
        PartDelta(0, "Hello"),
        PartEnded(0, 0, GEMINI),
        PartStarted(1, ToolCall(id="a", name="f", arguments="")),
        PartEnded(1, 0, GEMINI),
        Finished(Finish(reason="tools")),
        Done(),
    ]
    output = frames(emit(asked(), told))[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "reasoning", "function_call", "reasoning"]
    body = json.dumps({"model": "public", "input": output}).encode()
    text, call = read_request.read(body, model="public", stream=False).turns[0].parts
    assert (text, call) == (
        Text(text="Hello", signature=GEMINI),
        ToolCall(id="a", name="f", arguments="{}", signature=GEMINI),
    )


def test_its_own_state_is_not_wrapped(asked: Ask) -> None:
    own = reply(Thinking(text="", signature=Opaque("openai/responses", "gpt", "enc")), Text(text="x"))
    assert json.loads(write_reply.write(own, asked(), Losses()))["output"][0]["encrypted_content"] == "enc"


def test_T20_images_have_an_item_and_other_blocks_are_lost_aloud(client: Client, asked: Ask, emit: Emit) -> None:
    image = Media(kind="image", source=Data("image/png", "AAAA"))
    foreign = Unknown(origin="anthropic/messages", type="server_tool_use", raw=Raw(b"{}"))
    own = Unknown(origin="openai/responses", type="web_search_call", raw=Raw(b'{"type":"web_search_call","id":"ws_1"}'))
    one = reply(image, foreign, own, Text(text="x"))
    answer = final(client, emit(asked(), list(events(one))))
    assert [item.type for item in answer.output] == ["image_generation_call", "web_search_call", "message"]
    assert answer.output[0].result == "AAAA"
    losses = Losses()
    write_reply.write(one, asked(), losses)
    assert losses.header() == "dropped=output[1]"


def test_only_the_first_choice_is_written(asked: Ask, emit: Emit) -> None:
    told: list[Event] = [
        Started(),
        PartStarted(0, Text(text=""), 1),
        PartStarted(0, Text(text="")),
        PartDelta(0, "second", 1),
        PartDelta(0, "first"),
        PartEnded(0, 1),
        Finished(Finish(reason="length"), 1),
        PartEnded(0),
        Finished(Finish(reason="end")),
        Done(),
    ]
    answer = frames(emit(asked(), told))[-1]["response"]
    assert answer["status"] == "completed"
    assert [item["content"][0]["text"] for item in answer["output"]] == ["first"]
