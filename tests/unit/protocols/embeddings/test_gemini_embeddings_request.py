"""A client's Gemini embeddings request: refusals, the identity lane, the canonical call, what Google is sent."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.embeddings import EmbeddingCall, Input
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.gemini_embeddings import identity_request, read_request, write_request
from nexusflow.protocols.openai_embeddings import read_request as read_openai
from nexusflow.protocols.openai_embeddings import write_request as write_openai
from tests.support.corpus import Exchange, exchanges

HELLO = {"parts": [{"text": "Hello"}]}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


def model(**more: Any) -> Model:
    fields: dict[str, Any] = {"aliases": ("short",), **more}
    return Model(id="v/m", title="m", owner="t", category="embedding", lanes=(), protocols=(), **fields)


def single(**fields: Any) -> bytes:
    return json.dumps({"content": HELLO, **fields}).encode()


def several(*requests: dict[str, Any]) -> bytes:
    return json.dumps({"requests": [{"content": HELLO, **one} for one in requests]}).encode()


def prepared(text: bytes, *, batch: bool, flags: Capabilities | None = None, **more: Any) -> dict[str, Any]:
    """What a provider that speaks Gemini is sent."""
    bounds = more.pop("bounds", RequestBounds())
    body, fields = identity_request.parse(text, batch=batch)
    requests = identity_request.validate(body, model(**more), bounds, batch=batch)
    identity_request.check_names(fields, model(**more))
    sent = identity_request.prepare(requests, fields, model(**more), "up", flags or Capabilities())
    found: dict[str, Any] = json.loads(sent)
    return found


def refusal(text: bytes, *, batch: bool, **more: Any) -> Problem:
    with pytest.raises(RequestRefused) as caught:
        prepared(text, batch=batch, **more)
    return caught.value.problem


def read(text: bytes, *, batch: bool) -> EmbeddingCall:
    body, fields = identity_request.parse(text, batch=batch)
    media = model(input=("text", "image", "file"))
    requests = identity_request.validate(body, media, RequestBounds(), batch=batch)
    return read_request.read(requests, fields, model="public")


def written(call: EmbeddingCall, **flags: Any) -> tuple[list[dict[str, Any]], str]:
    losses = Losses()
    to = Destination(model="up", family="up", capabilities=Capabilities(**flags))
    return [json.loads(one) for one in write_request.write(call, to, losses)], losses.header()


@pytest.mark.parametrize(
    ("text", "batch", "param", "code"),
    [
        (b"{}", False, "content", "missing_required_parameter"),
        (b"{}", True, "requests", "missing_required_parameter"),
        (b'{"requests":[]}', True, "requests", "value_out_of_range"),
        (b'{"requests":[{}]}', True, "requests[0].content", "missing_required_parameter"),
        (b'{"content":{"parts":[]}}', False, "content.parts", "missing_required_parameter"),
        (b'{"content":{"parts":[{"text":1}]}}', False, None, "invalid_type"),
        (several({}, {"outputDimensionality": 0}), True, "requests[1].outputDimensionality", "value_out_of_range"),
        (several({}, {"model": "models/other"}), True, "requests[1].model", None),
        (single(model="models/other"), False, "model", None),
        (single(output_dimensionality=1, outputDimensionality=2), False, "outputDimensionality", "duplicate_key"),
        (single(content={"parts": [PICTURE]}), False, "content.parts[0]", "unsupported_content"),
    ],
)
def test_C13_C14_refusals_name_the_field(text: bytes, batch: bool, param: str | None, code: str | None) -> None:
    problem = refusal(text, batch=batch)
    assert problem.kind is Kind.PARAM
    assert problem.code == code
    if param is not None:
        assert problem.param == param


def test_parameters_that_the_catalogue_forbids() -> None:
    asks = several({"outputDimensionality": 64})
    assert refusal(asks, batch=True, refused=("dimensions",)).code == "unsupported_parameter"
    assert refusal(asks, batch=True, flags=Capabilities(embedding_dimensions=(128,))).status == 422
    assert refusal(single(extra=1), batch=False, unknown_params="reject").param == "extra"
    assert refusal(several({}, {"extra": 1}), batch=True, unknown_params="reject").param == "extra"


def test_media_where_the_model_takes_it() -> None:
    text = single(content={"parts": [PICTURE, PICTURE]})
    assert prepared(text, batch=False, input=("text", "image"))["content"]["parts"] == [PICTURE, PICTURE]
    problem = refusal(text, batch=False, input=("text", "image"), bounds=RequestBounds(max_images=1))
    assert problem.code == "too_many_items"


@pytest.mark.parametrize("name", ["models/v/m", "v/m", "models/short", None])
def test_identity_puts_the_providers_model_name_wherever_one_stands(name: str | None) -> None:
    given = {} if name is None else {"model": name}
    assert prepared(several(given, {}), batch=True) == {
        "requests": [{"content": HELLO, "model": "models/up"}, {"content": HELLO, "model": "models/up"}]
    }
    assert prepared(single(**given), batch=False).get("model") == (None if name is None else "models/up")


def test_identity_keeps_every_value_byte_for_byte() -> None:
    text = b'{"requests":[{"content":{"parts":[{"text":"\\u00e4"}] }, "x":1E2}], "y" : 2.50}'
    body, fields = identity_request.parse(text, batch=True)
    requests = identity_request.validate(body, model(), RequestBounds(), batch=True)
    assert identity_request.prepare(requests, fields, model(), "up", Capabilities()) == (
        b'{"requests":[{"content":{"parts":[{"text":"\\u00e4"}] },"x":1E2,"model":"models/up"}],"y":2.50}'
    )


def test_catalogue_defaults_and_unknown_parameters() -> None:
    more: dict[str, Any] = {"unknown_params": "drop", "defaults": {"dimensions": Raw(b"64")}}
    assert prepared(single(extra=1), batch=False, **more) == {"content": HELLO, "outputDimensionality": 64}
    found = prepared(several({"extra": 1}, {"output_dimensionality": 8}), batch=True, **more)["requests"]
    assert [one["outputDimensionality"] for one in found] == [64, 8]
    assert "extra" not in found[0]


def test_T111_a_batch_is_read_with_all_it_says() -> None:
    call = read(
        several(
            {"taskType": "RETRIEVAL_DOCUMENT", "title": "T", "outputDimensionality": 8},
            {
                "task_type": "TASK_TYPE_UNSPECIFIED",
                "content": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            },
            {"embedContentConfig": {"task_type": "CLUSTERING", "outputDimensionality": 9, "autoTruncate": True}},
        ),
        batch=True,
    )
    assert call.inputs == (
        Input(content="Hello", dimensions=8, task_type="RETRIEVAL_DOCUMENT", title="T", path="requests[0]"),
        Input(content="ab", path="requests[1]"),
        Input(content="Hello", dimensions=9, task_type="CLUSTERING", path="requests[2]"),
    )
    assert (call.model, call.batch, call.encoding) == ("public", True, "float")
    assert call.ext == {"requests[].embedContentConfig.autoTruncate": Raw(b"true")}
    assert call.spelled("dimensions") == "requests[].outputDimensionality"


def test_a_single_content_is_read() -> None:
    call = read(single(taskType="CLUSTERING", extra=1), batch=False)
    assert call.inputs == (Input(content="Hello", task_type="CLUSTERING", path="content"),)
    assert (call.batch, call.ext, call.spelled("title")) == (False, {"extra": Raw(b"1")}, "title")


@pytest.mark.parametrize(
    "part", [PICTURE, {"inline_data": {"mime_type": "image/png"}}, {"functionCall": {"name": "f"}}]
)
def test_anything_but_text_is_refused_on_the_way_to_another_provider(part: dict[str, Any]) -> None:
    content = {"parts": [{"text": "a"}, part]}
    for text, batch, param in (
        (single(content=content), False, "content.parts[1]"),
        (several({}, {"content": content}), True, "requests[1].content.parts[1]"),
    ):
        with pytest.raises(RequestRefused) as caught:
            read(text, batch=batch)
        assert (caught.value.problem.kind, caught.value.problem.param) == (Kind.PARAM, param)


def asked(*inputs: Input, **more: Any) -> EmbeddingCall:
    return EmbeddingCall(origin="openai/embeddings", model="m", inputs=inputs, **more)


def test_a_call_is_written_as_a_batch() -> None:
    sent, lost = written(
        asked(
            Input(content="a", dimensions=8, task_type="retrieval_document", title="T"),
            Input(content="b"),
            user="u",
            ext={"input_type": Raw(b'"query"')},
        )
    )
    assert sent == [
        {
            "requests": [
                {
                    "model": "models/up",
                    "content": {"parts": [{"text": "a"}]},
                    "taskType": "RETRIEVAL_DOCUMENT",
                    "title": "T",
                    "outputDimensionality": 8,
                },
                {"model": "models/up", "content": {"parts": [{"text": "b"}]}},
            ]
        }
    ]
    assert lost == "dropped=user,input_type"


def test_tokens_mean_nothing_to_another_model() -> None:
    with pytest.raises(RequestRefused) as caught:
        written(asked(Input(content="a"), Input(content=(1, 2), path="input[1]")))
    assert (caught.value.problem.kind, caught.value.problem.param) == (Kind.PARAM, "input[1]")


def test_lengths_that_the_model_cannot_make_are_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        written(asked(Input(content="a", dimensions=8)), embedding_dimensions=(16,))
    assert (caught.value.problem.param, caught.value.problem.status) == ("dimensions", 422)


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_batches_of_more_than_a_hundred_are_split_in_order(count: int, sizes: list[int]) -> None:
    sent, _ = written(asked(*(Input(content=str(at)) for at in range(count))))
    assert [len(one["requests"]) for one in sent] == sizes
    texts = [item["content"]["parts"][0]["text"] for one in sent for item in one["requests"]]
    assert texts == [str(at) for at in range(count)]


def test_the_address_names_the_model() -> None:
    to = Destination(model="a/b c", family="a", capabilities=Capabilities())
    assert write_request.path(to) == "/v1beta/models/a%2Fb%20c:batchEmbedContents"


def test_a_call_crosses_both_protocols_and_back() -> None:
    call = read_openai.read(b'{"model":"m","input":["a","b"],"dimensions":8}', model="m")
    to = Destination(model="up", family="up", capabilities=Capabilities())
    [there] = write_request.write(call, to, Losses())
    body, fields = identity_request.parse(there, batch=True)
    requests = identity_request.validate(body, model(aliases=("up",)), RequestBounds(), batch=True)
    losses = Losses()
    [back] = write_openai.write(read_request.read(requests, fields, model="m"), to, losses)
    assert json.loads(back) == {"model": "up", "input": ["a", "b"], "encoding_format": "float", "dimensions": 8}
    assert not losses


@pytest.mark.parametrize("exchange", exchanges("gemini-embeddings"), ids=lambda one: one.id)
def test_recorded_requests_are_read_and_passed_on(exchange: Exchange) -> None:
    assert exchange.request is not None
    assert exchange.request.body is not None
    recorded = json.loads(exchange.request.body)
    batch = exchange.request.path.endswith(":batchEmbedContents")
    name = recorded["requests"][0]["model"].removeprefix("models/") if batch else "m"
    text = exchange.request.body.encode()
    body, fields = identity_request.parse(text, batch=batch)
    requests = identity_request.validate(body, model(aliases=(name,)), RequestBounds(), batch=batch)
    call = read_request.read(requests, fields, model="m")
    assert [one.content for one in call.inputs] == [
        one["content"]["parts"][0]["text"] for one in (recorded["requests"] if batch else [recorded])
    ]
    sent = json.loads(identity_request.prepare(requests, fields, model(), name, Capabilities()))
    assert sent == recorded
