"""fal's queue as requests and answers."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.secret import Secret
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.fal import MAKER
from nexusflow.protocols.makers.maker import Answer
from nexusflow.upstream import auth
from tests.support import making
from tests.support.making import PNG, answer, asked, destination, image, refused, video

FLUX = "fal-ai/flux/dev"
ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
HANDLE = f"fal-ai/flux/requests/{ID}"
BASE = f"https://queue.fal.run/{HANDLE}"
ACCEPTED = {
    "status": "IN_QUEUE",
    "request_id": ID,
    "response_url": BASE,
    "status_url": f"{BASE}/status",
    "cancel_url": f"{BASE}/cancel",
    "queue_position": 3,
}
FILE = "https://v3.fal.media/files/rabbit/abc.png"


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (image(), b'{"prompt":"A cat"}'),
        (
            image(size="1024x768", n=2, seed=7, output_format="jpeg", extra={"guidance_scale": Raw(b"3.5")}),
            b'{"prompt":"A cat","image_size":{"width":1024,"height":768},"num_images":2,"seed":7,'
            b'"output_format":"jpeg","guidance_scale":3.5}',
        ),
        (
            image(images=(PNG,), mask="https://example.com/m.png"),
            b'{"prompt":"A cat","image_url":"' + PNG.encode() + b'","mask_url":"https://example.com/m.png"}',
        ),
        (
            image(images=("https://example.com/a", "https://example.com/b"), ratio="4:3"),
            b'{"prompt":"A cat","aspect_ratio":"4:3","image_urls":["https://example.com/a","https://example.com/b"]}',
        ),
        (
            video(
                duration=8,
                resolution="1080P",
                audio=False,
                first_frame="https://example.com/a",
                last_frame="https://example.com/b",
                negative_prompt="dogs",
            ),
            b'{"prompt":"A cat runs","negative_prompt":"dogs","resolution":"1080p","duration":"8",'
            b'"generate_audio":false,"image_url":"https://example.com/a","end_image_url":"https://example.com/b"}',
        ),
        (video(video="https://example.com/v"), b'{"prompt":"A cat runs","video_url":"https://example.com/v"}'),
    ],
)
def test_a_brief_is_written_with_the_usual_names(brief: Brief, body: bytes) -> None:
    request = asked(MAKER, brief, FLUX)
    assert (request.method, request.path, request.body) == ("POST", "/fal-ai/flux/dev", body)


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (image(moderation="low"), "moderation"),
        (image(output_compression=80), "output_compression"),
        (video(watermark=True), "watermark"),
        (video(n=2), "n"),
        (image(size="big"), "size"),
        (video(images=(PNG,), first_frame=PNG), "images"),
        (image(extra={"num_images": Raw(b"8")}), "num_images"),
    ],
)
def test_what_no_model_has_a_name_for_is_refused(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, FLUX)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize("model", ["flux", "fal-ai/../x", "fal-ai/flux?x", "", "/fal-ai/flux"])
def test_a_model_by_another_name_cannot_be_asked(model: str) -> None:
    assert refused(MAKER, image(), model).kind is Kind.UNAVAILABLE


def test_the_provider_says_where_a_request_is_asked_for() -> None:
    """Under the app alone, without the rest of the model's name."""
    assert MAKER.submitted(image(), [answer(ACCEPTED)]) == Running(handle=HANDLE, queued=True)
    request = MAKER.poll(HANDLE, destination(FLUX))
    assert (request.method, request.path) == ("GET", f"/{HANDLE}/status")
    cancel = MAKER.cancel(HANDLE, destination(FLUX))
    assert cancel is not None
    assert (cancel.method, cancel.path) == ("PUT", f"/{HANDLE}/cancel")


@pytest.mark.parametrize(
    "url", [None, 7, "https://evil.example/", f"https://x/a/../requests/{ID}", f"https://x/requests/{ID}"]
)
def test_an_address_of_another_kind_is_not_followed(url: Any) -> None:
    """SEC-23: only the path is ever believed, and only where it is one of requests."""
    running = MAKER.submitted(image(), [answer({**ACCEPTED, "response_url": url})])
    assert running == Running(handle=ID, queued=True)
    assert MAKER.poll(ID, destination(FLUX)).path == f"/{HANDLE}/status"


def test_of_another_host_only_the_path_is_taken() -> None:
    running = MAKER.submitted(image(), [answer({**ACCEPTED, "response_url": f"https://evil.example/{HANDLE}"})])
    assert running == Running(handle=HANDLE, queued=True)


