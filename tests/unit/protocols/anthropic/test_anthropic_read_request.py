"""A client's Messages request as the canonical call (protocols 2.3)."""

from typing import Any

import pytest

from nexusflow.ir.chat import (
    CacheMark,
    Citation,
    Data,
    Document,
    FileRef,
    HostedTool,
    Media,
    Opaque,
    Origin,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.common import envelope
from tests.support.messages import read

ORIGIN: Origin = "anthropic/messages"


def user_parts(*blocks: dict[str, Any]) -> tuple[Part, ...]:
    return read(messages=[{"role": "user", "content": list(blocks)}]).turns[0].parts


def answer_parts(*blocks: dict[str, Any]) -> tuple[Part, ...]:
    return read(messages=[{"role": "assistant", "content": list(blocks)}]).turns[0].parts


def test_text_roles_and_paths() -> None:
    call = read(
        system="Be brief",
        messages=[
            {"role": "user", "content": "Hello"},
            {"role": "system", "content": [{"type": "text", "text": "Now in French"}]},
            {"role": "assistant", "content": "Bonjour"},
        ],
    )
    assert [(turn.role, turn.path, turn.parts) for turn in call.turns] == [
        ("system", "system", (Text(text="Be brief"),)),
        ("user", "messages[0]", (Text(text="Hello"),)),
        ("system", "messages[1]", (Text(text="Now in French"),)),  # T59
        ("assistant", "messages[2]", (Text(text="Bonjour"),)),
    ]


def test_T60_system_blocks_keep_their_marks_and_null_is_none() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    call = read(system=[{"type": "text", "text": "A"}, {"type": "text", "text": "B", "cache_control": mark}])
    assert call.turns[0].parts == (Text(text="A"), Text(text="B", cache=CacheMark(ttl="1h")))
    assert read(system=None).turns[0].role == "user"


def test_parameters() -> None:
    call = read(
        max_tokens=77,
        temperature=0.3,
        top_p=0.4,
        top_k=5,
        stop_sequences=["END"],
        metadata={"user_id": "u", "team": "t"},
        service_tier="standard_only",
        stream=True,
    )
    assert (call.max_tokens, call.stop, call.user, call.tier) == (77, ("END",), "u", "default")
    assert (call.sampling.temperature, call.sampling.top_p, call.sampling.top_k) == (0.3, 0.4, 5)
    assert call.spelled("stop") == "stop_sequences"
    assert call.ext is not None
    assert bytes(call.ext["metadata"]) == b'{"team":"t"}'
    assert (read(speed="fast").tier, read(service_tier="auto").tier) == ("fast", None)


def test_T76_what_only_this_protocol_has_is_kept_apart() -> None:
    call = read(context_management={"edits": []}, mcp_servers=[{"name": "m"}], inference_geo="eu", container=None)
    assert call.ext is not None
    assert {name: bytes(value) for name, value in call.ext.items()} == {
        "context_management": b'{"edits": []}',
        "mcp_servers": b'[{"name": "m"}]',
        "inference_geo": b'"eu"',
    }


def test_images_and_documents() -> None:
    parts = user_parts(
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": "_-8="}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}, "transformations": [1]},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "title": "T"},
        {"type": "search_result", "source": "https://x.test", "title": "T", "content": [{"type": "text", "text": "A"}]},
    )
    assert parts[0] == Media(kind="image", source=Data("image/jpeg", "/+8="))  # T79
    assert parts[1] == Media(kind="image", source=Url("https://x.test/a.png"))
    assert isinstance(parts[2], Media)
    assert parts[2].source == FileRef("file_1", ORIGIN)
    assert parts[2].ext is not None
    pdf = Data("application/pdf", "AA==")
    assert parts[3] == Media(kind="file", source=pdf, name="T", context="C", cite=True, cache=CacheMark())
    assert parts[4] == Document(text="words", title="T")
    assert parts[5] == Document(text="A", title="T", source="https://x.test")


def test_a_document_of_blocks_gives_its_text_and_then_its_images() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    content = [{"type": "text", "text": "A"}, image, {"type": "text", "text": "B"}]
    parts = user_parts({"type": "document", "source": {"type": "content", "content": content}})
    assert parts == (Document(text="A\nB"), Media(kind="image", source=Data("image/png", "AA==")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ()),
        ("", (Text(text=""),)),
        ("out", (Text(text="out"),)),
        ([], ()),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], (Text(text="a"), Text(text="b"))),
    ],
)
def test_T55_T56_every_tool_result_is_one(content: Any, expected: tuple[Text, ...]) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": content, "is_error": True}
    assert user_parts(result) == (ToolResult(call_id="t", content=expected, is_error=True),)


