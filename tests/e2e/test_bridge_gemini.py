"""Google's own SDK over generateContent, against providers of each of the four protocols."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.support.bridge_gateway import (
    BROKEN_OFF,
    FAILURES,
    HELLO,
    PIXEL,
    PROTOCOLS,
    SAID,
    STATE,
    THOUGHT,
    UPSTREAMS,
    Bridged,
    models,
)

BOTH = "get_weather and get_time, in parallel"


def tool(name: str, argument: str) -> types.FunctionDeclaration:
    """A function with one text argument."""
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return types.FunctionDeclaration(name=name, description=name, parameters_json_schema=schema)


TOOLS: list[Any] = [types.Tool(function_declarations=[tool("get_weather", "city"), tool("get_time", "zone")])]
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.HIGH)


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


def connect(bridged: Bridged, key: str, version: str | None = None) -> genai.Client:
    """The SDK; version 3 asks under /v1, older ones and Node's under /v1beta."""
    options = types.HttpOptions(base_url=bridged.gateway.url, api_version=version)
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture(scope="module")
def client(bridged: Bridged) -> Iterator[genai.Client]:
    with connect(bridged, bridged.gateway.key) as client:
        yield client


def ask(client: genai.Client, streams: bool, model: str, contents: Any, **config: Any) -> types.Content:
    """The model's turn, with the parts of a stream in a row as a caller would keep them."""
    wanted = types.GenerateContentConfig(**config)
    if not streams:
        answer = client.models.generate_content(model=model, contents=contents, config=wanted)
        assert answer.candidates
        assert answer.candidates[0].content
        return answer.candidates[0].content
    parts: list[types.Part] = []
    for chunk in client.models.generate_content_stream(model=model, contents=contents, config=wanted):
        for candidate in chunk.candidates or ():
            parts += (candidate.content.parts if candidate.content else None) or []
    return types.Content(role="model", parts=parts)


def text_of(turn: types.Content) -> str:
    """The text of a turn that is no thought."""
    return "".join(part.text or "" for part in turn.parts or () if not part.thought)


def user(text: str) -> types.Content:
    """A user's turn."""
    return types.Content(role="user", parts=[types.Part(text=text)])


