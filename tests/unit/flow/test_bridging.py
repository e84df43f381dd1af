"""Joining two dialects: usage, signatures, losses, media, and which of OpenAI's interfaces is asked."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from nexusflow.flow import apis, media
from nexusflow.flow.bridge import Bridge, BridgeStream, refuse_losses, used_untranslated
from nexusflow.flow.losses import LossCount
from nexusflow.flow.served import join, respelled
from nexusflow.flow.signatures import Signatures
from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Data, Media, Opaque, Reasoning, Text, Tool, ToolCall, ToolResult, Turn, Url
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model
from nexusflow.ir.reply import Asked
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.protocols.openai_chat.wire import ChatRequest
from nexusflow.upstream.guard import NotFetched
from tests.support import sse

HELLO = Turn(role="user", parts=(Text(text="Hello"),), path="messages[0]")
SIGNATURE = Opaque("google/generate-content", "gemini", "c2ln")
CALL = ToolCall(id="call_1", name="f", arguments="{}")
CALLED = Turn(role="assistant", parts=(CALL,), path="messages[1]")


def call(**more: Any) -> ChatCall:
    return ChatCall(**{"origin": "openai/chat-completions", "model": "m", "turns": (HELLO,), **more})


def bridge(client: Any, upstream: Any, remember: Any = lambda *_: None) -> Bridge:
    to = Destination(model="gemini-x", family="gemini", capabilities=Capabilities())
    asked = Asked(call=call(origin=client), model="m", response_id="R", created=1)
    return Bridge(DIALECTS[client], DIALECTS[upstream], to, asked, Losses(), remember)


def chat_events(*deltas: dict[str, Any], usage: bool = False, end: bool = True) -> bytes:
    def chunk(**more: Any) -> bytes:
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x"}
        return b"data: " + json.dumps({**head, **more}).encode() + b"\n\n"

    frames = [chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if end:
        frames.append(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        if usage:
            frames.append(chunk(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}))
        frames.append(b"data: [DONE]\n\n")
    return b"".join(frames)


def anthropic_stream() -> BridgeStream:
    return bridge("anthropic/messages", "openai/chat-completions").stream()


def test_reported_usage_is_kept_and_sent() -> None:
    tap = anthropic_stream()
    frames = tap.feed(chat_events({"content": "Hi"}, usage=True))
    assert tap.done
    assert b'"output_tokens":7' in frames
    used = tap.usage()
    assert used is not None
    assert (used.total_input, used.total_output, used.source) == (5, 7, "reported")


def test_usage_that_nobody_reported_is_estimated_and_says_so() -> None:
    tap = anthropic_stream()
    frames = tap.feed(chat_events({"content": "abcdef"}))
    used = tap.usage()
    assert used is not None
    assert (used.total_output, used.source) == (2, "estimated")
    assert b'"output_tokens":2' in frames


def test_T48_a_stream_that_is_left_early_has_partial_usage() -> None:
    """What came until the client left is on the record, and not zero."""
    tap = anthropic_stream()
    tap.feed(chat_events({"content": "abcdefghi"}, end=False))
    used = tap.usage()
    assert used is not None
    assert used.total_output == 3
    assert used.source == "estimated"


def test_a_cut_stream_fails_in_the_clients_form() -> None:
    tap = anthropic_stream()
    tap.feed(chat_events({"content": "abc"}, end=False))
    assert tap.close() == b""
    assert tap.problem is not None
    assert not tap.done
    assert tap.failure(tap.problem).startswith(b"event: error\n")


def test_an_estimate_fills_in_for_a_unary_answer_without_usage() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "abcdef"}, "finish_reason": "stop"}
    body = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [choice]})
    written, used = bridge("anthropic/messages", "openai/chat-completions").reply(body.encode())
    assert json.loads(written)["usage"]["output_tokens"] == 2
    assert used.source == "estimated"


UNTRANSLATED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "openai/chat-completions": (
        {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "abcdef"}, "finish_reason": "stop"}]},
        {"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}},
    ),
    "openai/responses": (
        {"model": "m", "input": "Hello"},
        {
            "id": "r",
            "status": "completed",
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "abcdef"}]}
            ],
        },
        {"usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}},
    ),
    "anthropic/messages": (
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "abcdef"}], "stop_reason": "end_turn"},
        {"usage": {"input_tokens": 5, "output_tokens": 7}},
    ),
    "google/generate-content": (
        {"contents": [{"parts": [{"text": "Hello"}]}]},
        {"candidates": [{"content": {"parts": [{"text": "abcdef"}]}, "finishReason": "STOP"}]},
        {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}},
    ),
}
"""By protocol: a request, an answer to it, and what the answer may report to have used."""


@pytest.mark.parametrize("protocol", UNTRANSLATED)
def test_usage_of_bytes_that_passed_through_is_reported_or_estimated(protocol: Any) -> None:
    asked, answer, report = (json.dumps(one).encode() for one in UNTRANSLATED[protocol])
    to = Destination(model="m", family="m", capabilities=Capabilities())

    def used(asked: bytes, answer: bytes) -> tuple[int, int, str]:
        found = used_untranslated(DIALECTS[protocol], to, asked, "m", answer)
        return found.total_input, found.total_output, found.source

    assert used(asked, answer[:-1] + b"," + report[1:]) == (5, 7, "reported")
    assert used(b"nobody reads it", answer[:-1] + b"," + report[1:]) == (5, 7, "reported")
    tokens_in, tokens_out, source = used(asked, answer)
    assert 5 < tokens_in < 30
    assert (tokens_out, source) == (2, "estimated")
    assert used(b"[" + asked + b"]", answer)[1:] == (2, "estimated")  # of a form that only its vendor reads


class TestSignatures:
    """T87: clients that drop unknown fields."""

    def test_T87_a_call_gets_its_signature_back(self) -> None:
        store = Signatures()
        store.remember("key", CALL, SIGNATURE)
        (_, restored) = store.restore("key", call(turns=(HELLO, CALLED))).turns
        assert isinstance(restored.parts[0], ToolCall)
        assert restored.parts[0].signature == SIGNATURE

    def test_another_tenant_never_sees_it(self) -> None:
        store = Signatures()
        store.remember("key", CALL, SIGNATURE)
        asked = call(turns=(HELLO, CALLED))
        assert store.restore("other", asked).turns[1] == CALLED

    def test_what_the_client_sent_wins(self) -> None:
        store = Signatures()
        store.remember("key", CALL, SIGNATURE)
        own = msgspec.structs.replace(SIGNATURE, payload="own")
        part = ToolCall(id="call_1", name="f", arguments="{}", signature=own)
        asked = call(turns=(HELLO, Turn(role="assistant", parts=(part,))))
        assert store.restore("key", asked) is asked

    def test_it_is_forgotten_in_time_and_in_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = Signatures()
        monkeypatch.setattr("nexusflow.flow.signatures.MAX_REMEMBERED", 1)
        store.remember("key", msgspec.structs.replace(CALL, id="call_0"), SIGNATURE)
        store.remember("key", CALL, SIGNATURE)
        asked = call(turns=(HELLO, CALLED))
        assert store.restore("key", asked) is not asked
        monkeypatch.setattr("nexusflow.flow.signatures.time.monotonic", lambda: 1e12)
        assert store.restore("key", asked).turns[1] == CALLED

    def test_the_bridge_remembers_what_it_sends(self) -> None:
        seen: list[tuple[ToolCall | Text, Opaque]] = []
        tap = bridge("openai/chat-completions", "google/generate-content", lambda *one: seen.append(one)).stream()
        part = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        tap.feed(b"data: " + json.dumps({"candidates": [candidate], "responseId": "r"}).encode() + b"\r\n\r\n")
        tap.close()
        assert [signature.payload for _, signature in seen] == ["c2ln"]

    def test_a_text_is_known_by_its_words_and_only_as_an_answer(self) -> None:
        store = Signatures()
        store.remember("key", Text(text="Hi"), SIGNATURE)

        def restored(role: Any, text: str, key: str = "key") -> Any:
            (turn,) = store.restore(key, call(turns=(Turn(role=role, parts=(Text(text=text),)),))).turns
            return turn.parts[0]

        assert restored("assistant", "Hi") == Text(text="Hi", signature=SIGNATURE)
        assert restored("assistant", "Ho") == Text(text="Ho")
        assert restored("user", "Hi") == Text(text="Hi")
        assert restored("assistant", "Hi", "other") == Text(text="Hi")

    @pytest.mark.parametrize("apart", [False, True], ids=["with the last piece", "behind it"])
    def test_T88_a_text_stays_last_in_a_messages_stream_and_its_signature_is_kept(self, apart: bool) -> None:
        """Google signs a text at its end, when its block is out and a thinking block can no longer precede it."""
        store = Signatures()
        tap = bridge("anthropic/messages", "google/generate-content", lambda *one: store.remember("key", *one)).stream()
        signed = [{"text": "llo"}, {"text": "", "thoughtSignature": "c2ln"}]
        last = signed if apart else [{"text": "llo", "thoughtSignature": "c2ln"}]
        frames = b""
        for parts, more in (([{"text": "hm", "thought": True}, {"text": "He"}], {}), (last, {"finishReason": "STOP"})):
            candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
            frames += tap.feed(b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n")
        frames += tap.close()
        starts = [one["content_block"]["type"] for one in sse.events(frames) if one["type"] == "content_block_start"]
        assert starts == ["thinking", "text"]
        asked = call(turns=(HELLO, Turn(role="assistant", parts=(Text(text="Hello"),)), HELLO))
        sent = DIALECTS["google/generate-content"].write_request.write(
            store.restore("key", asked), Destination(model="g", family="gemini", capabilities=Capabilities()), Losses()
        )
        assert json.loads(sent)["contents"][1]["parts"] == [{"text": "Hello", "thoughtSignature": "c2ln"}]


class TestInterfaces:
    """T101: which of OpenAI's interfaces a call needs."""

    @pytest.mark.parametrize(
        ("tools", "effort", "needed"),
        [
            ([{"type": "function", "function": {"name": "f"}}], None, True),
            ([{"type": "function", "function": {"name": "f"}}], "low", True),
            ([{"type": "function", "function": {"name": "f"}}], "none", False),
            ([{"type": "custom", "custom": {"name": "f"}}], None, False),
            (None, "high", False),
        ],
    )
    def test_T101_function_tools_while_reasoning(self, tools: Any, effort: Any, needed: bool) -> None:
        turns = [{"role": "user", "content": "x"}]
        body = {"model": "m", "messages": turns, "tools": tools, "reasoning_effort": effort}
        request = msgspec.json.decode(json.dumps(body), type=ChatRequest)
        assert apis.chat_needs_responses(request) is needed

    def test_T101_on_a_canonical_call(self) -> None:
        assert apis.needs_responses(call(tools=(Tool(name="f"),)))
        assert not apis.needs_responses(call(tools=(Tool(name="f", custom=True),)))
        assert not apis.needs_responses(call(tools=(Tool(name="f"),), reasoning=Reasoning(effort="none")))

    def test_anthropics_version_goes_with_a_translated_call(self) -> None:
        assert b"2023-06-01" in apis.bridged_head("anthropic/messages", b'{"temperature":0.5}')
        assert b"2026-10-21" in apis.bridged_head("anthropic/messages", b"{}")
        assert apis.bridged_head("openai/responses", b"{}") == b""


