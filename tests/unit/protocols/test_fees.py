"""B-13: what a provider charges extra for is refused, in the caller's words, where the model has no price for it."""

import json
from typing import Any

import msgspec
import pytest

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.anthropic import identity_request as messages
from nexusflow.protocols.anthropic.wire import MessagesRequest
from nexusflow.protocols.gemini import identity_request as gemini
from nexusflow.protocols.gemini.wire import GenerateRequest
from nexusflow.protocols.openai_chat import identity_request as chat
from nexusflow.protocols.openai_chat.wire import ChatRequest
from nexusflow.protocols.openai_responses import identity_request as responses
from nexusflow.protocols.openai_responses.wire import ResponsesRequest

ALL = ("web_search", "web_fetch", "maps", "code_execution", "file_search", "image_generation")
USER = [{"role": "user", "content": "Hello"}]
SIDES: dict[str, tuple[Any, type[msgspec.Struct], dict[str, Any]]] = {
    "openai/chat-completions": (chat, ChatRequest, {"model": "m", "messages": USER}),
    "openai/responses": (responses, ResponsesRequest, {"model": "m", "input": "Hello"}),
    "anthropic/messages": (messages, MessagesRequest, {"model": "m", "messages": USER, "max_tokens": 9}),
    "google/generate-content": (gemini, GenerateRequest, {"contents": "Hello"}),
}


def validate(protocol: str, unpriced: tuple[str, ...] | None, **more: Any) -> None:
    side, struct, base = SIDES[protocol]
    model = Model(
        id="m",
        title="M",
        owner="o",
        category="language",
        lanes=(),
        protocols=(),
        unpriced={} if unpriced is None else {protocol: unpriced},
        allowed={"serviceTier": ("flex",)},
    )
    side.validate(json.dumps({**base, **more}).encode(), msgspec.json.Decoder(struct), model, RequestBounds())


TOOLS = [
    ("openai/chat-completions", {"type": "web_search"}, "web_search", "tools[0]"),
    (
        "openai/chat-completions",
        {"type": "builtin_function", "function": {"name": "$web_search"}},
        "web_search",
        "tools[0]",
    ),
    ("openai/chat-completions", {"type": "retrieval"}, "file_search", "tools[0]"),
    ("openai/responses", {"type": "web_search"}, "web_search", "tools[0]"),
    ("openai/responses", {"type": "web_search_preview_2025_03_11"}, "web_search", "tools[0]"),
    ("openai/responses", {"type": "code_interpreter", "container": {"type": "auto"}}, "code_execution", "tools[0]"),
    ("openai/responses", {"type": "file_search", "vector_store_ids": ["v"]}, "file_search", "tools[0]"),
    ("openai/responses", {"type": "image_generation"}, "image_generation", "tools[0]"),
    ("anthropic/messages", {"type": "web_search_20250305", "name": "web_search"}, "web_search", "tools[0]"),
    ("anthropic/messages", {"type": "web_fetch_20260209", "name": "web_fetch"}, "web_fetch", "tools[0]"),
    ("anthropic/messages", {"type": "code_execution_20250825", "name": "code"}, "code_execution", "tools[0]"),
    ("google/generate-content", {"googleSearch": {}}, "web_search", "tools[0].googleSearch"),
    ("google/generate-content", {"googleSearchRetrieval": {}}, "web_search", "tools[0].googleSearchRetrieval"),
    ("google/generate-content", {"enterpriseWebSearch": {}}, "web_search", "tools[0].enterpriseWebSearch"),
    ("google/generate-content", {"googleMaps": {}}, "maps", "tools[0].googleMaps"),
]


@pytest.mark.parametrize(("protocol", "tool", "kind", "path"), TOOLS, ids=lambda value: str(value)[:40])
def test_B13_a_tool_that_costs_extra_needs_a_price(protocol: str, tool: dict[str, Any], kind: str, path: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        validate(protocol, ALL, tools=[tool])
    assert (refused.value.problem.param, refused.value.problem.code) == (path, "unsupported_parameter")
    validate(protocol, tuple(one for one in ALL if one != kind), tools=[tool])
    validate(protocol, None, tools=[tool])


@pytest.mark.parametrize(
    ("protocol", "tool"),
    [
        ("openai/chat-completions", {"type": "function", "function": {"name": "web_search"}}),
        ("openai/responses", {"type": "function", "name": "web_search"}),
        ("openai/responses", {"type": "mcp", "server_label": "web_search"}),
        ("anthropic/messages", {"name": "web_search", "input_schema": {"type": "object"}}),
        ("anthropic/messages", {"type": "bash_20250124", "name": "bash"}),
        ("google/generate-content", {"functionDeclarations": [{"name": "googleSearch"}]}),
        ("google/generate-content", {"urlContext": {}}),
        ("google/generate-content", {"codeExecution": {}}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_callers_own_tools_and_those_that_cost_only_tokens_are_taken(protocol: str, tool: dict[str, Any]) -> None:
    validate(protocol, ALL, tools=[tool])


def test_B13_media_that_a_google_model_is_not_said_to_make_are_refused() -> None:
    wanted = {"responseModalities": ["TEXT", "AUDIO"]}
    with pytest.raises(RequestRefused) as refused:
        validate("google/generate-content", (), generationConfig=wanted)
    assert refused.value.problem.param == "generationConfig.responseModalities"
    validate("google/generate-content", (), generationConfig={"responseModalities": ["TEXT"]})
    validate("google/generate-content", None, generationConfig=wanted)


@pytest.mark.parametrize("word", ["flex", "FLEX", "SERVICE_TIER_FLEX"])
def test_B13_googles_spellings_of_a_tier_are_one_word(word: str) -> None:
    validate("google/generate-content", None, serviceTier=word)
    with pytest.raises(RequestRefused):
        validate("google/generate-content", None, serviceTier=word.lower().replace("flex", "priority"))