def results(turn: types.Content) -> types.Content:
    """A result for each of the turn's calls."""
    calls = [part.function_call for part in turn.parts or () if part.function_call]
    parts = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": f"{call.name} is done"}
            )
        )
        for call in calls
    ]
    return types.Content(role="user", parts=parts)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_plain_and_streamed_answers_say_the_same(client: genai.Client, upstream: str) -> None:
    name = f"{upstream}/chat"
    plain = client.models.generate_content(model=name, contents=HELLO)
    chunks = list(client.models.generate_content_stream(model=name, contents=HELLO))
    assert (plain.text, plain.model_version) == (SAID, name)
    assert "".join(chunk.text or "" for chunk in chunks) == SAID
    assert len(chunks) > 2
    assert {chunk.model_version for chunk in chunks} == {name}
    assert len({chunk.response_id for chunk in chunks}) == 1
    reasons = [candidate.finish_reason for chunk in chunks for candidate in chunk.candidates or ()]
    assert [reason for reason in reasons if reason] == [types.FinishReason.STOP]
    usage, streamed = plain.usage_metadata, chunks[-1].usage_metadata
    assert usage is not None
    assert streamed is not None
    assert (usage.prompt_token_count or 0) > 0
    assert (streamed.prompt_token_count, streamed.total_token_count) == (
        usage.prompt_token_count,
        usage.total_token_count,
    )


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_chats_keep_their_history(bridged: Bridged, upstream: str, version: str) -> None:
    """The SDK's own chat, at the addresses of its new and its old versions."""
    with connect(bridged, bridged.gateway.key, version) as client:
        chat = client.chats.create(model=f"{upstream}/chat")
        assert chat.send_message("The first thing.").text == "[simulated] You said: The first thing.."
        streamed = "".join(chunk.text or "" for chunk in chat.send_message_stream("The second thing."))
        assert streamed == "[simulated] You said: The second thing.."
        chat.send_message("The third thing.")
    sent = json.dumps(bridged.last()["body"])
    places = [sent.index(f"The {number} thing.") for number in ("first", "second", "third")]
    assert places == sorted(places)


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T26_parallel_tools_in_two_turns(client: genai.Client, upstream: str, streams: bool) -> None:
    model = f"{upstream}/chat"
    first = ask(client, streams, model, BOTH, tools=TOOLS)
    calls = [part.function_call for part in first.parts or () if part.function_call]
    assert [(call.name, set(call.args or {})) for call in calls] == [("get_weather", {"city"}), ("get_time", {"zone"})]
    second = ask(client, streams, model, [user(BOTH), first, results(first)], tools=TOOLS)
    assert "get_weather is done" in text_of(second)
    assert "get_time is done" in text_of(second)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_sdk_calls_python_functions_itself(client: genai.Client, upstream: str) -> None:
    seen: list[str] = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        seen.append(city)
        return "sunny and warm"

    config = types.GenerateContentConfig(tools=[get_weather])
    answer = client.models.generate_content(model=f"{upstream}/chat", contents="Weather?", config=config)
    assert len(seen) == 1
    assert "sunny and warm" in (answer.text or "")


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_choosing_tools(client: genai.Client, upstream: str) -> None:
    def choose(mode: Any, *names: str) -> types.Content:
        calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=list(names) or None)
        config = types.ToolConfig(function_calling_config=calling)
        return ask(client, False, f"{upstream}/chat", BOTH, tools=TOOLS, tool_config=config)

    assert text_of(choose("NONE"))
    named = [part.function_call.name for part in choose("ANY", "get_time").parts or () if part.function_call]
    assert named == ["get_time"]


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_images_are_seen(client: genai.Client, upstream: str) -> None:
    """The SDK sends URL-safe base64."""
    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    turn = ask(client, False, f"{upstream}/chat", ["See?", image])
    assert "1 image: image/png of 70 bytes" in text_of(turn)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_structured_output_is_parsed(client: genai.Client, upstream: str) -> None:
    for schema in ({"response_schema": City}, {"response_json_schema": City.model_json_schema()}):
        config = types.GenerateContentConfig(response_mime_type="application/json", **schema)
        answer = client.models.generate_content(model=f"{upstream}/chat", contents=HELLO, config=config)
        assert set(json.loads(answer.text or "")) == {"name", "people"}
        assert isinstance(answer.parsed, City | dict)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_system_instructions(client: genai.Client, bridged: Bridged, upstream: str) -> None:
    ask(client, False, f"{upstream}/chat", HELLO, system_instruction="Be kind.")
    assert json.dumps(bridged.last()["body"]).count("Be kind.") == 1


@pytest.mark.parametrize("tools", [None, TOOLS], ids=["text", "tools"])
@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_signatures_come_back(
    client: genai.Client, bridged: Bridged, upstream: str, streams: bool, tools: list[Any] | None
) -> None:
    """Thoughts are told, and the provider gets its own state in the second turn."""
    model, config = f"{upstream}/thinker", {"tools": tools, "thinking_config": THINKING}
    first = ask(client, streams, model, BOTH, **config)
    assert "".join(part.text or "" for part in first.parts or () if part.thought) == THOUGHT
    following = results(first) if tools else user("And?")
    second = ask(client, streams, model, [user(BOTH), first, following], **config)
    assert ("get_time is done" if tools else "And?") in text_of(second)
    sent = json.dumps(bridged.last()["body"])
    assert (THOUGHT if upstream == "chat" else STATE) in sent