class Bytes:
    """A fetcher that always has the same file."""

    async def fetch(self, url: str) -> tuple[bytes, str]:
        if url.endswith("missing"):
            raise NotFetched("it is not there")
        return b"\x89PNG\r\n\x1a\n", "text/plain"


def with_media(url: str, kind: Any = "image") -> ChatCall:
    part = Media(kind=kind, source=Url(url))
    result = ToolResult(call_id="c", content=(part,))
    return call(turns=(Turn(role="user", parts=(part, result), path="messages[0]"),))


class TestMedia:
    """2.1.2: bytes for providers that take no addresses."""

    def test_images_are_fetched_for_google_inside_results_too(self) -> None:
        asked = with_media("https://x.example/a")
        found = asyncio.run(media.resolve(asked, Capabilities(), "google/generate-content", Bytes()))
        part, result = found.turns[0].parts
        assert isinstance(part, Media)
        assert isinstance(result, ToolResult)
        assert isinstance(part.source, Data)
        assert part.source.mime == "image/png"
        assert result.content == (part,)

    @pytest.mark.parametrize(
        ("url", "kind", "protocol", "flags", "fetched"),
        [
            ("https://x.example/a", "image", "anthropic/messages", {}, False),
            ("https://x.example/a", "image", "anthropic/messages", {"image_url": False}, True),
            ("https://x.example/a", "file", "openai/chat-completions", {}, True),
            ("https://x.example/a", "file", "openai/responses", {}, False),
            ("https://youtu.be/x", "video", "google/generate-content", {}, False),
            ("gs://bucket/x", "image", "google/generate-content", {}, False),
        ],
    )
    def test_who_fetches(self, url: str, kind: Any, protocol: Any, flags: dict[str, Any], fetched: bool) -> None:
        asked = with_media(url, kind)
        found = asyncio.run(media.resolve(asked, Capabilities(**flags), protocol, Bytes()))
        assert (found is not asked) is fetched

    def test_SEC27_what_cannot_be_had_names_the_part(self) -> None:
        with pytest.raises(RequestRefused) as refused:
            asked = with_media("https://x.example/missing")
            asyncio.run(media.resolve(asked, Capabilities(), "google/generate-content", Bytes()))
        assert refused.value.problem.param == "messages[0].content[0].image_url.url"


