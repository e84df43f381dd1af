"""Google's own SDK against what we write and read: a transport of ours stands where its socket would be."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors as sdk_errors
from google.genai import types
from msgspec import Raw

from nexusflow.ir.chat import (
    Candidate,
    Citation,
    Data,
    Finish,
    HostedTool,
    Logprob,
    Media,
    Opaque,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
)
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.events import Done, Event, Finished, PartDelta, PartEnded, PartStarted, Started, UsageSeen
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import count_tokens, errors, read_request, write_reply
from nexusflow.protocols.gemini.write_stream import KEEP_ALIVE, StreamWriter
from tests.support.generate import RESPONSE_ID, asked, unframed

USAGE = Usage(input_text=10, cache_read_text=4, output_text=3, output_reasoning=5, tool_input=2, tier="flex")
STATE = Opaque("anthropic/messages", "claude", "EqQB+/==")


class Server:
    """Answers every call of the SDK with the next of `answers`, and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.sent: list[httpx2.Request] = []
        self._answers = list(answers)
        client = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        options = types.HttpOptions(base_url="http://127.0.0.1:9", httpx_client=client)
        self.sdk = genai.Client(api_key="none", http_options=options)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        status, body = self._answers.pop(0)
        kind = "text/event-stream" if body.startswith(b"data:") else "application/json"
        return httpx2.Response(status, headers={"content-type": kind}, content=body)

    def body(self, at: int = -1) -> bytes:
        return self.sent[at].content


def written(*parts: Any, thoughts: bool = True, **finish: Any) -> bytes:
    candidate = Candidate(
        parts=parts,
        finish=Finish(**{"reason": "end", **finish}),
        logprobs=(Logprob(token="a", logprob=-0.5, top=(Logprob(token="a", logprob=-0.5),)),),
    )
    reply = ChatReply(origin="anthropic/messages", candidates=(candidate,), usage=USAGE)
    return write_reply.write(reply, asked(thoughts=thoughts), Losses())


THOUGHT = Thinking(text="Hmm.", signature=STATE)
CALL = ToolCall(id="c1", name="look", arguments='{"city":"Paris"}')


def test_a_whole_answer_with_everything_is_accepted() -> None:
    body = written(
        THOUGHT,
        Text(text="née", citations=(Citation(url="https://a.example", title="A", start=0, end=3),)),
        Media(kind="image", source=Data("image/png", "AA==")),
        Unknown(origin="anthropic/messages", type="server_tool_use", raw=Raw(b"{}")),
        CALL,
    )
    types.GenerateContentResponse.model_validate(json.loads(body))
    answer = Server((200, body)).sdk.models.generate_content(model="public", contents="Hi")
    assert answer.text == "née"
    assert answer.function_calls is not None
    assert [(one.id, one.name, one.args) for one in answer.function_calls] == [("c1", "look", {"city": "Paris"})]
    assert answer.candidates is not None
    (candidate,) = answer.candidates
    assert candidate.finish_reason is types.FinishReason.STOP
    assert candidate.content is not None
    assert candidate.content.parts is not None
    assert [bool(part.thought) for part in candidate.content.parts] == [True, False, False, False, False]
    assert candidate.content.parts[4].thought_signature is not None
    assert candidate.grounding_metadata is not None
    assert candidate.grounding_metadata.grounding_supports is not None
    assert candidate.grounding_metadata.grounding_supports[0].segment is not None
    assert candidate.grounding_metadata.grounding_supports[0].segment.end_index == 4
    assert candidate.logprobs_result is not None
    assert (answer.model_version, answer.response_id) == ("public", RESPONSE_ID)
    usage = answer.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count, usage.total_token_count) == (14, 4, 24)
    assert (usage.thoughts_token_count, usage.tool_use_prompt_token_count) == (5, 2)
    assert usage.traffic_type is types.TrafficType.ON_DEMAND_FLEX


@pytest.mark.parametrize("reason", ["end", "length", "refusal", "filter", "tools", "pause", "context"])
def test_every_reason_is_one_that_it_knows(reason: str) -> None:
    answer = types.GenerateContentResponse.model_validate(json.loads(written(Text(text="x"), reason=reason)))
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason in set(types.FinishReason)


def stream() -> bytes:
    """Thought, text, a call and the end, with a sign of life before every frame."""
    events: list[Event] = [
        Started(),
        PartStarted(0, Thinking(text="")),
        PartDelta(0, "Hm"),
        PartDelta(0, "m."),
        PartEnded(0, signature=STATE),
        PartStarted(1, Text(text="")),
        PartDelta(1, "Let me "),
        PartDelta(1, "look."),
        PartEnded(1),
        PartStarted(2, ToolCall(id="c1", name="look", arguments="")),
        PartDelta(2, '{"city":'),
        PartDelta(2, '"Paris"}'),
        PartEnded(2),
        Finished(Finish(reason="tools")),
        UsageSeen(USAGE),
        Done(),
    ]
    writer = StreamWriter(asked(thoughts=True))
    return b"".join(KEEP_ALIVE + frame for event in events if (frame := writer.feed(event)))


