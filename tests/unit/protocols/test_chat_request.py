"""A client's chat request: what is refused and how, and what the provider is sent."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Raw

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Lane, Model, RequestBounds
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_chat import identity_request as request
from nexusflow.protocols.openai_chat.wire import ChatRequest
from nexusflow.wire import jsonedit

MESSAGES = [{"role": "user", "content": "Hello"}]
UPSTREAM = jsonedit.text("upstream")


class Narrow(ChatRequest, frozen=True, kw_only=True):
    """As a generated artifact narrows it: a bounded parameter and a refused one."""

    max_tokens: Annotated[int, Meta(ge=1, le=100)] | None = None
    seed: None = None


DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Narrow)


def model(**more: Any) -> Model:
    lane = Lane(path="p", provider="p", model="upstream", protocol="openai/chat-completions")
    return Model(id="m", title="m", owner="t", category="language", lanes=(lane,), protocols=(), **more)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


def refusal(text: bytes, **more: Any) -> Problem:
    """What a client is told about `text`, with the model and the bounds as given."""
    bounds = more.pop("bounds", RequestBounds())
    try:
        fields = checks.parse(text, request.MONEY_FIELDS)
        request.validate(text, DECODER, model(**more), bounds)
        checks.check_names(fields, request.KNOWN, model(**more))
    except RequestRefused as refused:
        return refused.problem
    raise AssertionError("the request was accepted")


def prepared(text: bytes, *, stream: bool = False, usage: Any = "option", **more: Any) -> dict[str, Any]:
    """What the provider is sent."""
    fields = checks.parse(text, request.MONEY_FIELDS)
    found: dict[str, Any] = json.loads(request.prepare(fields, model(**more), UPSTREAM, stream=stream, usage=usage))
    return found


@pytest.mark.parametrize(
    ("text", "kind", "param", "code", "status"),
    [
        (body(max_tokens=101), Kind.PARAM, "max_tokens", "value_out_of_range", 422),
        (body(temperature=3), Kind.PARAM, "temperature", "value_out_of_range", 422),
        (body(temperature="hot"), Kind.PARAM, "temperature", "invalid_type", 400),
        (body(seed=1), Kind.PARAM, "seed", "unsupported_parameter", None),
        (body(messages=[]), Kind.PARAM, "messages", "value_out_of_range", 422),
        (body(messages=[{"role": "nobody"}]), Kind.PARAM, "messages[0].role", "invalid_type", 400),
        (body(messages=[{"content": "a"}]), Kind.PARAM, "messages[0].role", "missing_required_parameter", None),
        (b'{"model":"m"}', Kind.PARAM, "messages", "missing_required_parameter", None),
        (body(tools=[{"type": "function", "function": {"name": ""}}]), Kind.PARAM, None, "value_out_of_range", 422),
        (body()[:-1] + b',"top_p":NaN}', Kind.PARAM, "top_p", None, None),
        (body()[:-1] + b',"top_p" : -Infinity}', Kind.PARAM, "top_p", None, None),
        (body()[:-1] + b',"user":"NaN", bad}', Kind.PARSE, None, None, None),
        (body(user="\ud800"), Kind.PARSE, None, None, None),
        (body(extra="~").replace(b"~", b"\xe4"), Kind.PARSE, None, None, None),
        (body()[:-1] + b',"n":1,"\\u006e":2}', Kind.PARAM, "n", "duplicate_key", None),
    ],
)
def test_C13_C14_C16_refusals_name_the_field(
    text: bytes, kind: Kind, param: str | None, code: str | None, status: int | None
) -> None:
    problem = refusal(text)
    assert (problem.kind, problem.code, problem.status) == (kind, code, status)
    if param is not None:
        assert problem.param == param


@pytest.mark.parametrize(
    ("fields", "bounds", "param"),
    [
        ({"messages": MESSAGES * 3}, RequestBounds(max_messages=2), "messages"),
        ({"tools": [{"type": "web"}] * 3}, RequestBounds(max_tools=2), "tools"),
    ],
)
def test_C18_counts(fields: dict[str, Any], bounds: RequestBounds, param: str) -> None:
    problem = refusal(body(**fields), bounds=bounds)
    assert (problem.param, problem.code) == (param, "too_many_items")


def test_C18_images_are_counted_over_all_messages() -> None:
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    bounds = RequestBounds(max_images=2)
    assert refusal(body(messages=[picture] * 3), bounds=bounds, input=("text", "image")).param == "images"
    text = body(messages=[picture] * 2)
    request.validate(text, DECODER, model(input=("text", "image")), bounds)


def test_media_that_the_model_does_not_take() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}]
    problem = refusal(body(messages=[*MESSAGES, {"role": "user", "content": content}]))
    assert (problem.param, problem.code) == ("messages[1].content[1]", "unsupported_content")


def test_parameters_by_the_models_own_rules() -> None:
    assert refusal(body(service_tier="flex"), allowed={"service_tier": ("auto",)}).status == 422
    assert refusal(body(verbosity="low"), refused=("verbosity",)).code == "unsupported_parameter"
    assert refusal(body(foo=1), unknown_params="reject").param == "foo"
    wanted = body(response_format={"type": "json_schema"})
    assert refusal(wanted, response_formats=("text", "json_object")).param == "response_format"


def test_only_the_model_name_changes() -> None:
    text = body(temperature=0.70, extra={"deep": [1.0, "é"]})
    assert prepared(text) == {**json.loads(text), "model": "upstream"}
    fields = checks.parse(text, request.MONEY_FIELDS)
    assert b"0.7," in request.prepare(fields, model(), UPSTREAM, stream=False, usage="option")


def test_usage_is_asked_for_where_it_is_an_option() -> None:
    assert prepared(body(stream=True), stream=True)["stream_options"] == {"include_usage": True}
    merged = prepared(body(stream=True, stream_options={"include_usage": False, "x": 1}), stream=True)
    assert merged["stream_options"] == {"include_usage": True, "x": 1}
    assert prepared(body(stream_options=None), stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in prepared(body(stream=True), stream=True, usage="always")
    assert "stream_options" not in prepared(body())


def test_defaults_fill_gaps_only() -> None:
    defaults = {"temperature": Raw(b"0.5"), "user": Raw(b'"x"')}
    assert prepared(body(temperature=1), defaults=defaults)["temperature"] == 1
    assert prepared(body(), defaults=defaults)["user"] == "x"


def test_unknown_parameters_are_passed_or_dropped() -> None:
    assert prepared(body(foo=1))["foo"] == 1
    dropped = prepared(body(foo=1, user="a"), unknown_params="drop")
    assert ("foo" in dropped, dropped["user"]) == (False, "a")


@pytest.mark.parametrize("spelling", ["max_tokens", "max_completion_tokens"])
def test_the_two_spellings_of_the_limit(spelling: str) -> None:
    other = ({"max_tokens", "max_completion_tokens"} - {spelling}).pop()
    sent = prepared(body(**{other: 5}), max_tokens_field=spelling)
    assert (sent[spelling], other in sent) == (5, False)
    both = prepared(body(max_tokens=1, max_completion_tokens=2), max_tokens_field=spelling)
    assert (both[spelling], other in both) == (2, False)


def test_preparing_again_for_a_second_attempt() -> None:
    fields = checks.parse(body(stream=True, max_tokens=3), request.MONEY_FIELDS)
    first = request.prepare(
        fields, model(max_tokens_field="max_completion_tokens"), UPSTREAM, stream=True, usage="option"
    )
    again = request.prepare(
        fields, model(max_tokens_field="max_completion_tokens"), jsonedit.text("second"), stream=True, usage="option"
    )
    assert json.loads(again) == {**json.loads(first), "model": "second"}