def test_losses_are_counted_without_indexes() -> None:
    losses, count = Losses(), LossCount()
    for at in range(2):
        losses.drop(f"messages[{at}].name")
    count.count(losses)
    assert count.found == {"dropped messages[].name": 2}


def test_strictness_names_the_first_loss() -> None:
    losses = Losses()
    refuse_losses(losses)
    losses.drop("seed")
    losses.change("temperature", "1.4>1")
    assert losses.header() == "dropped=seed; changed=temperature:1.4>1"
    with pytest.raises(RequestRefused) as refused:
        refuse_losses(losses)
    assert refused.value.problem.param == "seed"


def test_SEC72_a_header_of_losses_is_one_plain_line() -> None:
    losses = Losses()
    losses.drop("messages[0].a\r\nb,c;d\u20ac")
    assert losses.header() == "dropped=messages[0].a__b_c_d_"


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/", "/v1/messages", "https://h/v1/messages"),
        ("https://h/v1", "/v1/messages", "https://h/v1/messages"),
        ("https://h/v1beta/", "/v1beta/models/m:generateContent", "https://h/v1beta/models/m:generateContent"),
        ("https://h/gw", "/v1beta/models/m:x", "https://h/gw/v1beta/models/m:x"),
    ],
)
def test_an_address_names_its_version_once(base: str, path: str, url: str) -> None:
    assert join(base, path) == url


def test_rules_are_spelled_as_the_client_does() -> None:
    model = Model(
        id="m", title="m", owner="o", category="language", lanes=(), protocols=(),
        refused=("n", "verbosity"), defaults={"max_tokens": Raw(b"5")}, allowed={"service_tier": ("flex",)},
    )  # fmt: skip
    own = respelled(model, "google/generate-content")
    assert own.refused == ("candidateCount",)
    assert own.defaults.keys() == {"maxOutputTokens"}
    assert own.allowed == {"serviceTier": ("flex",)}
