"""The simulated provider by itself: the official OpenAI SDK against it, and every fault at the socket."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from nexusflow.simulator.models import HUGE_BYTES, MODELS
from nexusflow.testing.simulator import forget, received, running_simulator
from tests.support import sse

HELLO: list[Any] = [{"role": "user", "content": "Hello wörld 漢字"}]
SAID = "[simulated] You said: Hello wörld 漢字."
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SOON = 20.0


def tool(name: str, argument: str) -> Any:
    """A function tool with one text argument."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER, CLOCK = tool("get_weather", "city"), tool("get_time", "zone")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_simulator() as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:
        yield client


# ---- the official SDK


def test_plain_chat_repeats_itself(client: OpenAI) -> None:
    first, second = (client.chat.completions.create(model="chat", messages=HELLO) for _ in range(2))
    assert first.id == second.id
    assert first.choices == second.choices
    assert first.choices[0].message.content == SAID
    assert first.usage is not None
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens


def test_a_stream_says_what_the_plain_answer_says(client: OpenAI) -> None:
    options: Any = {"include_usage": True}
    asked: dict[str, Any] = {"model": "chat", "messages": HELLO}
    *chunks, last = client.chat.completions.create(**asked, stream=True, stream_options=options)
    plain = client.chat.completions.create(**asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    assert last.usage == plain.usage
    assert last.id == plain.id


def test_the_accumulating_helper_and_two_choices(client: OpenAI) -> None:
    with client.chat.completions.stream(model="chat", messages=HELLO, n=2) as stream:
        final = stream.get_final_completion()
    plain = client.chat.completions.create(model="chat", messages=HELLO, n=2)
    assert [choice.message.content for choice in final.choices] == [choice.message.content for choice in plain.choices]
    assert len({choice.message.content for choice in final.choices}) == 2


def test_tools_one_several_and_streamed(client: OpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "Weather and time, in parallel"}]
    asked: dict[str, Any] = {"model": "chat", "messages": question, "tools": [WEATHER, CLOCK]}
    plain = client.chat.completions.create(**asked).choices[0]
    with client.chat.completions.stream(**asked) as stream:
        final = stream.get_final_completion().choices[0]
    assert plain.finish_reason == final.finish_reason == "tool_calls"
    calls = [(call.id, call.function.name, call.function.arguments) for call in final.message.tool_calls or []]
    assert [name for _, name, _ in calls] == ["get_weather", "get_time"]
    assert [set(json.loads(arguments)) for _, _, arguments in calls] == [{"city"}, {"zone"}]
    dumped = [call.model_dump() for call in plain.message.tool_calls or []]
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in dumped] == calls
    single = client.chat.completions.create(**asked, parallel_tool_calls=False)
    assert len(single.choices[0].message.tool_calls or []) == 1


def test_structured_output_is_parsed(client: OpenAI) -> None:
    class Person(BaseModel):
        name: str
        friends: list["Person"]
        age: int | None

    answer = client.chat.completions.parse(model="chat", messages=HELLO, response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_images_are_described(client: OpenAI) -> None:
    parts: list[Any] = [{"type": "text", "text": "See?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": parts}])
    assert "1 image: image/png of 8 bytes" in (answer.choices[0].message.content or "")


def test_reasoning_comes_first_and_is_counted(client: OpenAI) -> None:
    plain = client.chat.completions.create(model="reasoning", messages=HELLO)
    assert plain.usage is not None
    assert plain.usage.completion_tokens_details is not None
    reasoning = plain.usage.completion_tokens_details.reasoning_tokens or 0
    assert 0 < reasoning < plain.usage.completion_tokens
    deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(
        model="reasoning", messages=HELLO, stream=True
    )]  # fmt: skip
    thought = [bool(getattr(delta, "reasoning_content", None)) for delta in deltas]
    assert sum(thought) == reasoning
    assert not any(delta.content for delta in deltas[: thought.index(True) + reasoning])
    silent = client.chat.completions.create(model="reasoning", messages=HELLO, reasoning_effort="none")
    assert silent.usage is not None
    assert silent.usage.completion_tokens == plain.usage.completion_tokens - reasoning


