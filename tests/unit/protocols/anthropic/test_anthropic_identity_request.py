"""A client's Messages request on the identity lane: what is refused and how, and what the provider is sent."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Raw

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.anthropic import identity_request
from nexusflow.protocols.anthropic.wire import MessagesRequest
from nexusflow.protocols.common import checks
from nexusflow.wire import jsonedit

UPSTREAM = jsonedit.text("upstream")


class Narrow(MessagesRequest, frozen=True, kw_only=True):
    """As a generated artifact narrows it: a bounded parameter and a refused one."""

    max_tokens: Annotated[int, Meta(ge=0, le=100)]
    top_k: None = None


DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Narrow)


def model(**fields: Any) -> Model:
    return Model(id="public", title="P", owner="o", category="chat", lanes=(), protocols=(), **fields)


def validate(offered: Model | None = None, bounds: RequestBounds | None = None, **body: Any) -> MessagesRequest:
    whole = {"model": "public", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}], **body}
    encoded = json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()
    return identity_request.validate(encoded, DECODER, offered or model(), bounds or RequestBounds())


def refused(offered: Model | None = None, bounds: RequestBounds | None = None, **body: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        validate(offered, bounds, **body)
    return caught.value.problem


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}}


def test_a_whole_request_passes() -> None:
    request = validate(
        system=[{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "f", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 1024},
        metadata={"user_id": "u"},
        stream=True,
        context_management={"edits": []},
    )
    assert request.stream is True


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({"max_tokens": ...}, "max_tokens", None),
        ({"max_tokens": 101}, "max_tokens", 422),
        ({"max_tokens": -1}, "max_tokens", 422),
        ({"temperature": 1.5}, "temperature", 422),
        ({"top_p": "1"}, "top_p", 400),
        ({"top_k": 3}, "top_k", None),
        ({"messages": []}, "messages", 422),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", 400),
        ({"messages": [{"role": "user"}]}, "messages[0].content", None),
        ({"stop_sequences": "x"}, "stop_sequences", 400),
        ({"tool_choice": {"type": "forced"}}, "tool_choice.type", 400),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name", None),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema", None),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "thinking.budget_tokens", 422),
    ],
)
def test_T65_T99_what_does_not_fit_is_refused_by_name(body: dict[str, Any], param: str, status: int | None) -> None:
    problem = refused(**body)
    assert (problem.kind, problem.param, problem.status) == (Kind.PARAM, param, status)


def test_no_max_tokens_is_needed_to_be_zero_or_more_so_that_a_cache_can_be_filled() -> None:
    assert validate(max_tokens=0).max_tokens == 0


@pytest.mark.parametrize(("block", "modality"), [(IMAGE, "image"), (PDF, "file")])
def test_media_needs_a_model_that_takes_it(block: dict[str, Any], modality: str) -> None:
    problem = refused(**user(block))
    assert problem.param == "messages[0].content[0]"
    assert modality in problem.message
    validate(model(input=("text", modality)), **user(block))


def test_media_inside_a_tool_result_is_seen() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}, IMAGE]}
    assert refused(**user(result)).param == "messages[0].content[0].content[1]"


def test_a_document_that_is_text_is_no_media() -> None:
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    search = {"type": "search_result", "source": "https://example.test", "title": "t", "content": []}
    validate(**user(text, search))


def test_C18_counts_are_bounded() -> None:
    offered = model(input=("text", "image"))
    assert refused(offered, RequestBounds(max_images=1), **user(IMAGE, IMAGE)).code == "too_many_items"
    assert refused(bounds=RequestBounds(max_messages=0)).param == "messages"
    assert refused(bounds=RequestBounds(max_tools=0), tools=[{"type": "bash_20250124", "name": "b"}]).param == "tools"


def test_C14_a_money_field_twice_is_refused() -> None:
    body = b'{"model":"public","max_tokens":1,"max_tokens":2,"messages":[]}'
    with pytest.raises(RequestRefused) as caught:
        checks.parse(body, identity_request.MONEY_FIELDS)
    assert caught.value.problem.param == "max_tokens"


def test_only_the_model_changes_on_the_way_to_the_provider() -> None:
    body = b'{"model":"public","max_tokens":1e1,"messages":[{"role":"user","content":"\\u0041"}],"odd":[1.0, 2]}'
    sent = identity_request.prepare(jsonedit.split(body), model(), UPSTREAM, stream=True, usage="option")
    assert sent == body.replace(b'"public"', b'"upstream"')


def test_defaults_come_in_this_protocols_spelling_and_never_replace() -> None:
    offered = model(defaults={"stop": Raw(b'"END"'), "temperature": Raw(b"0.5"), "seed": Raw(b"1")})
    fields = jsonedit.split(b'{"model":"public","temperature":1}')
    sent = json.loads(identity_request.prepare(fields, offered, UPSTREAM, stream=False, usage="option"))
    assert sent == {"model": "upstream", "temperature": 1, "stop_sequences": ["END"]}


def test_unknown_parameters_go_where_the_model_drops_them() -> None:
    fields = jsonedit.split(b'{"model":"public","odd":1,"mcp_servers":[]}')
    sent = identity_request.prepare(fields, model(unknown_params="drop"), UPSTREAM, stream=False, usage="option")
    assert json.loads(sent) == {"model": "upstream", "mcp_servers": []}