def test_a_stream_is_accepted_with_blank_lines_as_signs_of_life() -> None:
    for frame in unframed(stream().replace(KEEP_ALIVE + b"data", b"data")):
        types.GenerateContentResponse.model_validate(frame)
    body = stream().lstrip()
    chunks = list(Server((200, body)).sdk.models.generate_content_stream(model="public", contents="Hi"))
    parts = [part for chunk in chunks for part in chunk.parts or ()]
    assert "".join(part.text or "" for part in parts if part.thought) == "Hmm."
    assert "".join(part.text or "" for part in parts if not part.thought) == "Let me look."
    assert [part.function_call.args for part in parts if part.function_call] == [{"city": "Paris"}]
    assert chunks[-1].candidates is not None
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.total_token_count == 24


def test_T102_a_stream_that_breaks_raises() -> None:
    frame = errors.event(Problem(kind=Kind.BUSY, message="The provider is overloaded."), "id1")
    body = stream().lstrip().split(b"\r\n\r\n")[0] + b"\r\n\r\n" + frame
    chunks = Server((200, body)).sdk.models.generate_content_stream(model="public", contents="Hi")
    assert next(iter(chunks)).candidates
    with pytest.raises(sdk_errors.ServerError) as raised:
        list(chunks)
    assert (raised.value.code, raised.value.status) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("streams", [False, True])
def test_T105_an_error_keeps_its_class_words_and_details(streams: bool) -> None:
    problem = Problem(kind=Kind.PARAM, message="`contents` is required", param="contents")
    server = Server((errors.status(problem), errors.envelope(problem, "id1")))
    ask: Callable[..., Any] = (
        server.sdk.models.generate_content_stream if streams else server.sdk.models.generate_content
    )
    with pytest.raises(sdk_errors.ClientError) as raised:
        list(ask(model="public", contents="Hi"))
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")
    assert raised.value.message == "`contents` is required"


def test_what_the_sdk_sends_is_read_whole() -> None:
    """It mixes spellings, and writes bytes in the URL-safe alphabet (protocols 0.10)."""
    server = Server((200, written(Text(text="x"))))
    data = bytes(range(240, 256)) * 3
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        max_output_tokens=9,
        stop_sequences=["END"],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name="f", parameters_json_schema={"type": "object", "x_y": 1}),
                ]
            ),
            types.Tool(google_search=types.GoogleSearch()),
        ],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        response_mime_type="application/json",
        response_json_schema={"type": "object", "properties": {"a_b": {"type": "string"}}},
    )
    image = types.Part.from_bytes(data=data, mime_type="image/png")
    server.sdk.models.generate_content(model="public", contents=[image, "What is it?"], config=config)
    call = read_request.read(server.body(), model="public", stream=False)
    assert [turn.role for turn in call.turns] == ["system", "user"]
    assert call.turns[1].parts == (
        Media(kind="image", source=Data("image/png", base64.b64encode(data).decode())),
        Text(text="What is it?"),
    )
    assert (call.sampling.temperature, call.max_tokens, call.stop) == (0.5, 9, ("END",))
    assert (call.reasoning.effort, call.reasoning.expose) == ("low", "summary")
    assert [tool.kind for tool in call.tools if isinstance(tool, HostedTool)] == ["web_search"]
    (function,) = [tool for tool in call.tools if isinstance(tool, Tool)]
    assert function.parameters is not None
    assert json.loads(bytes(function.parameters)) == {"type": "object", "x_y": 1}
    assert call.format is not None
    assert call.format.schema is not None
    assert b'"a_b"' in bytes(call.format.schema)


@pytest.mark.parametrize("streams", [False, True])
def test_T86_T89_state_survives_the_sdks_own_chat(streams: bool) -> None:
    """Its chat keeps the model's turns as they came, and sends them back with the result."""
    first = stream().lstrip() if streams else written(THOUGHT, Text(text="Let me look."), CALL)
    server = Server((200, first), (200, written(Text(text="Sunny."))))
    chat = server.sdk.chats.create(model="public")
    if streams:
        list(chat.send_message_stream("Weather?"))
    else:
        chat.send_message("Weather?")
    result = types.Part.from_function_response(name="look", response={"result": "Sunny"})
    assert result.function_response is not None
    result.function_response.id = "c1"
    chat.send_message(result)
    _, model, user = read_request.read(server.body(), model="public", stream=False).turns
    thoughts = [part for part in model.parts if isinstance(part, Thinking)]
    assert [(part.text, part.signature) for part in thoughts] == [("Hmm.", STATE)]
    assert [part.name for part in model.parts if isinstance(part, ToolCall)] == ["look"]
    assert user.parts == (ToolResult(call_id="c1", name="look", content=(Text(text="Sunny"),)),)


def test_tokens_are_counted() -> None:
    server = Server((200, count_tokens.write_answer(Usage(input_text=7, cache_read_text=2))))
    counted = server.sdk.models.count_tokens(model="public", contents="Hi")
    assert (counted.total_tokens, counted.cached_content_token_count) == (9, 2)
    call = count_tokens.read(server.body(), model="public")
    assert call.turns[0].parts == (Text(text="Hi"),)