@pytest.mark.parametrize("made", UPSTREAMS)
def test_T94_state_of_one_provider_does_not_go_to_another(client: genai.Client, bridged: Bridged, made: str) -> None:
    config = {"tools": TOOLS, "thinking_config": THINKING}
    first = ask(client, False, f"{made}/thinker", BOTH, **config)
    for used in UPSTREAMS:
        if used != made:
            second = ask(client, False, f"{used}/thinker", [user(BOTH), first, results(first)], **config)
            assert "get_time is done" in text_of(second)
            assert STATE not in json.dumps(bridged.last()["body"])


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_providers_failure_is_the_sdks_own_exception(
    client: genai.Client, upstream: str, fault: str, streams: bool
) -> None:
    with pytest.raises(errors.APIError) as caught:
        ask(client, streams, f"{upstream}/{fault}", HELLO)
    error, status = caught.value, FAILURES[fault]
    assert (error.code, type(error)) == (status, errors.ClientError if status < 500 else errors.ServerError)
    words = {400: "INVALID_ARGUMENT", 413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 504: "DEADLINE_EXCEEDED"}
    assert error.status == words.get(status, "UNAVAILABLE")
    assert error.message
    assert "secret" not in error.message
    if status == 429:
        assert "retryDelay" in json.dumps(error.details)


@pytest.mark.parametrize("fault", BROKEN_OFF)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_T102_a_broken_stream_raises_after_what_was_said(client: genai.Client, upstream: str, fault: str) -> None:
    seen: list[Any] = []
    with pytest.raises(errors.APIError):
        seen.extend(client.models.generate_content_stream(model=f"{upstream}/{fault}", contents=HELLO))
    assert "".join(chunk.text or "" for chunk in seen)
    assert not any(candidate.finish_reason for chunk in seen for candidate in chunk.candidates or ())


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_odd_framing_is_not_seen_and_length_is(client: genai.Client, upstream: str) -> None:
    assert text_of(ask(client, True, f"{upstream}/framing", HELLO)) == SAID
    config = types.GenerateContentConfig(max_output_tokens=16)
    cut = client.models.generate_content(model=f"{upstream}/chat", contents="word " * 100, config=config)
    assert cut.candidates
    assert cut.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", ["refusing", "filtered"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_refusals_and_filters_end_as_such(client: genai.Client, upstream: str, name: str, streams: bool) -> None:
    """T32: the SDK only knows Google's own reasons."""
    models = client.models
    ask = models.generate_content_stream if streams else models.generate_content
    answer: Any = ask(model=f"{upstream}/{name}", contents=HELLO)
    last = list(answer)[-1] if streams else answer
    allowed = {types.FinishReason.SAFETY, types.FinishReason.PROHIBITED_CONTENT}
    refused = upstream in ("chat", "responses") and name == "refusing"
    assert last.candidates[0].finish_reason in (allowed | {types.FinishReason.STOP} if refused else allowed)


# ---- counting and embedding


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_tokens_are_counted(client: genai.Client, upstream: str) -> None:
    counted = client.models.count_tokens(model=f"{upstream}/chat", contents=HELLO)
    assert (counted.total_tokens or 0) > 1
    headers = dict(counted.sdk_http_response.headers or {}) if counted.sdk_http_response else {}
    assert (headers.get("x-nexusflow-estimated") == "tokens") == (upstream == "chat")


@pytest.mark.parametrize("upstream", ["chat", "responses", "gemini"])
def test_embeddings(client: genai.Client, upstream: str) -> None:
    model, config = f"{upstream}/embedding", types.EmbedContentConfig(output_dimensionality=256)
    two = client.models.embed_content(model=model, contents=["one", "two words"])
    assert [len(one.values or ()) for one in two.embeddings or ()] == [1536, 1536]
    short = client.models.embed_content(model=model, contents="one", config=config)
    assert [len(one.values or ()) for one in short.embeddings or ()] == [256]


# ---- keys, addresses, what is not there


