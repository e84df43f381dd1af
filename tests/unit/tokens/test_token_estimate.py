"""The local estimate of token counts: its rules, and that it is rather too high than too low (protocols 1.9, 4.2)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.chat import (
    ChatCall,
    Data,
    Document,
    FileRef,
    HostedTool,
    Media,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    Url,
)
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.tokens import METHOD, embeddings, estimate, media
from nexusflow.tokens.text import tokens, weigh
from tests.support.corpus import Exchange, exchanges

OPAQUE = Opaque("anthropic/messages", "claude", "x" * 400)


def call(*parts: Part, **more: Any) -> ChatCall:
    return ChatCall(origin="openai/chat-completions", model="m", turns=(Turn(role="user", parts=parts),), **more)


def test_the_method_has_a_name() -> None:
    assert METHOD == "byte-classes-1"


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("word", 14 + 4 * 2),
        ("Word", 14 + 6 + 3 * 2),
        ("a b", 2 * (14 + 2) + 1),
        ("42", 14 + 2 * 16),
        ("{}", 2 * 14),
        ("\n", 8),
        ("\t\r", 2),
        ("я", 2 * 8),
        ("中", 3 * 8),
        ("🙂", 4 * 8),
        ("\ud800", 3 * 8),
        ("a" * 20, 14 + 20 * 2 + 4 * 8),
    ],
)
def test_text_is_weighed_by_classes_of_bytes(text: str, weight: int) -> None:
    assert weigh(text) == weight


@pytest.mark.parametrize(("weight", "count"), [(0, 0), (1, 1), (16, 1), (17, 2)])
def test_weights_round_up_to_tokens(weight: int, count: int) -> None:
    assert tokens(weight) == count


def image(**more: Any) -> Media:
    return Media(kind="image", source=Data("image/png", "AAAA"), **more)


def attached(kind: Any, mime: str, size: int) -> Media:
    return Media(kind=kind, source=Data(mime, "A" * (size * 4 // 3)))


@pytest.mark.parametrize(
    ("part", "count"),
    [
        (image(), 1_600),
        (image(detail="low"), 1_600),
        (image(detail="original"), 4_800),
        (Media(kind="image", source=Url("https://a/b.png")), 1_600),
        (attached("audio", "audio/wav", 32_000), 64),
        (attached("audio", "audio/mp3", 32_000), 256),
        (attached("video", "video/mp4", 1_000_000), 8_000),
        (attached("file", "text/csv", 3_000), 1_500),
        (attached("file", "application/pdf", 3_000), 1_500),
        (attached("file", "application/pdf", 600_000), 12_000),
        (Media(kind="video", source=Url("https://a/b")), 20_000),
        (Media(kind="audio", source=FileRef("f", "openai/responses")), 2_000),
        (Media(kind="file", source=FileRef("f", "openai/responses")), 10_000),
    ],
)
def test_media_is_counted_by_kind_and_size(part: Media, count: int) -> None:
    assert count <= media.weigh(part) <= count + 1


TOOL = Tool(name="search", description="Finds things", parameters=Raw(b'{"type":"object","properties":{}}'))


@pytest.mark.parametrize(
    "more",
    [
        {"tools": (TOOL,)},
        {"tools": (HostedTool(origin="anthropic/messages", type="web_search", raw=Raw(b"{}")),)},
        {"tools": (Tool(name="t", custom=True, format=Raw(b'{"grammar":"x"}')),)},
        {"format": OutputFormat(kind="json_object")},
        {"reasoning": Reasoning(effort="low")},
        {"reasoning": Reasoning(budget=-1)},
        {"format": OutputFormat(kind="json_schema", name="n", schema=Raw(b'{"type":"object"}'))},
        {"parts": (Text(text="Hello"), Text(text="again"))},
        {"parts": (Text(text="Hello"), image())},
        {"parts": (Text(text="Hello"), Thinking(text="so"))},
        {"parts": (Text(text="Hello"), Thinking(text="", signature=OPAQUE))},
        {"parts": (Text(text="Hello"), Document(text="d", title="t"))},
        {"parts": (Text(text="Hello"), ToolCall(id="c", name="n", arguments="{}"))},
        {"parts": (Text(text="Hello"), ToolResult(call_id="c", content=(Text(text="r"), image())))},
        {"parts": (Text(text="Hello"), Unknown(origin="openai/responses", type="x", raw=Raw(b'{"a":1}')))},
    ],
)
def test_everything_in_a_request_counts(more: dict[str, Any]) -> None:
    parts = more.pop("parts", (Text(text="Hello"),))
    assert estimate(call(*parts, **more)) > estimate(call(Text(text="Hello")))


def test_a_schema_counts_by_its_length() -> None:
    long = Raw(json.dumps({"type": "object", "properties": {f"p{at}": {} for at in range(100)}}).encode())
    wide = Tool(name="search", description="Finds things", parameters=long)
    assert estimate(call(tools=(wide,))) > estimate(call(tools=(TOOL,))) + 300
    assert estimate(call(format=OutputFormat(kind="json_schema", schema=long))) > 300


def test_embeddings_count_texts_and_tokens() -> None:
    asked = EmbeddingCall(
        origin="openai/embeddings", model="m", inputs=(Input(content="Hello"), Input(content=(1,) * 9))
    )
    assert embeddings.estimate(asked) == 2 + tokens(weigh("Hello")) + 2 + 9
    usage = embeddings.estimated_usage(asked)
    assert (usage.input_text, usage.source) == (embeddings.estimate(asked), "estimated")


def recorded_embeddings() -> list[Exchange]:
    return [one for one in exchanges("openai-embeddings") if one.succeeded and one.request and one.request.body]


@pytest.mark.parametrize("exchange", recorded_embeddings(), ids=lambda one: one.id)
def test_the_estimate_is_not_below_what_providers_counted(exchange: Exchange) -> None:
    assert exchange.request is not None
    given = json.loads(exchange.request.body or "{}")["input"]
    texts = [given] if isinstance(given, str) else given
    inputs = tuple(
        Input(content=one if isinstance(one, str) else tuple(one)) for one in texts if not isinstance(one, int)
    )
    usage = exchange.response.json()["usage"]
    counted = usage.get("prompt_tokens") or usage["total_tokens"]
    asked = EmbeddingCall(origin="openai/embeddings", model="m", inputs=inputs or (Input(content=tuple(given)),))
    assert counted <= embeddings.estimate(asked) <= 3 * counted + 4
