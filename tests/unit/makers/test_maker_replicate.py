"""Replicate's predictions as requests and answers."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer
from nexusflow.protocols.makers.replicate import MAKER
from tests.support import corpus, making
from tests.support.making import PNG, answer, asked, destination, image, refused, video

RECORDED = corpus.exchanges("replicate-task")
FLUX = "black-forest-labs/flux-schnell"
VERSION = "ac732df83cea7fff18b8472768c88ad041fa750ff7682a21affe81863cbe77e4"
FILE = "https://replicate.delivery/pbxt/abc/out-0.png"


def sent(request: corpus.Sent) -> Any:
    """The body of a recorded request."""
    return msgspec.json.decode(request.body or "null")


@pytest.mark.parametrize(
    ("model", "path", "body"),
    [
        (FLUX, f"/models/{FLUX}/predictions", b'{"input":{"prompt":"A cat"}}'),
        (f"{FLUX}:{VERSION}", "/predictions", b'{"version":"' + VERSION.encode() + b'","input":{"prompt":"A cat"}}'),
        (VERSION, "/predictions", b'{"version":"' + VERSION.encode() + b'","input":{"prompt":"A cat"}}'),
        ("deployments/acme/fast", "/deployments/acme/fast/predictions", b'{"input":{"prompt":"A cat"}}'),
    ],
)
def test_a_model_is_named_in_four_ways(model: str, path: str, body: bytes) -> None:
    request = asked(MAKER, image(), model)
    assert (request.method, request.path, request.body) == ("POST", path, body)


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (
            image(size="1024x768", n=2, seed=7, negative_prompt="dogs", output_format="webp", output_compression=80),
            b'{"input":{"prompt":"A cat","negative_prompt":"dogs","width":1024,"height":768,"num_outputs":2,"seed":7,'
            b'"output_format":"webp","output_quality":80}}',
        ),
        (
            image(images=(PNG,), mask="https://example.com/m.png", ratio="16:9"),
            b'{"input":{"prompt":"A cat","aspect_ratio":"16:9","image":"' + PNG.encode() + b'",'
            b'"mask":"https://example.com/m.png"}}',
        ),
        (
            image(images=("https://example.com/a", "https://example.com/b"), quality="auto", style="noir"),
            b'{"input":{"prompt":"A cat","style":"noir","image_input":["https://example.com/a","https://example.com/b"]}}',
        ),
        (
            video(
                duration=5,
                resolution="720P",
                audio=True,
                first_frame="https://example.com/a",
                last_frame="https://example.com/b",
                extra={"guidance": Raw(b"3.5")},
            ),
            b'{"input":{"prompt":"A cat runs","resolution":"720p","duration":5,"generate_audio":true,'
            b'"image":"https://example.com/a","last_frame":"https://example.com/b","guidance":3.5}}',
        ),
        (
            image(extra={"input_image": Raw(b'"https://example.com/a"')}),
            b'{"input":{"prompt":"A cat","input_image":"https://example.com/a"}}',
        ),
    ],
)
def test_a_brief_is_written_with_the_usual_names(brief: Brief, body: bytes) -> None:
    assert asked(MAKER, brief, FLUX).body == body


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (image(moderation="low"), "moderation"),
        (image(input_fidelity="high"), "input_fidelity"),
        (video(watermark=True), "watermark"),
        (video(n=2), "n"),
        (image(n=11), "n"),
        (image(size="big"), "size"),
        (video(images=(PNG,), first_frame=PNG), "images"),
        (image(extra={"num_outputs": Raw(b"8")}), "num_outputs"),
    ],
)
def test_what_no_model_has_a_name_for_is_refused(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, FLUX)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize("model", ["flux", "a/b/c", "../x", "a/..", "a b/c", "a/b?c"])
def test_a_model_by_another_name_cannot_be_asked(model: str) -> None:
    assert refused(MAKER, image(), model).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda exchange: exchange.id)
def test_every_recorded_answer_is_read(exchange: corpus.Exchange) -> None:
    assert exchange.request is not None
    said = exchange.response.json()
    found = Answer(body=exchange.response.data, status=exchange.response.status)
    polled = exchange.request.method == "GET"
    read = MAKER.polled(image(), said["id"], found) if polled else MAKER.submitted(image(), [found])
    if said["status"] == "succeeded":
        assert read == Made(outputs=(Output(url=said["output"][0], mime="image/png"),), usage=read.usage)
        assert read.usage is not None
        assert b"predict_time" in bytes(read.usage)
    else:
        assert read == Running(handle=said["id"], queued=said["status"] == "starting")
    if polled:
        assert MAKER.poll(said["id"], destination(FLUX)).path == exchange.request.path.removeprefix("/v1")


def test_a_recorded_request_is_what_is_sent() -> None:
    """The two ways to start a prediction, with paths and bodies as a real client had them."""
    started = {exchange.request.path: exchange.request for exchange in RECORDED if exchange.request}
    version = sent(started["/v1/predictions"])["version"]
    for model, prompt in ((version, "robots"), ("meta/llama-2-70b-chat", "tell me a joke about opentelemetry")):
        request = asked(MAKER, image(prompt), model)
        theirs = sent(started["/v1" + request.path])
        assert msgspec.json.decode(request.body) == {name: theirs[name] for name in theirs if name != "stream"}


@pytest.mark.parametrize(
    ("output", "urls"),
    [
        (FILE, [FILE]),
        ([FILE, FILE], [FILE, FILE]),
        ({"video": FILE, "frames": [FILE]}, [FILE, FILE]),
        ([{"url": FILE, "content_type": "image/webp"}], [FILE]),
        (["Once", " upon", FILE], [FILE]),
    ],
)
def test_files_are_found_wherever_the_model_put_them(output: Any, urls: list[str]) -> None:
    made = MAKER.polled(image(), "p1", answer({"id": "p1", "status": "succeeded", "output": output}))
    assert isinstance(made, Made)
    assert [found.url for found in made.outputs] == urls


def test_a_file_may_be_in_the_answer_itself() -> None:
    made = MAKER.polled(image(), "p1", answer({"id": "p1", "status": "succeeded", "output": [PNG]}))
    assert made == Made(outputs=(Output(data=making.PNG_DATA, mime="image/png"),))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "failed", "error": "CUDA out of memory"}, Failed(message="CUDA out of memory")),
        (
            {"status": "failed", "error": "NSFW content detected. Try another prompt."},
            Failed(message="NSFW content detected. Try another prompt.", code="content_policy_violation"),
        ),
        ({"status": "failed", "error": None}, Failed(message="The provider could not make it.")),
        ({"status": "canceled"}, Failed(message="The prediction was canceled.", code="cancelled")),
        ({"status": "aborted"}, Failed(message="The prediction was aborted.", code="expired")),
        ({"status": "succeeded", "output": ["text"]}, Failed(message="The provider answered without a file.")),
        (
            {"status": "succeeded", "output": None, "data_removed": True},
            Failed(message="The provider no longer keeps the result.", code="expired"),
        ),
    ],
)
def test_a_prediction_that_came_to_nothing_says_why(body: Any, expected: Failed) -> None:
    assert MAKER.polled(image(), "p1", answer({"id": "p1", **body})) == expected


def test_a_prediction_can_be_called_off() -> None:
    request = MAKER.cancel("p1", destination(FLUX))
    assert request is not None
    assert (request.method, request.path, request.body) == ("POST", "/predictions/p1/cancel", b"")


def test_a_refusal_says_what_detail_says() -> None:
    body = answer({"title": "Input validation failed", "detail": "- input: prompt is required\n", "status": 422}).body
    problem = MAKER.refusal(422, body, None)
    assert (problem.kind, problem.message, problem.status) == (Kind.PARAM, "- input: prompt is required", 422)
    assert MAKER.refusal(402, b'{"title":"Insufficient credit"}', None).kind is Kind.UPSTREAM


@pytest.mark.parametrize(
    "body", [{}, {"status": "odd", "id": "p"}, {"status": "starting"}, {"status": "starting", "id": "a/b"}]
)
def test_what_is_no_prediction_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(image(), [answer(body)])


@given(
    making.any_json(
        "status", "id", "output", "error", "metrics", "url", values=("succeeded", "failed", "starting", FILE)
    )
)
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, image(), "p1", answer(body)):
        assert not isinstance(read, Made) or read.outputs


def test_nesting_without_end_is_refused() -> None:
    for body in (b"", b"[]", b"\xff", b'{"status":"succeeded","output":' + b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
            MAKER.polled(image(), "p1", Answer(body=body))