def post(bridged: Bridged, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """A request without an SDK."""
    address = urlsplit(bridged.gateway.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        body = json.dumps({"contents": [{"parts": [{"text": HELLO}]}]})
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("prefix", ["/v1/models/", "/v1beta/models/", "/v1beta/models/models/"])
@pytest.mark.parametrize("place", ["x-goog-api-key", "x-api-key", "authorization", "key"])
def test_credentials_in_every_place(bridged: Bridged, place: str, prefix: str) -> None:
    key = bridged.gateway.key
    headers = {} if place == "key" else {place: f"Bearer {key}" if place == "authorization" else key}
    query = f"?key={key}" if place == "key" else ""
    status, _, body = post(bridged, f"{prefix}messages%2Fchat:generateContent{query}", headers)
    assert status == 200, body
    assert json.loads(body)["candidates"][0]["content"]["parts"][0]["text"] == SAID
    assert key not in json.dumps(bridged.last())


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_stream_without_sse_is_one_json_array(bridged: Bridged, upstream: str) -> None:
    key = {"x-goog-api-key": bridged.gateway.key}
    for name, ended in (("chat", True), ("cut", False)):
        status, headers, body = post(bridged, f"/v1beta/models/{upstream}/{name}:streamGenerateContent", key)
        frames = json.loads(body)
        assert (status, headers["content-type"].partition(";")[0]) == (200, "application/json")
        said = "".join(
            part.get("text", "")
            for frame in frames
            for one in frame.get("candidates", ())
            for part in one["content"]["parts"]
        )
        assert said == SAID if ended else SAID.startswith(said)
        assert ("error" in frames[-1]) != ended


def test_a_wrong_key(bridged: Bridged) -> None:
    with connect(bridged, "sk-air-unknown") as stranger, pytest.raises(errors.ClientError) as caught:
        stranger.models.generate_content(model="chat/chat", contents=HELLO)
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    assert "API_KEY_INVALID" in json.dumps(caught.value.details)


def test_a_model_is_offered_over_its_own_protocols_alone(client: genai.Client) -> None:
    assert client.models.generate_content(model="gemini/only", contents=HELLO).text == SAID
    for upstream in ("chat", "responses", "messages"):
        with pytest.raises(errors.ClientError, match=PROTOCOLS[upstream]) as caught:
            client.models.generate_content(model=f"{upstream}/only", contents=HELLO)
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError, match="does not exist"):
        client.models.generate_content(model="no/such", contents=HELLO)
    with pytest.raises(errors.ClientError, match="offered"):
        client.models.embed_content(model="gemini/chat", contents="one")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_models_are_listed_in_pages(bridged: Bridged, version: str) -> None:
    with connect(bridged, bridged.gateway.key, version) as client:
        listed = [one.name for one in client.models.list(config={"page_size": 7})]
        assert {
            f"models/{name}" for name, one in models().items() if PROTOCOLS["gemini"] in one["supported_protocols"]
        } <= set(listed)
        assert len(listed) == len(set(listed))
        assert client.models.get(model="gemini-alias").name == "models/gemini/chat"
        with pytest.raises(errors.ClientError):
            client.models.get(model="no/such")


# ---- what is lost on the way


def test_losses_are_named_or_refuse_the_call(client: genai.Client) -> None:
    def headers(model: str, strict: str = "false") -> dict[str, str]:
        config = types.GenerateContentConfig(
            top_k=5, http_options=types.HttpOptions(headers={"x-nexusflow-strict": strict})
        )
        answer = client.models.generate_content(model=model, contents=HELLO, config=config)
        return dict((answer.sdk_http_response.headers if answer.sdk_http_response else None) or {})

    assert headers("chat/chat")["x-nexusflow-warnings"].startswith("dropped=generationConfig.topK")
    for name in ("messages/chat", "gemini/chat", "chat/allow"):
        assert "x-nexusflow-warnings" not in headers(name)
    for name, strict in (("chat/chat", "true"), ("chat/reject", "false"), ("chat/allow", "true")):
        with pytest.raises(errors.ClientError, match="topK"):
            headers(name, strict)
