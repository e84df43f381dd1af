"""A client's OpenAI embeddings request: refusals, the identity lane, the canonical call, what a provider is sent."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_embeddings import identity_request, read_request, write_request
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.wire import jsonedit

DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(EmbeddingRequest)
UPSTREAM = jsonedit.text("up/stream")
TOKENS = (1917, 15339)


def model(**more: Any) -> Model:
    return Model(id="m", title="m", owner="t", category="embedding", lanes=(), protocols=(), **more)


def body(given: Any = "Hello", **fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": given, **fields}).encode()


def refusal(text: bytes, capabilities: Capabilities | None = None, **more: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        prepared(text, capabilities, **more)
    return caught.value.problem


def prepared(text: bytes, capabilities: Capabilities | None = None, **more: Any) -> dict[str, Any]:
    """What an OpenAI-shaped provider is sent on the identity lane."""
    fields = checks.parse(text, identity_request.MONEY_FIELDS)
    request = identity_request.validate(text, DECODER, model(**more))
    sent = identity_request.prepare(request, fields, model(**more), UPSTREAM, capabilities or Capabilities())
    found: dict[str, Any] = json.loads(sent)
    return found


def written(call: EmbeddingCall, **flags: Any) -> tuple[list[dict[str, Any]], str]:
    losses = Losses()
    to = Destination(model="up", family="up", capabilities=Capabilities(**flags))
    return [json.loads(one) for one in write_request.write(call, to, losses)], losses.header()


@pytest.mark.parametrize(
    ("text", "param", "code", "status"),
    [
        (b'{"model":"m"}', "input", "missing_required_parameter", None),
        (body([]), "input", "value_out_of_range", 422),
        (body([[]]), "input[0]", None, None),
        (body(["a", 1]), "input[1]", "invalid_type", None),
        (body(["a", [1]]), "input[1]", "invalid_type", None),
        (body([1, "a"]), "input[1]", "invalid_type", None),
        (body([1, [2]]), "input[1]", "invalid_type", None),
        (body([[1], "a"]), "input[1]", "invalid_type", None),
        (body([[1], [1.5]]), "input[1][0]", "invalid_type", 400),
        (body([[1], [-1]]), "input[1][0]", "value_out_of_range", 422),
        (body({"text": "a"}), "input", "invalid_type", 400),
        (body(["a"] * 2049), "input", "too_many_items", None),
        (body(encoding_format="hex"), "encoding_format", "invalid_type", 400),
        (body(dimensions=0), "dimensions", "value_out_of_range", 422),
        (body()[:-1] + b',"dimensions":1,"dimensions":2}', "dimensions", "duplicate_key", None),
        (body()[:-1] + b',"input":"other"}', "input", "duplicate_key", None),
    ],
)
def test_C13_C14_refusals_name_the_field(text: bytes, param: str, code: str | None, status: int | None) -> None:
    problem = refusal(text)
    assert (problem.kind, problem.param, problem.code, problem.status) == (Kind.PARAM, param, code, status)


def test_the_lengths_that_the_catalogue_lists_are_enforced() -> None:
    known = Capabilities(embedding_dimensions=(256, 1024))
    problem = refusal(body(dimensions=512), known)
    assert (problem.param, problem.status) == ("dimensions", 422)
    assert "256, 1024" in problem.message
    assert prepared(body(dimensions=256), known)["dimensions"] == 256
    assert prepared(body(dimensions=512))["dimensions"] == 512


@pytest.mark.parametrize("given", ["Hello", "", ["a", "b"], list(TOKENS), [list(TOKENS), [1]], ["a"] * 2048])
def test_T111_every_form_of_input_is_accepted_and_forwarded(given: Any) -> None:
    assert prepared(body(given))["input"] == given


def test_identity_changes_the_model_name_and_nothing_else() -> None:
    text = b'{"model":"m" , "input":"\\u00e4", "dimensions":2.56E2 , "input_type":"query","encoding_format":null}'
    fields = checks.parse(text, identity_request.MONEY_FIELDS)
    request = EmbeddingRequest(model="m", input="ä")
    sent = identity_request.prepare(request, fields, model(), UPSTREAM, Capabilities())
    assert sent == (
        b'{"model":"up/stream","input":"\\u00e4","dimensions":2.56E2,"input_type":"query","encoding_format":null}'
    )


def test_catalogue_defaults_and_unknown_parameters() -> None:
    more: dict[str, Any] = {"unknown_params": "drop", "defaults": {"dimensions": Raw(b"64")}}
    assert prepared(body(input_type="query"), **more) == {"model": "up/stream", "input": "Hello", "dimensions": 64}
    assert prepared(body(dimensions=8), **more)["dimensions"] == 8


def test_T111_a_provider_without_base64_is_asked_for_floats() -> None:
    assert prepared(body(encoding_format="base64"))["encoding_format"] == "base64"
    assert prepared(body(encoding_format="base64"), Capabilities(base64_embeddings=False))["encoding_format"] == "float"


@pytest.mark.parametrize(
    ("given", "contents", "paths", "batch"),
    [
        ("Hello", ("Hello",), ("input",), False),
        (["a"], ("a",), ("input[0]",), True),
        (["a", "b"], ("a", "b"), ("input[0]", "input[1]"), True),
        (list(TOKENS), (TOKENS,), ("input",), False),
        ([list(TOKENS), [1]], (TOKENS, (1,)), ("input[0]", "input[1]"), True),
    ],
)
def test_T111_every_form_of_input_is_read(given: Any, contents: Any, paths: Any, batch: bool) -> None:
    call = read_request.read(body(given), model="public")
    assert tuple(one.content for one in call.inputs) == contents
    assert tuple(one.path for one in call.inputs) == paths
    assert (call.batch, call.model, call.encoding) == (batch, "public", "float")


def test_every_field_is_read() -> None:
    text = body(dimensions=64, encoding_format="base64", user="u", task_type="X", title="T", input_type="query")
    call = read_request.read(text, model="m")
    assert call.inputs == (Input(content="Hello", dimensions=64, task_type="X", title="T", path="input"),)
    assert (call.encoding, call.user, call.ext) == ("base64", "u", {"input_type": Raw(b'"query"')})


def call(*inputs: Input, **more: Any) -> EmbeddingCall:
    return EmbeddingCall(origin=more.pop("origin", "google/embed-content"), model="m", inputs=inputs, **more)


def test_a_call_is_written_with_all_it_says() -> None:
    sent, lost = written(call(Input(content="a", dimensions=8), Input(content=TOKENS, dimensions=8), user="u"))
    assert sent == [
        {"model": "up", "input": ["a", list(TOKENS)], "encoding_format": "float", "dimensions": 8, "user": "u"}
    ]
    assert lost == ""
    assert written(call(Input(content="a"), batch=False))[0] == [
        {"model": "up", "input": "a", "encoding_format": "float"}
    ]


def test_google_hints_are_losses_in_the_callers_spelling() -> None:
    names = {"task_type": "requests[].taskType", "title": "requests[].title"}
    inputs = [Input(content="a", task_type="RETRIEVAL_QUERY", title="T"), Input(content="b", task_type="CLUSTERING")]
    _, lost = written(call(*inputs, names=names, ext={"requests[].autoTruncate": Raw(b"true")}))
    assert lost == "dropped=requests[].taskType,requests[].title,requests[].autoTruncate"


def test_fields_of_OpenAI_providers_go_back_to_them() -> None:
    sent, lost = written(call(Input(content="a"), origin="openai/embeddings", ext={"input_type": Raw(b'"query"')}))
    assert sent[0]["input_type"] == "query"
    assert lost == ""


def test_inputs_of_different_lengths_cannot_share_a_request() -> None:
    with pytest.raises(RequestRefused) as caught:
        written(call(Input(content="a", dimensions=8), Input(content="b"), names={"dimensions": "requests[].d"}))
    assert caught.value.problem.param == "requests[].d"


def test_T111_base64_is_asked_for_where_the_provider_can() -> None:
    asks = call(Input(content="a"), encoding="base64")
    assert written(asks)[0][0]["encoding_format"] == "base64"
    assert written(asks, base64_embeddings=False)[0][0]["encoding_format"] == "float"


def test_more_inputs_than_one_body_may_carry_are_split_in_order() -> None:
    inputs = [Input(content=str(at)) for at in range(2050)]
    sent, _ = written(call(*inputs))
    assert [len(one["input"]) for one in sent] == [2048, 2]
    assert [text for one in sent for text in one["input"]] == [one.content for one in inputs]
