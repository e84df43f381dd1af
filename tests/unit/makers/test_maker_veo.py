"""Veo's films as requests and answers (protocols 1.7)."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer
from nexusflow.protocols.makers.veo import MAKER
from tests.support import making
from tests.support.making import JPEG, JPEG_DATA, PNG, PNG_DATA, answer, asked, destination, refused, video

VEO = "veo-3.1-generate-preview"
NAME = "models/veo-3.1-generate-preview/operations/abc123"
URI = "https://generativelanguage.googleapis.com/v1beta/files/xyz:download?alt=media"
PNG_JSON = f'{{"bytesBase64Encoded":"{PNG_DATA}","mimeType":"image/png"}}'.encode()
JPEG_JSON = f'{{"bytesBase64Encoded":"{JPEG_DATA}","mimeType":"image/jpeg"}}'.encode()
CONTENT = "content_policy_violation"


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (video(), b'{"instances":[{"prompt":"A cat runs"}]}'),
        (
            video(
                ratio="9:16",
                resolution="1080P",
                duration=8,
                negative_prompt="dogs",
                seed=7,
                n=2,
                audio=False,
                extra={"personGeneration": Raw(b'"allow_adult"')},
            ),
            b'{"instances":[{"prompt":"A cat runs"}],"parameters":{"aspectRatio":"9:16","resolution":"1080p",'
            b'"durationSeconds":8,"negativePrompt":"dogs","seed":7,"sampleCount":2,"generateAudio":false,'
            b'"personGeneration":"allow_adult"}}',
        ),
        (
            video(size="1280x720"),
            b'{"instances":[{"prompt":"A cat runs"}],"parameters":{"aspectRatio":"16:9","resolution":"720p"}}',
        ),
        (
            video(first_frame=PNG, last_frame=JPEG),
            b'{"instances":[{"prompt":"A cat runs","image":' + PNG_JSON + b',"lastFrame":' + JPEG_JSON + b"}]}",
        ),
        (
            video(images=(PNG, JPEG)),
            b'{"instances":[{"prompt":"A cat runs","referenceImages":[{"image":'
            + PNG_JSON
            + b',"referenceType":"asset"},{"image":'
            + JPEG_JSON
            + b',"referenceType":"asset"}]}]}',
        ),
    ],
)
def test_a_film_is_asked_for_as_a_long_prediction(brief: Any, body: bytes) -> None:
    request = asked(MAKER, brief, VEO)
    assert (request.method, request.path) == ("POST", f"/v1beta/models/{VEO}:predictLongRunning")
    assert request.body == body


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(ratio="1:1"), "ratio"),
        (video(resolution="360P"), "resolution"),
        (video(size="1024x1024"), "size"),
        (video(size="1600x900"), "size"),
        (video(last_frame=PNG), "last_frame"),
        (video(images=(PNG,) * 4), "images"),
        (video(first_frame="https:/x"), "first_frame"),
        (video(video="https://example.com/a.mp4"), "video"),
        (video(watermark=True), "watermark"),
        (video(style="noir"), "style"),
        (video(n=5), "n"),
        (video(extra={"durationSeconds": Raw(b"60")}), "durationSeconds"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Any, param: str) -> None:
    problem = refused(MAKER, brief, VEO)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def test_an_operation_is_asked_for_by_its_name() -> None:
    assert MAKER.submitted(video(), [answer({"name": NAME})]) == Running(handle=NAME)
    request = MAKER.poll(NAME, destination(VEO))
    assert (request.method, request.path, request.body) == ("GET", f"/v1beta/{NAME}", b"")
    assert MAKER.polled(video(), NAME, answer({"name": NAME, "metadata": {"@type": "x"}})) == Running(handle=NAME)
    assert MAKER.polled(video(), NAME, answer({"name": NAME, "done": False})) == Running(handle=NAME)
    assert MAKER.cancel(NAME, destination(VEO)) is None


@pytest.mark.parametrize("name", [None, 1, "", "models/../keys", "/models/x", "models//x", "a?b", "a b", "x" * 600])
def test_a_name_that_is_no_path_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="no name of an operation"):
        MAKER.submitted(video(), [answer({"name": name})])


def films(*samples: Any, **more: Any) -> Answer:
    """An operation that is done."""
    return answer(
        {"name": NAME, "done": True, "response": {"generateVideoResponse": {"generatedSamples": samples, **more}}}
    )


def test_films_lie_behind_addresses_or_in_the_answer() -> None:
    made = MAKER.polled(
        video(), NAME, films({"video": {"uri": URI}}, {"video": {"encodedVideo": "AAAA", "encoding": "video/webm"}})
    )
    first, second = Output(url=URI, mime="video/mp4"), Output(data="AAAA", mime="video/webm")
    assert made == Made(outputs=(first, second))


def test_U40_films_that_were_held_back_make_the_result_smaller() -> None:
    made = MAKER.polled(video(n=2), NAME, films({"video": {"uri": URI}}, raiMediaFilteredCount=1))
    assert made == Made(outputs=(Output(url=URI, mime="video/mp4"),))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            films(raiMediaFilteredCount=1, raiMediaFilteredReasons=["Not this face."]),
            Failed(message="Not this face.", code=CONTENT),
        ),
        (films(raiMediaFilteredCount=1), Failed(message="The provider held the video back.", code=CONTENT)),
        (films({"video": {"uri": "gs://bucket/a"}}), Failed(message="The provider answered without a video.")),
        (answer({"done": True}), Failed(message="The provider answered without a video.")),
        (
            answer({"done": True, "error": {"code": 3, "message": "The duration is odd."}}),
            Failed(message="The duration is odd.", code="invalid_request"),
        ),
        (
            answer({"done": True, "error": {"code": 3, "message": "It violates our content policy."}}),
            Failed(message="It violates our content policy.", code=CONTENT),
        ),
        (
            answer({"error": {"code": 13, "message": "Internal 10.0.0.1"}}),
            Failed(message="The provider failed with status 502."),
        ),
    ],
)
def test_an_operation_that_failed_says_why(found: Answer, expected: Failed) -> None:
    assert MAKER.polled(video(), NAME, found) == expected


def test_a_limit_of_googles_is_one_of_rate() -> None:
    problem = MAKER.refusal(429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Quota"}}', 7)
    assert (problem.kind, problem.retry_after) == (Kind.RATE, 7)


NAMES = ("name", "done", "error", "response", "generateVideoResponse", "generatedSamples", "video", "uri")


@given(making.any_json(*NAMES, "raiMediaFilteredReasons", "raiMediaFilteredCount", values=(True, URI, NAME)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, video(), NAME, answer(body)):
        assert not isinstance(read, Made) or read.outputs


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"error":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.polled(video(), NAME, Answer(body=body))