def test_models_are_listed_and_others_are_not_found(client: OpenAI) -> None:
    assert {model.id for model in client.models.list()} == set(MODELS)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="no option 'pace'"):
        client.chat.completions.create(model="chat@pace=1", messages=HELLO)
    wrong: Any = [{"role": "user", "content": 7}]
    with pytest.raises(openai.BadRequestError, match=r"messages\[0\]\.content"):
        client.chat.completions.create(model="chat", messages=wrong)


def test_many_streams_at_once(client: OpenAI) -> None:
    """100 streams are open at the same time: each has begun before any may end."""
    everyone = threading.Barrier(100, timeout=60)

    def read(number: int) -> str:
        text = ""
        messages: Any = [{"role": "user", "content": f"number {number}"}]
        with OpenAI(base_url=client.base_url, api_key="any", max_retries=0) as own:
            stream = own.chat.completions.create(model="chat@events=20,delay=1", messages=messages, stream=True)
            next(stream)
            everyone.wait()
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        return text

    with ThreadPoolExecutor(100) as pool:
        texts = list(pool.map(read, range(100)))
    assert [text[:30] for text in texts] == [f"[simulated] You said: number {number}."[:30] for number in range(100)]


# ---- the socket


class Raw:
    """One connection, read to its end: `data` is what came, `ended` is closed, reset or silent."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=SOON)
        self.data = b""

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, model: str, *, stream: bool = True, **more: Any) -> None:
        body = json.dumps({"model": model, "messages": HELLO, "stream": stream, **more}).encode()
        self.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    def read_until(self, mark: bytes) -> None:
        """Read up to `mark` or beyond."""
        while mark not in self.data:
            got = self.socket.recv(65536)
            assert got, self.data
            self.data += got

    def read_to_end(self) -> str:
        """How the connection ended."""
        try:
            while got := self.socket.recv(1 << 20):
                self.data += got
        except ConnectionResetError:
            return "reset"
        return "closed"

    def read_answer(self) -> bytes:
        """The body of one whole chunked answer."""
        self.read_until(b"\r\n0\r\n\r\n")
        return self.body()

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode()

    def body(self) -> bytes:
        """The body, unchunked as far as it goes."""
        head, _, rest = self.data.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head:
            return rest
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return body


def answer(address: str, model: str, *, stream: bool = True, **more: Any) -> tuple[str, bytes]:
    """The head and body of one whole answer on a connection of its own."""
    with Raw(address) as raw:
        raw.ask(model, stream=stream, **more)
        raw.read_until(b"\r\n\r\n")
        if "chunked" in raw.head:
            return raw.head, raw.read_answer()
        length = next(line for line in raw.head.splitlines() if line.startswith("content-length"))
        total = len(raw.data.partition(b"\r\n\r\n")[0]) + 4 + int(length.partition(":")[2])
        while len(raw.data) < total:
            raw.data += raw.socket.recv(65536)
        return raw.head, raw.body()


def said(body: bytes) -> str:
    """The text of the content deltas of a stream."""
    chunks = [event for event in sse.events(body) if event != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


def text_of(body: bytes, stream: bool) -> str:
    """The text of a stream or of a plain answer."""
    if stream:
        return said(body)
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


REFUSALS = {"429": 429, "401": 401, "404": 404, "400": 400, "500": 500, "503": 503}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", REFUSALS)
def test_U20_to_U26_refusals(address: str, fault: str, stream: bool) -> None:
    head, body = answer(address, f"fault-{fault}", stream=stream)
    assert head.startswith(f"HTTP/1.1 {REFUSALS[fault]} ")
    assert "x-simulated: true" in head
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert ("retry-after: 7" in head) == (fault == "429")


def test_U21_retry_after_takes_any_value(address: str) -> None:
    assert "retry-after: soon" in answer(address, "fault-429@retry=soon")[0]
    assert "retry-after: -1" in answer(address, "fault-429@retry=-1")[0]
    assert " GMT" in answer(address, "fault-429@retry=date")[0]


def test_U26_a_full_context_has_its_code(address: str) -> None:
    assert json.loads(answer(address, "fault-400")[1])["error"]["code"] == "context_length_exceeded"


def test_U15_U16_U17_U29_answers_of_another_kind(address: str) -> None:
    head, body = answer(address, "fault-html")
    assert "content-type: text/html" in head
    assert body.startswith(b"<html>")
    head, body = answer(address, "fault-error-200")
    assert head.startswith("HTTP/1.1 200")
    assert "application/json" in head
    assert json.loads(body)["error"]["code"] == "overloaded"
    head, _ = answer(address, "fault-redirect@status=308")
    assert head.startswith("HTTP/1.1 308")
    assert "location: http://elsewhere.invalid/" in head
    assert [set(event) for event in sse.events(answer(address, "fault-error-first")[1])] == [{"error"}]


def test_U08_truncate_ends_cleanly_without_a_finish(address: str) -> None:
    _, body = answer(address, "fault-truncate@after=2")
    events = sse.events(body)
    assert len(events) == 3
    assert said(body) == "[simulated"
    assert all(event["choices"][0]["finish_reason"] is None for event in events)
    _, body = answer(address, "fault-truncate", stream=False)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_U09_no_done_is_complete_but_for_done(address: str) -> None:
    events = sse.events(answer(address, "fault-no-done", stream_options={"include_usage": True})[1])
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["total_tokens"] > 0
    assert "[DONE]" not in events


@pytest.mark.parametrize(("fault", "ending"), [("cut", "closed"), ("reset", "reset")])
def test_U10_cut_and_reset_end_within_an_event(address: str, fault: str, ending: str) -> None:
    with Raw(address) as raw:
        raw.ask(f"fault-{fault}")
        assert raw.read_to_end() == ending
        assert said(raw.body()) == "[simulated]"
        assert not raw.data.endswith(b"\r\n")
        assert not raw.body().endswith(b"\n")
    with Raw(address) as raw:
        raw.ask(f"fault-{fault}", stream=False)
        assert raw.read_to_end() == ending
        assert 0 < len(raw.body()) < int(raw.head.partition("content-length: ")[2].split()[0])


STRIKES = {
    "cut": b'data: {"id"',
    "reset": b'data: {"id"',
    "truncate": b"\r\n0\r\n\r\n",
    "stall": b"",
    "error-event": b'data: {"error":',
    "malformed": b'"half\n\n',
}


@pytest.mark.parametrize("fault", STRIKES)
def test_faults_in_the_middle_strike_short_replies_before_they_finish(address: str, fault: str) -> None:
    """A reply of one delta, shorter than what usually goes before the fault."""
    with Raw(address) as raw:
        raw.ask(f"fault-{fault}", max_tokens=1)
        raw.read_until(b'"content":"["}')
        raw.read_until(STRIKES[fault])
        raw.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            raw.read_to_end()
        _, mark, after = raw.data.partition(b'"content":"["}')
        assert mark
        assert STRIKES[fault] in after
        finish = after.find(b'"finish_reason":"length"')
        assert finish == -1 or (fault == "malformed" and after.index(STRIKES[fault]) < finish)


QUIET = 0.4


def is_silent(raw: Raw) -> bool:
    """Whether nothing comes, not even an end. The faults asked this last an hour."""
    raw.socket.settimeout(QUIET)
    try:
        raw.read_to_end()
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("stream", [False, True])
def test_U07_stall_is_silent_then_goes_on(address: str, stream: bool) -> None:
    with Raw(address) as raw:
        raw.ask("fault-stall@seconds=3600", stream=stream)
        assert is_silent(raw)
        assert raw.body()
        assert b'"finish_reason":"stop"' not in raw.data
    assert text_of(answer(address, "fault-stall@seconds=0.1", stream=stream)[1], stream) == SAID


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "first"), [("slow", ""), ("hang", "HTTP/1.1 200 OK")])
def test_U05_U06_silence_before_the_first_event(address: str, fault: str, first: str, stream: bool) -> None:
    with Raw(address) as raw:
        raw.ask(f"fault-{fault}@seconds=3600", stream=stream)
        assert is_silent(raw)
        assert raw.head.partition("\r\n")[0] == first
        assert not raw.body()
    assert text_of(answer(address, f"fault-{fault}@seconds=0.1", stream=stream)[1], stream) == SAID


def test_U11_U12_malformed(address: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer(address, "fault-malformed", stream=False)[1])
    found = sse.data_of(answer(address, "fault-malformed")[1])
    broken = [at for at, data in enumerate(found) if data != "[DONE]" and not data.endswith("}")]
    assert broken == [4]
    assert found[-1] == "[DONE]"


def test_U13_framing_changes_no_content(address: str) -> None:
    _, body = answer(address, "fault-framing@comments=2000", stream_options={"include_usage": True})
    _, good = answer(address, "chat", stream_options={"include_usage": True})
    assert body.startswith(b"\xef\xbb\xbf")
    assert b"\n" not in body
    assert body.count(b"\r: comment") > 2000
    assert said(body) == said(good) == SAID
    spoken = [event if event == "[DONE]" else (event["choices"], event["usage"]) for event in sse.events(body)]
    assert spoken == [event if event == "[DONE]" else (event["choices"], event["usage"]) for event in sse.events(good)]
    assert json.loads(answer(address, "fault-framing", stream=False)[1])["choices"][0]["message"]["content"] == SAID


def test_U14_huge_event(address: str) -> None:
    _, body = answer(address, "fault-huge-event")
    assert max(map(len, sse.data_of(body))) > HUGE_BYTES > 8 * 1024 * 1024
    assert len(said(body).encode()) == HUGE_BYTES


def test_U18_error_event_after_content_ends_the_stream(address: str) -> None:
    *before, last = sse.events(answer(address, "fault-error-event")[1])
    assert (last["error"]["type"], last["error"]["code"]) == ("server_error", "overloaded")
    assert [event["choices"][0]["delta"]["content"] for event in before] == ["", "[", "simulated", "]"]


def test_U27_stale_closes_the_kept_connection(address: str) -> None:
    for stream in (False, True):
        with Raw(address) as raw:
            raw.ask("fault-stale", stream=stream)
            assert raw.read_to_end() == "closed"
            assert "connection: close" not in raw.head
            assert b'"finish_reason":"stop"' in raw.data
    with Raw(address) as raw:
        for _ in range(3):
            raw.data = b""
            raw.ask("chat")
            assert said(raw.read_answer()) == SAID


def usages(address: str, model: str) -> list[Any]:
    """The usage of the plain answer, then of each chunk that has one."""
    plain = json.loads(answer(address, model, stream=False)[1])
    chunks = sse.events(answer(address, model, stream_options={"include_usage": True})[1])[:-1]
    return [plain.get("usage", "none"), *(chunk["usage"] for chunk in chunks if chunk.get("usage"))]


def test_U30_to_U33_usage(address: str) -> None:
    good = usages(address, "chat")[0]
    assert usages(address, "chat") == [good, good]
    assert usages(address, "fault-no-usage") == ["none"]
    assert [one["prompt_tokens"] for one in usages(address, "fault-bad-usage")] == [-5, -5]
    assert usages(address, "fault-bad-usage@kind=absurd")[1]["completion_tokens"] == 10**12
    assert usages(address, "fault-zero-usage")[1]["total_tokens"] == 0
    plain, *repeated = usages(address, "fault-repeated-usage")
    totals = [one["total_tokens"] for one in repeated]
    assert len(totals) > 5
    assert totals == sorted(totals)
    assert plain == repeated[-1] == good


def test_U34_U35_no_output_and_another_model(address: str) -> None:
    assert json.loads(answer(address, "fault-empty", stream=False)[1])["choices"] == []
    assert sse.events(answer(address, "fault-empty")[1]) == ["[DONE]"]
    *events, _ = sse.events(answer(address, "fault-other-model")[1])
    assert {event["model"] for event in events} == {"another-model-entirely"}
    assert json.loads(answer(address, "fault-other-model", stream=False)[1])["model"] == "another-model-entirely"


def test_chunked_and_announced_bodies_pipelining_and_nonsense(address: str) -> None:
    body = json.dumps({"model": "chat", "messages": HELLO}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
    with Raw(address) as raw:
        raw.send(head + b"transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")
        raw.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw.data = b""
        for at in range(0, len(body), 7):
            raw.send(b"%x;x=y\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]))
        raw.send(b"0\r\ntrailer: a\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert raw.read_to_end() == "closed"
        assert SAID.encode() in raw.data
        assert raw.data.count(b"HTTP/1.1 200 OK") == 2
    for nonsense, status in ((b"hello\r\n\r\n", 400), (head + b"content-length: -1\r\n\r\n", 400)):
        with Raw(address) as raw:
            raw.send(nonsense)
            assert raw.read_to_end() == "closed"
            assert raw.head.startswith(f"HTTP/1.1 {status} ")
    with Raw(address) as raw:
        raw.send(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000)
        raw.read_until(b"HTTP/1.1 431 ")


# ---- what it saw


def wait_until_left(address: str) -> dict[str, Any]:
    """The last request, once its client is known to have left."""
    deadline = time.monotonic() + SOON
    while (seen := received(address)[-1])["ended"] == "open" and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen


def test_requests_are_remembered_with_their_secrets_shortened(address: str, client: OpenAI) -> None:
    forget(address)
    with OpenAI(base_url=client.base_url, api_key="sk-very-secret-1234", max_retries=0) as own:
        own.chat.completions.create(model="chat", messages=HELLO)
        own.models.list()
    chat, models = received(address)
    assert (chat["method"], chat["path"], chat["ended"]) == ("POST", "/v1/chat/completions", "complete")
    assert chat["headers"]["authorization"] == "...1234"
    assert chat["body"] == {"messages": HELLO, "model": "chat"}
    assert models["connection"] == chat["connection"]
    assert (models["path"], models["body"]) == ("/v1/models", None)


@pytest.mark.parametrize(
    "model", ["fault-slow", "fault-hang", "fault-stall", "chat@delay=200,events=500", "chat@ttfb=90000"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_noticed(address: str, model: str, stream: bool) -> None:
    if not stream and model.startswith("chat@delay"):
        model = "fault-slow@seconds=60"
    forget(address)
    with Raw(address) as raw:
        raw.ask(model, stream=stream)
        deadline = time.monotonic() + SOON
        while not received(address) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert received(address)[-1]["ended"] == "open"
    seen = wait_until_left(address)
    assert seen["ended"] == "client_left"
    assert 0 < seen["seconds"] < SOON


def test_a_client_that_stops_reading_holds_its_stream_back(address: str) -> None:
    """No buffer without end: a stream nobody reads stays open until the client leaves."""
    forget(address)
    with Raw(address) as raw:
        raw.ask("chat@size=60000000,events=600")
        raw.read_until(b"\r\n\r\n")
        assert received(address)[-1]["ended"] == "open"
    assert wait_until_left(address)["ended"] == "client_left"


# ---- the commands


def test_the_command_refuses_public_addresses_and_taken_ports(address: str) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-P", "-m", "nexusflow", "simulate", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    public = run("--host", "0.0.0.0", "--port", "0")
    assert (public.returncode, "--allow-public" in public.stderr) == (2, True)
    taken = run("--port", str(urlsplit(address).port))
    assert taken.returncode == 1
    assert taken.stderr.startswith("error: cannot listen on 127.0.0.1:")
    listed = run("--models").stdout
    assert all(name in listed for name in MODELS)
