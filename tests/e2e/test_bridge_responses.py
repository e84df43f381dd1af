"""OpenAI's own SDK over Responses, against providers of each of the four protocols, and what the gateway stores."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.bridge_gateway import (
    BROKEN_OFF,
    FAILURES,
    HELLO,
    PDF,
    PIXEL,
    PROTOCOLS,
    SAID,
    STATE,
    THOUGHT,
    UPSTREAMS,
    Bridged,
)

BOTH = "get_weather and get_time, in parallel"
ENCRYPTED: list[Any] = ["reasoning.encrypted_content"]


def tool(name: str, argument: str) -> Any:
    """A function tool with one text argument."""
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "name": name, "description": name, "parameters": schema, "strict": False}


TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


@pytest.fixture(scope="module")
def client(bridged: Bridged) -> Iterator[OpenAI]:
    gateway = bridged.gateway
    with OpenAI(base_url=gateway.openai_base_url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(bridged: Bridged) -> Iterator[OpenAI]:
    """Another customer."""
    with OpenAI(base_url=bridged.gateway.openai_base_url, api_key=bridged.other_key, max_retries=0) as client:
        yield client


def answered(response: Any) -> list[Any]:
    """The output as the SDK has it, as input for the next turn, and an output for each of its calls."""
    items = [item.model_dump(exclude_none=True) for item in response.output]
    calls = [item for item in response.output if item.type == "function_call"]
    return items + [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name} is done"} for call in calls
    ]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_plain_and_streamed_responses_say_the_same(client: OpenAI, upstream: str) -> None:
    name = f"{upstream}/chat"
    plain = client.responses.create(model=name, input=HELLO)
    events: list[Any] = list(client.responses.create(model=name, input=HELLO, stream=True))
    assert (plain.model, plain.status, plain.output_text) == (name, "completed", SAID)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[1].type] == ["response.created", "response.in_progress"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    last = events[-1].response
    assert (events[-1].type, last.model, last.output_text) == ("response.completed", name, SAID)
    assert plain.usage is not None
    assert last.usage == plain.usage
    assert plain.usage.total_tokens == plain.usage.input_tokens + plain.usage.output_tokens > 0
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_accumulating_helper(client: OpenAI, upstream: str) -> None:
    with client.responses.stream(model=f"{upstream}/chat", input=HELLO) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert len(pieces) > 1
    assert final.output_text == "".join(pieces) == SAID


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T23_parallel_tools_in_two_turns(client: OpenAI, upstream: str, streams: bool) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "tools": TOOLS}
    if streams:
        with client.responses.stream(input=BOTH, **asked) as stream:
            added = [event for event in stream if event.type == "response.output_item.added"]
            first: Any = stream.get_final_response()
        assert [event.output_index for event in added] == list(range(len(first.output)))
    else:
        first = client.responses.create(input=BOTH, **asked)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert [set(json.loads(call.arguments)) for call in calls] == [{"city"}, {"zone"}]
    history: Any = [{"role": "user", "content": BOTH}, *answered(first)]
    second = client.responses.create(input=history, **asked)
    assert "get_weather is done" in second.output_text
    assert "get_time is done" in second.output_text


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_arguments_are_streamed_in_parts(client: OpenAI, upstream: str) -> None:
    events: list[Any] = list(client.responses.create(model=f"{upstream}/chat", input=BOTH, tools=TOOLS, stream=True))
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert len(done) == 2
    for end in done:
        deltas = [
            event.delta
            for event in events
            if event.type == "response.function_call_arguments.delta" and event.output_index == end.output_index
        ]
        assert "".join(deltas) == end.arguments
        assert isinstance(json.loads(end.arguments), dict)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_images_are_seen(client: OpenAI, upstream: str) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    content = [{"type": "input_text", "text": "See?"}, image]
    said: Any = [{"role": "user", "content": content}]
    assert "1 image: image/png of 70 bytes" in client.responses.create(model=f"{upstream}/chat", input=said).output_text


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_tools_may_show_images_and_users_files(client: OpenAI, upstream: str) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    file = {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    history: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}, file]},
        {"type": "function_call", "call_id": "call_1", "name": "get_time", "arguments": '{"zone": "here"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": [image]},
    ]
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "tools": TOOLS}
    assert "1 image: image/png of 70 bytes" in client.responses.create(input=history, **asked).output_text
    assert (
        "1 file: application/pdf of 20" in client.responses.create(input=history[:1], model=asked["model"]).output_text
    )


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_structured_output_is_parsed(client: OpenAI, upstream: str) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/chat", "input": HELLO, "text_format": City}
    assert isinstance(client.responses.parse(**asked).output_parsed, City)
    with client.responses.stream(**asked) as stream:
        assert isinstance(stream.get_final_response().output_parsed, City)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_instructions_are_the_system_prompt(client: OpenAI, bridged: Bridged, upstream: str) -> None:
    client.responses.create(model=f"{upstream}/chat", input=HELLO, instructions="Be kind.")
    body = bridged.last()["body"]
    system = {
        "chat": lambda: body["messages"][0]["content"],
        "responses": lambda: body["instructions"],
        "messages": lambda: body["system"],
        "gemini": lambda: body["systemInstruction"]["parts"],
    }[upstream]()
    assert "Be kind." in json.dumps(system)
    assert json.dumps(body).count("Be kind.") == 1


@pytest.mark.parametrize("stored", [False, True], ids=["sent", "stored"])
@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_reasoning_state_comes_back(
    client: OpenAI, bridged: Bridged, upstream: str, streams: bool, stored: bool
) -> None:
    """Thinking with tools: the provider gets its own state in the second turn, sent again or out of the store."""
    reasoning = {"effort": "high", "summary": "auto"}
    asked: dict[str, Any] = {"model": f"{upstream}/thinker", "tools": TOOLS, "reasoning": reasoning}
    asked |= {"store": stored, "include": ENCRYPTED}
    if streams:
        with client.responses.stream(input=BOTH, **asked) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(input=BOTH, **asked)
    thoughts = [part.text for item in first.output if item.type == "reasoning" for part in item.summary]
    assert "".join(thoughts) == THOUGHT
    items = answered(first)
    if stored:
        outputs = [item for item in items if item["type"] == "function_call_output"]
        second = client.responses.create(input=outputs, previous_response_id=first.id, **asked)
    else:
        history: Any = [{"role": "user", "content": BOTH}, *items]
        second = client.responses.create(input=history, **asked)
    assert "get_time is done" in second.output_text
    assert (THOUGHT if upstream == "chat" else STATE) in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_providers_failure_is_the_sdks_own_exception(
    client: OpenAI, upstream: str, fault: str, streams: bool
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model=f"{upstream}/{fault}", input=HELLO, stream=streams)
    error, status = caught.value, FAILURES[fault]
    classes = {400: openai.BadRequestError, 413: openai.APIStatusError, 429: openai.RateLimitError}
    assert error.status_code == status
    assert type(error) is classes.get(status, openai.InternalServerError)
    assert error.request_id
    assert error.code
    assert "secret" not in error.message


@pytest.mark.parametrize("fault", BROKEN_OFF)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T102_a_broken_stream_fails_after_what_was_said(client: OpenAI, upstream: str, fault: str) -> None:
    """`response.failed` is an event, not an exception, in the SDK's raw iteration; it carries what was said."""
    events: list[Any] = list(client.responses.create(model=f"{upstream}/{fault}", input=HELLO, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert last.response.error.code
    assert last.response.error.message
    assert any(event.type == "response.output_text.delta" for event in events)
    assert last.response.model == f"{upstream}/{fault}"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_length_ends_as_incomplete(client: OpenAI, upstream: str) -> None:
    long = " ".join(["word"] * 100)
    plain = client.responses.create(model=f"{upstream}/chat", input=long, max_output_tokens=16)
    *_, last = client.responses.create(model=f"{upstream}/chat", input=long, max_output_tokens=16, stream=True)
    assert last.type == "response.incomplete"
    for response in (plain, last.response):
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_tokens_are_counted(client: OpenAI, upstream: str) -> None:
    raw = client.responses.input_tokens.with_raw_response.count(
        model=f"{upstream}/chat", input=HELLO, tools=TOOLS, instructions="Be kind."
    )
    assert raw.parse().input_tokens > 10
    assert (raw.headers.get("x-nexusflow-estimated") == "tokens") == (upstream == "chat")


def test_a_model_is_offered_over_its_own_protocols_alone(client: OpenAI) -> None:
    assert client.responses.create(model="responses/only", input=HELLO).output_text == SAID
    for upstream in ("chat", "messages", "gemini"):
        with pytest.raises(openai.NotFoundError, match=PROTOCOLS[upstream]):
            client.responses.create(model=f"{upstream}/only", input=HELLO)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.responses.create(model="no/such", input=HELLO)


# ---- what is stored


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_conversation_goes_on_by_id(client: OpenAI, bridged: Bridged, upstream: str, streams: bool) -> None:
    asked: dict[str, Any] = {"model": f"{upstream}/chat"}

    def respond(**more: Any) -> Any:
        if not streams:
            return client.responses.create(**asked, **more)
        with client.responses.stream(**asked, **more) as stream:
            return stream.get_final_response()

    first = respond(input="The first thing.", instructions="Be kind.")
    second = respond(input="The second thing.", previous_response_id=first.id)
    third = respond(input="The third thing.", previous_response_id=second.id)
    sent = json.dumps(bridged.last()["body"])
    places = [sent.index(f"The {number} thing.") for number in ("first", "second", "third")]
    assert places == sorted(places)
    assert "Be kind." not in sent
    assert third.previous_response_id == second.id
    assert client.responses.retrieve(second.id).output_text == second.output_text
    items = list(client.responses.input_items.list(third.id, order="asc"))
    roles = [item.role for item in items if item.type == "message"]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


def test_what_is_stored_is_its_owners_alone(client: OpenAI, stranger: OpenAI) -> None:
    mine = client.responses.create(model="gemini/chat", input=HELLO)
    for ask in (
        lambda: stranger.responses.retrieve(mine.id),
        lambda: stranger.responses.delete(mine.id),
        lambda: stranger.responses.input_items.list(mine.id),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    with pytest.raises(openai.BadRequestError) as caught:
        stranger.responses.create(model="gemini/chat", input="more", previous_response_id=mine.id)
    assert caught.value.code == "previous_response_not_found"
    assert client.responses.retrieve(mine.id).id == mine.id


def test_two_customers_who_say_the_same(client: OpenAI, stranger: OpenAI) -> None:
    """The provider gives both the same id, since it is simulated; either goes on from its own."""
    asked: dict[str, Any] = {"model": "responses/chat", "input": "Said by two"}
    first, second = client.responses.create(**asked), stranger.responses.create(**asked)
    assert first.id == second.id
    client.responses.delete(first.id)
    more = stranger.responses.create(model="messages/chat", input="And?", previous_response_id=second.id)
    assert "And?" in more.output_text


def test_what_is_deleted_or_not_stored_is_not_there(client: OpenAI) -> None:
    kept = client.responses.create(model="messages/chat", input=HELLO)
    loose = client.responses.create(model="messages/chat", input=HELLO, store=False)
    client.responses.delete(kept.id)
    for id_ in (kept.id, loose.id, "resp_none"):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(id_)
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="messages/chat", input="more", previous_response_id=id_)
        assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_a_stream_that_failed_is_not_stored(client: OpenAI) -> None:
    *_, last = client.responses.create(model="gemini/cut", input=HELLO, stream=True)
    assert last.type == "response.failed"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gemini/chat", input="more", previous_response_id=last.response.id)


def test_a_conversation_may_change_its_model(client: OpenAI, bridged: Bridged) -> None:
    first = client.responses.create(model="messages/chat", input=BOTH, tools=TOOLS)
    outputs: Any = [item for item in answered(first) if item["type"] == "function_call_output"]
    second = client.responses.create(model="gemini/chat", input=outputs, previous_response_id=first.id, tools=TOOLS)
    assert "get_weather is done" in second.output_text
    third = client.responses.create(model="responses/chat", input="And?", previous_response_id=second.id)
    assert "And?" in third.output_text
    assert "previous_response_id" not in bridged.last()["body"]


@pytest.mark.parametrize("stored", [False, True], ids=["sent", "stored"])
@pytest.mark.parametrize("made", UPSTREAMS)
def test_T94_state_of_one_provider_does_not_go_to_another(
    client: OpenAI, bridged: Bridged, made: str, stored: bool
) -> None:
    asked: dict[str, Any] = {"tools": TOOLS, "reasoning": {"effort": "high"}, "store": stored, "include": ENCRYPTED}
    first = client.responses.create(model=f"{made}/thinker", input=BOTH, **asked)
    for used in UPSTREAMS:
        if used != made:
            items: Any = answered(first)
            if stored:
                outputs = [item for item in items if item["type"] == "function_call_output"]
                more: dict[str, Any] = {"input": outputs, "previous_response_id": first.id}
            else:
                more = {"input": [{"role": "user", "content": BOTH}, *items]}
            second = client.responses.create(model=f"{used}/thinker", **more, **asked)
            assert "get_time is done" in second.output_text
            assert STATE not in json.dumps(bridged.last()["body"])


# ---- what is lost on the way


def test_losses_are_named_or_refuse_the_call(client: OpenAI) -> None:
    create, asked = client.responses.with_raw_response.create, dict[str, Any](input=HELLO, prompt_cache_key="k")
    warned = create(model="gemini/chat", **asked)
    assert "prompt_cache_key" in warned.headers["x-nexusflow-warnings"]
    assert "x-nexusflow-warnings" not in create(model="responses/chat", **asked).headers
    assert "x-nexusflow-warnings" not in create(model="gemini/allow", **asked).headers
    for name, strict in (("gemini/chat", "true"), ("gemini/reject", "false"), ("gemini/allow", "true")):
        with pytest.raises(openai.BadRequestError, match="prompt_cache_key"):
            create(model=name, **asked, extra_headers={"x-nexusflow-strict": strict})