def test_T55_T56_images_and_unknown_blocks_in_a_tool_result() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    reference = {"type": "tool_reference", "tool_name": "f"}
    (result,) = user_parts({"type": "tool_result", "tool_use_id": "t", "content": [image, reference]})
    assert isinstance(result, ToolResult)
    picture, unknown = result.content
    assert isinstance(picture, Media)
    assert isinstance(unknown, Unknown)
    assert (unknown.origin, unknown.type) == (ORIGIN, "tool_reference")


def test_T54_text_around_a_tool_result_stays() -> None:
    parts = user_parts(
        {"type": "text", "text": "before"},
        {"type": "tool_result", "tool_use_id": "t", "content": "out"},
        {"type": "text", "text": "after"},
    )
    assert [type(part) for part in parts] == [Text, ToolResult, Text]


def test_tool_calls_are_compact_text() -> None:
    (call,) = answer_parts({"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1.50, "x y"]}})
    assert call == ToolCall(id="t", name="f", arguments='{"a":[1.5,"x y"]}')


def test_T115_server_tool_blocks_and_citations_survive() -> None:
    cited = {"type": "web_search_result_location", "url": "https://x.test", "title": "T", "cited_text": "c"}
    use, result, text = answer_parts(
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "text", "text": "A", "citations": [{**cited, "encrypted_index": "e"}]},
    )
    assert isinstance(use, Unknown)
    assert isinstance(result, Unknown)
    assert b'"query"' in bytes(use.raw)
    assert isinstance(text, Text)
    (citation,) = text.citations
    assert (citation.kind, citation.url, citation.title, citation.origin) == ("url", "https://x.test", "T", ORIGIN)
    assert citation.ext is not None
    assert bytes(citation.ext["encrypted_index"]) == b'"e"'


def test_a_source_that_we_made_of_another_protocols_is_known_again() -> None:
    ours = {"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "", "encrypted_index": ""}
    (text,) = answer_parts({"type": "text", "text": "A", "citations": [ours]})
    assert isinstance(text, Text)
    assert text.citations == (Citation(url="u", title="T", cited_text=""),)


def test_T91_T92_thinking_keeps_its_native_signature() -> None:
    parts = answer_parts(
        {"type": "thinking", "thinking": "hm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "secret"},
    )
    assert parts == (
        Thinking(text="hm", signature=Opaque(ORIGIN, "", "sig==")),
        Thinking(text="", redacted=True, signature=Opaque(ORIGIN, "", "secret")),
    )


def test_T89_geminis_state_goes_back_to_the_part_it_came_from() -> None:
    state = Opaque("google/generate-content", "gemini", "AAAA")
    thought = {"type": "thinking", "thinking": "", "signature": envelope.seal(state)}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    text = {"type": "text", "text": "A"}
    assert answer_parts(thought, call) == (ToolCall(id="t", name="f", arguments="{}", signature=state),)
    assert answer_parts(text, thought) == (Text(text="A", signature=state),)
    shown = {**thought, "thinking": "hm"}
    assert answer_parts(shown, call)[0] == Thinking(text="hm")


def test_other_protocols_state_stays_with_the_thinking() -> None:
    state = Opaque("openai/responses", "gpt", "gAAAA")
    (thought,) = answer_parts({"type": "thinking", "thinking": "hm", "signature": envelope.seal(state)})
    assert thought == Thinking(text="hm", signature=state)


def test_tools() -> None:
    call = read(
        tools=[
            {
                "name": "f",
                "description": "D",
                "input_schema": {"type": "object"},
                "strict": True,
                "input_examples": [{"a": 1}],
                "defer_loading": False,
                "allowed_callers": ["direct"],
                "cache_control": {"type": "ephemeral"},
            },
            {"name": "g", "input_schema": {}, "defer_loading": True},
        ]
    )
    first, second = call.tools
    assert isinstance(first, Tool)
    assert first.description == 'D\n\nExamples of its input:\n{"a":1}'
    assert (first.strict, first.cache, first.ext, first.path) == (True, CacheMark(), None, "tools[0]")
    assert isinstance(second, Tool)
    assert second.ext is not None
    assert second.ext.keys() == {"defer_loading"}


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("bash_20250124", None),
        ("text_editor_20250728", None),
        ("memory_20250818", None),
        ("computer_20251124", None),
        ("web_search_20260209", "web_search"),
        ("web_fetch_20250910", "web_fetch"),
        ("code_execution_20260120", "code_execution"),
        ("mcp_toolset", None),
    ],
)
def test_T75_typed_tools_are_the_providers(type_: str, kind: str | None) -> None:
    (tool,) = read(tools=[{"type": type_, "name": "n"}]).tools
    assert isinstance(tool, HostedTool)
    assert (tool.origin, tool.type, tool.kind, tool.path) == (ORIGIN, type_, kind, "tools[0]")


@pytest.mark.parametrize(
    ("given", "mode", "names", "parallel"),
    [
        ({"type": "auto"}, "auto", (), None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", (), False),
        ({"type": "tool", "name": "f"}, "required", ("f",), None),
        ({"type": "none"}, "none", (), None),
    ],
)
def test_tool_choice(given: dict[str, Any], mode: Any, names: tuple[str, ...], parallel: bool | None) -> None:
    call = read(tool_choice=given)
    assert call.tool_choice == ToolChoice(mode=mode, names=names)
    assert call.parallel_tools is parallel


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, Reasoning()),
        ({"thinking": {"type": "disabled"}}, Reasoning(effort="none", path="thinking")),
        ({"thinking": {"type": "adaptive"}}, Reasoning(expose="summary", path="thinking")),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}},
            Reasoning(effort="xhigh", expose="none", path="thinking"),
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            Reasoning(budget=2000, expose="summary", path="thinking"),
        ),
        ({"output_config": {"effort": "low"}}, Reasoning(effort="low", path="output_config.effort")),
    ],
)
def test_thinking(body: dict[str, Any], expected: Reasoning) -> None:
    assert read(**body).reasoning == expected


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_structured_output(place: str) -> None:
    format_ = {"type": "json_schema", "schema": {"type": "object"}}
    body = {"output_config": {"format": format_}} if place == "output_config" else {"output_format": format_}
    found = read(**body).format
    assert found is not None
    assert (found.kind, bytes(found.schema or b"")) == ("json_schema", b'{"type": "object"}')


def test_a_mark_of_the_whole_request_is_one_of_its_last_block() -> None:
    call = read(cache_control={"type": "ephemeral"})
    assert call.turns[-1].parts == (Text(text="Hello", cache=CacheMark()),)


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"text": "x"}, "messages[0].content[0]"),
        ({"type": "text"}, "messages[0].content[0]"),
        ({"type": "image", "source": {"type": "ftp"}}, "messages[0].content[0].source.type"),
        ({"type": "image", "source": {"type": "base64"}}, "messages[0].content[0].source.data"),
        ({"type": "document", "source": {"type": "content"}}, "messages[0].content[0].source.content"),
        ({"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, "messages[0].content[0].input"),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": 1}]},
            "messages[0].content[0].content[0].source",
        ),
    ],
)
def test_a_malformed_block_is_refused_by_its_path(block: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        user_parts(block)
    assert (caught.value.problem.kind, caught.value.problem.param) == (Kind.PARAM, param)
