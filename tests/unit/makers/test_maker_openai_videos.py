"""OpenAI's videos as requests and answers (protocols 1.7)."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer
from nexusflow.protocols.makers.openai_videos import MAKER
from tests.support import making
from tests.support.making import PNG, answer, asked, destination, refused, video

SORA = "sora-2"
JOB = {"id": "video_123", "object": "video", "model": "sora-2", "created_at": 1, "seconds": "8", "size": "720x1280"}


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (video(), b'{"model":"sora-2","prompt":"A cat runs"}'),
        (
            video(duration=8, size="1024x1792", extra={"x": Raw(b"[1]")}),
            b'{"model":"sora-2","prompt":"A cat runs","seconds":"8","size":"1024x1792","x":[1]}',
        ),
        (video(ratio="9:16"), b'{"model":"sora-2","prompt":"A cat runs","size":"720x1280"}'),
        (video(resolution="720P"), b'{"model":"sora-2","prompt":"A cat runs","size":"1280x720"}'),
    ],
)
def test_a_video_is_asked_for_in_json(brief: Any, body: bytes) -> None:
    request = asked(MAKER, brief, SORA)
    assert (request.method, request.path, request.content_type) == ("POST", "/videos", "application/json")
    assert request.body == body


@pytest.mark.parametrize("picture", [{"first_frame": PNG}, {"images": (PNG,)}])
def test_a_picture_makes_it_a_form(picture: dict[str, Any]) -> None:
    request = asked(MAKER, video(duration=4, **picture), SORA)
    boundary = request.content_type.removeprefix("multipart/form-data; boundary=")
    line = f"--{boundary}\r\nContent-Disposition: form-data; name=".encode()
    assert request.body == (
        line + b'"model"\r\n\r\nsora-2\r\n'
        + line + b'"prompt"\r\n\r\nA cat runs\r\n'
        + line + b'"seconds"\r\n\r\n4\r\n'
        + line + b'"input_reference"; filename="input.png"\r\nContent-Type: image/png\r\n\r\n'
        + making.base64_bytes(PNG) + b"\r\n"
        + f"--{boundary}--\r\n".encode()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(duration=5), "duration"),
        (video(ratio="1:1"), "ratio"),
        (video(resolution="1080P"), "resolution"),
        (video(n=2), "n"),
        (video(negative_prompt="dogs"), "negative_prompt"),
        (video(last_frame=PNG), "last_frame"),
        (video(video="https://example.com/a.mp4"), "video"),
        (video(audio=True), "audio"),
        (video(watermark=True), "watermark"),
        (video(images=(PNG,), first_frame=PNG), "images"),
        (video(first_frame="ftp://x"), "first_frame"),
        (video(extra={"seconds": Raw(b'"12"')}), "seconds"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Any, param: str) -> None:
    problem = refused(MAKER, brief, SORA)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def test_a_compatible_server_may_know_other_lengths() -> None:
    assert b'"seconds":"5"' in asked(MAKER, video(duration=5), "wan-2").body


@pytest.mark.parametrize(
    ("status", "progress", "expected"),
    [
        ("queued", 0, Running(handle="video_123", progress=0, queued=True)),
        ("in_progress", 33, Running(handle="video_123", progress=33)),
        ("in_progress", 33.7, Running(handle="video_123", progress=33)),
        ("in_progress", "?", Running(handle="video_123")),
    ],
)
def test_a_running_job_is_known_by_its_id(status: str, progress: Any, expected: Running) -> None:
    body = answer({**JOB, "status": status, "progress": progress})
    assert MAKER.submitted(video(), [body]) == expected
    assert MAKER.polled(video(), "video_123", body) == expected


def test_a_job_is_polled_by_its_id_as_one_segment() -> None:
    request = MAKER.poll("video_123", destination(SORA))
    assert (request.method, request.path, request.body) == ("GET", "/videos/video_123", b"")
    assert MAKER.poll("a?b#c", destination(SORA)).path == "/videos/a%3Fb%23c"
    assert MAKER.cancel("video_123", destination(SORA)) is None


def test_what_is_completed_lies_below_the_providers_address() -> None:
    made = MAKER.polled(video(), "video_123", answer({**JOB, "status": "completed", "progress": 100}))
    output = Output(url="base:/videos/video_123/content", mime="video/mp4", seconds=8.0)
    assert made == Made(outputs=(output,), units=8.0, size="720x1280")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"code": "moderation_blocked", "message": "Blocked."},
            Failed(message="Blocked.", code="content_policy_violation"),
        ),
        ({"code": "server_error", "message": "Oh sk-abcdefghijkl"}, Failed(message="Oh [redacted]")),
        ({"code": "video_too_dark", "message": "Dark."}, Failed(message="Dark.", code="video_too_dark")),
        ({"code": 5, "message": None}, Failed(message="The provider could not make it.")),
        ("no luck", Failed(message="no luck")),
        (None, Failed(message="The provider could not make it.")),
    ],
)
def test_a_failed_job_says_why(error: Any, expected: Failed) -> None:
    assert MAKER.polled(video(), "video_123", answer({**JOB, "status": "failed", "error": error})) == expected


def test_a_job_that_was_called_off_says_so() -> None:
    for status, code in (("cancelled", "cancelled"), ("canceled", "cancelled"), ("expired", "expired")):
        failed = MAKER.polled(video(), "v", answer({**JOB, "status": status}))
        assert isinstance(failed, Failed)
        assert failed.code == code


@pytest.mark.parametrize(
    "body", [{}, {"status": "odd", "id": "v"}, {"status": "queued"}, {"status": "queued", "id": ".."}]
)
def test_what_is_no_job_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(video(), [answer(body)])


def test_a_bad_key_is_never_shown_as_the_callers() -> None:
    assert MAKER.refusal(401, b'{"error":{"message":"Incorrect API key provided: sk-1"}}', None).kind is Kind.UPSTREAM


@given(
    making.any_json(
        "status", "id", "error", "code", "message", "progress", "seconds", values=("failed", "completed", "queued")
    )
)
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, video(), "v", answer(body)):
        assert not isinstance(read, Running) or read.handle


def test_nonsense_is_refused() -> None:
    for body in (b"", b"[]", b"\xff", b'{"status":"failed","error":{"code":' + b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
            MAKER.submitted(video(), [Answer(body=body)])
