"""OpenAI's images as requests and answers (protocols 1.7)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Failed, Made
from nexusflow.protocols.makers.maker import Answer
from nexusflow.protocols.makers.openai_images import MAKER
from tests.support import corpus, making
from tests.support.making import JPEG, PNG, PNG_DATA, answer, asked, destination, image, refused

RECORDED = corpus.exchanges("openai-images")
GPT = "gpt-image-2"


@pytest.mark.parametrize(
    ("model", "brief", "body"),
    [
        (GPT, image(), b'{"model":"gpt-image-2","prompt":"A cat"}'),
        (
            GPT,
            image(
                n=3,
                size="1024x1536",
                quality="high",
                background="transparent",
                output_format="webp",
                output_compression=80,
                moderation="low",
                user="u1",
            ),
            b'{"model":"gpt-image-2","prompt":"A cat","n":3,"size":"1024x1536","quality":"high",'
            b'"background":"transparent","output_format":"webp","output_compression":80,"moderation":"low","user":"u1"}',
        ),
        (
            GPT,
            image(size="auto", quality="auto", extra={"complexity": Raw(b'"high"')}),
            b'{"model":"gpt-image-2","prompt":"A cat","complexity":"high"}',
        ),
        (
            "dall-e-3",
            image(size="1024x1792", quality="hd", style="vivid"),
            b'{"model":"dall-e-3","prompt":"A cat","size":"1024x1792","quality":"hd","style":"vivid",'
            b'"response_format":"b64_json"}',
        ),
        (
            "dall-e-2",
            image(n=2, size="256x256", quality="standard"),
            b'{"model":"dall-e-2","prompt":"A cat","n":2,"size":"256x256","response_format":"b64_json"}',
        ),
        (
            "flux-dev",
            image(seed=7, negative_prompt="dogs", style="natural"),
            b'{"model":"flux-dev","prompt":"A cat","style":"natural","seed":7,"negative_prompt":"dogs"}',
        ),
    ],
)
def test_generations_are_asked_for_in_json(model: str, brief: Any, body: bytes) -> None:
    request = asked(MAKER, brief, model)
    assert (request.method, request.path, request.content_type) == ("POST", "/images/generations", "application/json")
    assert request.body == body


def test_dall_e_3_makes_several_images_by_several_calls() -> None:
    requests = MAKER.submit(image(n=3), destination("dall-e-3"), making.REFERENCE)
    assert len(requests) == 3
    assert {request.body for request in requests} == {
        b'{"model":"dall-e-3","prompt":"A cat","response_format":"b64_json"}'
    }


def test_an_edit_is_a_form_with_the_pictures_in_order_and_the_mask() -> None:
    brief = image(
        "Make it \u00e9 red",
        images=(PNG, JPEG),
        mask=PNG,
        n=2,
        input_fidelity="high",
        extra={"markup_level": Raw(b"3")},
    )
    request = asked(MAKER, brief, GPT)
    assert request.path == "/images/edits"
    boundary = request.content_type.removeprefix("multipart/form-data; boundary=")
    png, jpeg = making.base64_bytes(PNG), making.base64_bytes(JPEG)
    line = f"--{boundary}\r\nContent-Disposition: form-data; name=".encode()
    assert request.body == (
        line + b'"model"\r\n\r\ngpt-image-2\r\n'
        + line + b'"prompt"\r\n\r\nMake it \xc3\xa9 red\r\n'
        + line + b'"n"\r\n\r\n2\r\n'
        + line + b'"markup_level"\r\n\r\n3\r\n'
        + line + b'"input_fidelity"\r\n\r\nhigh\r\n'
        + line + b'"image[]"; filename="image-1.png"\r\nContent-Type: image/png\r\n\r\n' + png + b"\r\n"
        + line + b'"image[]"; filename="image-2.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + jpeg + b"\r\n"
        + line + b'"mask"; filename="mask.png"\r\nContent-Type: image/png\r\n\r\n' + png + b"\r\n"
        + f"--{boundary}--\r\n".encode()
    )  # fmt: skip


def test_one_picture_is_sent_under_the_plain_name() -> None:
    body = asked(MAKER, image(images=(PNG,)), GPT).body
    assert b'name="image"; filename="image-1.png"' in body


def test_a_variation_is_made_of_one_image_without_a_prompt() -> None:
    brief = image("", images=(PNG,), n=2, size="512x512", extra={"variation": Raw(b"true")})
    request = asked(MAKER, brief, "dall-e-2")
    assert request.path == "/images/variations"
    names = [part.split(b'"')[1] for part in request.body.split(b"; name=")[1:]]
    assert names == [b"model", b"n", b"size", b"response_format", b"image"]


@pytest.mark.parametrize(
    ("model", "brief", "param"),
    [
        (GPT, image(style="vivid"), "style"),
        (GPT, image(seed=1), "seed"),
        (GPT, image(negative_prompt="dogs"), "negative_prompt"),
        (GPT, image(ratio="16:9"), "ratio"),
        (GPT, image(mask=PNG), "mask"),
        (GPT, image(input_fidelity="high"), "input_fidelity"),
        (GPT, image(n=11), "n"),
        (GPT, image(images=(PNG,) * 17), "images"),
        (GPT, image(images=("data:image/png,abc",)), "images"),
        (GPT, image(watermark=False), "watermark"),
        (GPT, image(extra={"n": Raw(b"10")}), "n"),
        (GPT, image(extra={"stream": Raw(b"true")}), "stream"),
        ("dall-e-3", image(images=(PNG,)), "images"),
        ("dall-e-3", image(output_format="png"), "output_format"),
        ("dall-e-2", image(images=(PNG, PNG)), "images"),
        ("dall-e-2", image(extra={"variation": Raw(b"true")}), "images"),
        ("dall-e-2", image(images=(PNG,), mask=PNG, extra={"variation": Raw(b"true")}), "mask"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_name(model: str, brief: Any, param: str) -> None:
    problem = refused(MAKER, brief, model)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def test_an_address_that_nobody_fetched_is_our_own_mistake() -> None:
    assert MAKER.wants_bytes
    with pytest.raises(ValueError, match="still an address"):
        asked(MAKER, image(images=("https://example.com/a.png",)), GPT)


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda exchange: exchange.id)
def test_every_recorded_answer_is_read(exchange: corpus.Exchange) -> None:
    found = exchange.response
    if found.status != 200:
        problem = MAKER.refusal(found.status, found.data, None)
        assert (problem.kind, problem.code, problem.status) == (Kind.PARAM, "unknown_parameter", 400)
        return
    made = MAKER.submitted(image(), [Answer(body=found.data)])
    assert isinstance(made, Made)
    said = found.json()
    assert len(made.outputs) == len(said["data"])
    for output, entry in zip(made.outputs, said["data"], strict=True):
        assert output.url == entry.get("url")
        assert (output.data is None) == ("b64_json" not in entry)
        assert output.revised_prompt == entry.get("revised_prompt")
        assert output.data is None or output.mime == "image/png"


def test_all_that_an_answer_says_is_kept() -> None:
    usage = {
        "input_tokens": 432,
        "input_tokens_details": {"image_tokens": 388, "text_tokens": 44},
        "output_tokens": 4160,
        "total_tokens": 4592,
    }
    made = MAKER.submitted(
        image(),
        [
            answer(
                {
                    "created": 1,
                    "data": [{"b64_json": "AAAA"}],
                    "background": "opaque",
                    "output_format": "jpeg",
                    "quality": "high",
                    "size": "1024x1024",
                    "usage": usage,
                }
            )
        ],
    )
    assert isinstance(made, Made)
    assert (made.background, made.output_format, made.quality, made.size) == ("opaque", "jpeg", "high", "1024x1024")
    assert (made.input_text_tokens, made.input_image_tokens, made.output_tokens) == (44, 388, 4160)
    assert made.usage is not None
    assert made.outputs[0].mime == "image/jpeg"


def test_several_answers_are_one_result_and_their_tokens_are_added() -> None:
    one = {"data": [{"b64_json": PNG_DATA}], "usage": {"input_tokens": 5, "output_tokens": 7}}
    made = MAKER.submitted(image(n=2), [answer(one), answer({"data": []}), answer(one)])
    assert isinstance(made, Made)
    assert len(made.outputs) == 2
    assert (made.input_text_tokens, made.input_image_tokens, made.output_tokens) == (10, None, 14)


def test_tokens_of_text_are_what_is_left_where_only_those_of_images_are_told() -> None:
    usage = {"input_tokens": 432, "input_tokens_details": {"image_tokens": 388}}
    made = MAKER.submitted(image(), [answer({"data": [{"b64_json": PNG_DATA}], "usage": usage})])
    assert isinstance(made, Made)
    assert (made.input_text_tokens, made.input_image_tokens, made.output_tokens) == (44, 388, None)


def test_B08_a_report_that_is_no_report_does_not_cost_the_images() -> None:
    for usage in ([1], "x", {"input_tokens": "5", "output_tokens": -1}, {"input_tokens": 2.5}):
        made = MAKER.submitted(image(), [answer({"data": [{"b64_json": PNG_DATA}], "usage": usage})])
        assert isinstance(made, Made)
        assert (made.input_text_tokens, made.output_tokens) == (None, None)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"data": [{}]}, {"data": [{"url": "ftp://x"}]}])
def test_an_answer_without_an_image_is_a_failure(body: Any) -> None:
    assert MAKER.submitted(image(), [answer(body)]) == Failed(message="The provider answered without an image.")


def test_U16_an_error_inside_an_answer_of_success_is_a_failure() -> None:
    error = {"message": "Blocked by safety.", "type": "invalid_request_error", "code": "moderation_blocked"}
    failed = MAKER.submitted(image(), [answer({"error": error})])
    assert failed == Failed(message="Blocked by safety.", code="content_policy_violation")


@pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
def test_a_refusal_for_content_is_one_of_content(code: str) -> None:
    error = {"error": {"message": "Not this.", "type": "image_generation_user_error", "code": code, "param": None}}
    problem = MAKER.refusal(400, answer(error).body, None)
    assert (problem.kind, problem.message) == (Kind.CONTENT, "Not this.")


@given(making.any_json("data", "b64_json", "url", "usage", "error", "message", "output_format", "input_tokens"))
def test_any_json_is_read_or_refused(body: Any) -> None:
    making.reads_or_raises(MAKER, image(), "x", answer(body))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b"\xff", b'{"data":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(image(), [Answer(body=body)])


def test_what_is_seen_of_an_image_is_asked_for_where_the_model_shows_it() -> None:
    wanted = b'{"model":"gpt-image-2","prompt":"A cat","stream":true,"partial_images":2}'
    assert asked(MAKER, image(partials=2), GPT).body == wanted
    assert b"stream" not in asked(MAKER, image(partials=2), "flux-dev").body


def event(**fields: Any) -> bytes:
    return msgspec.json.encode({"b64_json": PNG_DATA, "size": "1024x1024", "quality": "high", **fields})


def test_sketches_and_the_end_of_a_stream() -> None:
    sketch = MAKER.sketch(event(type="image_generation.partial_image", partial_image_index=1))
    assert sketch is not None
    assert (sketch.index, sketch.data, sketch.look) == (1, PNG_DATA, {"size": "1024x1024", "quality": "high"})
    last = event(type="image_edit.completed", usage={"input_tokens": 3, "output_tokens": 7}, output_format="png")
    assert MAKER.sketch(last) is None
    made = MAKER.submitted(image(partials=1), [Answer(body=b"", events=(last,))])
    assert isinstance(made, Made)
    assert [one.data for one in made.outputs] == [PNG_DATA]
    assert (made.size, made.output_format, made.output_tokens) == ("1024x1024", "png", 7)


def test_a_stream_that_ends_in_an_error_or_nowhere() -> None:
    error = {"type": "image_generation_user_error", "code": "moderation_blocked", "message": "Not this."}
    told = MAKER.submitted(
        image(), [Answer(body=b"", events=(msgspec.json.encode({"type": "error", "error": error}),))]
    )
    assert isinstance(told, Failed)
    assert told.code == "content_policy_violation"
    with pytest.raises(ValueError, match="before the image"):
        MAKER.submitted(image(), [Answer(body=b"", events=(event(type="image_generation.partial"),))])