def test_what_is_complete_is_fetched_by_the_next_poll() -> None:
    ended = MAKER.polled(image(), HANDLE, answer({"status": "COMPLETED", "response_url": BASE, "logs": []}))
    assert ended == Running(handle=f"result:{HANDLE}", wait_s=0)
    assert MAKER.poll(f"result:{HANDLE}", destination(FLUX)).path == f"/{HANDLE}"
    assert MAKER.cancel(f"result:{HANDLE}", destination(FLUX)) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "IN_QUEUE", "queue_position": 0}, Running(handle=HANDLE, queued=True)),
        ({"status": "IN_PROGRESS", "logs": [{"message": "10%"}]}, Running(handle=HANDLE)),
        (
            {"status": "COMPLETED", "error": "The runner timed out.", "error_type": "request_timeout"},
            Failed(message="The runner timed out.", code="request_timeout"),
        ),
        (
            {"status": "COMPLETED", "error": "No.", "error_type": "content_policy_violation"},
            Failed(message="No.", code="content_policy_violation"),
        ),
        ({"status": "CANCELED"}, Failed(message="The provider could not make it.", code="cancelled")),
        ({"status": "FAILED", "error": {"a": 1}}, Failed(message="The provider could not make it.")),
    ],
)
def test_every_status_is_read(body: Any, expected: Any) -> None:
    assert MAKER.polled(image(), HANDLE, answer(body)) == expected


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        (
            {
                "images": [{"url": FILE, "content_type": "image/jpeg", "width": 1024, "height": 768}],
                "timings": {"inference": 1.2},
                "seed": 7,
                "has_nsfw_concepts": [False],
                "prompt": "A cat",
            },
            (Output(url=FILE, mime="image/jpeg"),),
        ),
        ({"image": {"url": FILE}}, (Output(url=FILE, mime="image/png"),)),
        (
            {"images": [FILE, {"url": PNG}]},
            (Output(url=FILE, mime="image/png"), Output(data=making.PNG_DATA, mime="image/png")),
        ),
        (
            {
                "video": {"url": "https://v3.fal.media/a.mp4", "content_type": "video/mp4", "duration": 5.04},
                "thumbnail": FILE,
            },
            (Output(url="https://v3.fal.media/a.mp4", mime="video/mp4", seconds=5.04),),
        ),
        ({"output": {"file": FILE}}, (Output(url=FILE, mime="image/png"),)),
    ],
)
def test_a_result_holds_files(body: Any, outputs: tuple[Output, ...]) -> None:
    assert MAKER.polled(image(), f"result:{HANDLE}", answer(body)) == Made(outputs=outputs)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, Failed(message="The provider answered without a file.")),
        ({"images": []}, Failed(message="The provider answered without a file.")),
        (
            {"detail": [{"loc": ["body"], "msg": "Flagged.", "type": "content_policy_violation"}]},
            Failed(message="Flagged.", code="content_policy_violation"),
        ),
    ],
)
def test_a_result_without_a_file_is_a_failure(body: Any, expected: Failed) -> None:
    assert MAKER.polled(image(), f"result:{HANDLE}", answer(body)) == expected


def test_a_refusal_names_the_field() -> None:
    wrong = {"loc": ["body", "image_size", "width"], "msg": "Too wide.", "type": "less_than_equal"}
    problem = MAKER.refusal(422, answer({"detail": [wrong]}).body, None)
    assert (problem.kind, problem.param, problem.message) == (Kind.PARAM, "image_size.width", "Too wide.")
    flagged = {"loc": ["body", "prompt"], "msg": "Flagged.", "type": "content_policy_violation"}
    for body in ({"detail": [flagged]}, [flagged]):
        assert MAKER.refusal(422, answer(body).body, None).kind is Kind.CONTENT
    assert MAKER.refusal(422, b'{"detail":"No such path"}', None).message == "No such path"
    for body in (b"", b"<html>", b"[]", b'{"detail":[]}', b'{"detail":[{"loc":7}]}', b'{"detail":' + b"[" * 100_000):
        assert MAKER.refusal(422, body, None).kind is Kind.PARAM
    assert MAKER.refusal(403, b'{"detail":"User is locked."}', None).kind is Kind.UPSTREAM


def test_the_credential_goes_under_the_scheme_key() -> None:
    assert auth.headers("key", Secret("id:secret")) == {"authorization": "Key id:secret"}


@pytest.mark.parametrize("body", [{}, {"request_id": "../x"}, {"request_id": ""}, {"request_id": 7}])
def test_an_answer_that_names_no_request_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(image(), [answer(body)])


NAMES = (
    "status",
    "request_id",
    "response_url",
    "images",
    "video",
    "url",
    "detail",
    "error",
    "error_type",
    "msg",
    "loc",
)


@given(making.any_json(*NAMES, values=("COMPLETED", "FAILED", FILE, PNG, BASE)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for handle in (HANDLE, f"result:{HANDLE}"):
        for read in making.reads_or_raises(MAKER, image(), handle, answer(body)):
            assert not isinstance(read, Made) or read.outputs


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"images":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    for handle in (HANDLE, f"result:{HANDLE}"):
        with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
            MAKER.polled(image(), handle, Answer(body=body))
