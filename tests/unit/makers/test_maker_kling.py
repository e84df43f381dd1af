"""Kling as requests and answers, and against the simulated provider."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.secret import Secret
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.kling import IMAGES, MAKER
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.upstream import auth
from tests.support import making
from tests.support.making import PNG, PNG_DATA, REFERENCE, answer, asked, destination, image, refused, video
from tests.support.studio import Upstream, listening

FILM, FRAME, OTHER = "https://cdn.example.com/a.mp4", "https://example.com/a.png", "https://example.com/b.png"
HANDLE = "videos/text2video/831922345719271433"
ENDING = f',"external_task_id":"{REFERENCE}"}}'.encode()


@pytest.mark.parametrize(
    ("model", "brief", "path", "body"),
    [
        (
            "kling-v2-6",
            video(ratio="9:16", resolution="1080P", duration=10, audio=True, negative_prompt="dogs"),
            "videos/text2video",
            b'{"model_name":"kling-v2-6","prompt":"A cat runs","negative_prompt":"dogs","mode":"pro","sound":"on",'
            b'"aspect_ratio":"9:16","duration":"10"',
        ),
        (
            "kling-v2-1",
            video(first_frame=PNG, last_frame=OTHER, size="1280x720", audio=False, watermark=False),
            "videos/image2video",
            b'{"model_name":"kling-v2-1","image":"' + PNG_DATA.encode() + b'","image_tail":"https://example.com/b.png",'
            b'"prompt":"A cat runs","mode":"std","watermark_info":{"enabled":false}',
        ),
        (
            "kling-v1-6",
            video(images=(FRAME, OTHER), extra={"cfg_scale": Raw(b"0.5")}),
            "videos/multi-image2video",
            b'{"model_name":"kling-v1-6","image_list":[{"image":"https://example.com/a.png"},'
            b'{"image":"https://example.com/b.png"}],"prompt":"A cat runs","cfg_scale":0.5',
        ),
        (
            "kling-v3",
            video(duration=7, size="1920x1080"),
            "videos/text2video",
            b'{"model_name":"kling-v3","prompt":"A cat runs","mode":"pro","aspect_ratio":"16:9","duration":"7"',
        ),
        (
            "kling-v2-1",
            image(n=2, size="2048x2048", images=(FRAME,)),
            "images/generations",
            b'{"model_name":"kling-v2-1","prompt":"A cat","image":"https://example.com/a.png","n":2,"resolution":"2k",'
            b'"aspect_ratio":"1:1"',
        ),
        ("kling-v2", image(), "images/generations", b'{"model_name":"kling-v2","prompt":"A cat"'),
    ],
)
def test_a_brief_is_written_for_the_path_it_needs(model: str, brief: Brief, path: str, body: bytes) -> None:
    request = asked(MAKER, brief, model)
    assert (request.method, request.path, request.body) == ("POST", f"/{path}", body + ENDING)


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(duration=7), "duration"),
        (video(resolution="4K"), "resolution"),
        (video(ratio="21:9"), "ratio"),
        (video(size="640x480"), "size"),
        (video(size="big"), "size"),
        (video(audio=True), "audio"),
        (video(seed=7), "seed"),
        (video(n=2), "n"),
        (video(video=FILM), "video"),
        (video(first_frame=FRAME, images=(FRAME,)), "images"),
        (video(images=(FRAME,) * 5), "images"),
        (video(first_frame="data:image/png;base64,!"), "first_frame"),
        (video(extra={"mode": Raw(b'"pro"')}), "mode"),
        (video(extra={"callback_url": Raw(b'"https://example.com"')}), "callback_url"),
        (image(n=10), "n"),
        (image(images=(FRAME, OTHER)), "images"),
        (image(images=(FRAME,), mask=PNG), "mask"),
        (image(size="4096x4096"), "size"),
        (image(output_format="png"), "output_format"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, "kling-v2-1")
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def told(status: str, **more: Any) -> dict[str, Any]:
    task = {"task_id": "831922345719271433", "task_status": status, "created_at": 1722769557708, **more}
    return {"code": 0, "message": "SUCCEED", "request_id": "r", "data": task}


def test_a_task_is_asked_for_under_the_path_it_was_made_by() -> None:
    assert MAKER.submitted(video(), [answer(told("submitted"))]) == Running(handle=HANDLE, queued=True)
    poll = MAKER.poll(HANDLE, destination("kling-v3"))
    assert (poll.method, poll.path) == ("GET", f"/{HANDLE}")
    framed = MAKER.submitted(video(first_frame=FRAME), [answer(told("processing"))])
    assert framed == Running(handle=HANDLE.replace("text2", "image2"))
    assert MAKER.cancel(HANDLE, destination("kling-v3")) is None


@pytest.mark.parametrize("handle", ["1", "", "/v1/x/1", "other/x/1", "videos/../1", "videos/text2video/../x"])
def test_what_is_no_handle_is_not_asked_for(handle: str) -> None:
    with pytest.raises(ValueError, match="handle"):
        MAKER.poll(handle, destination("kling-v3"))


VIDEOS = {"videos": [{"id": "1", "url": FILM, "duration": "5.1"}]}
STILLS = {"images": [{"index": 0, "url": FRAME}, {"index": 1, "url": OTHER}]}


@pytest.mark.parametrize(
    ("brief", "body", "expected"),
    [
        (video(), told("submitted"), Running(handle=HANDLE, queued=True)),
        (video(), told("processing"), Running(handle=HANDLE)),
        (
            video(),
            told("succeed", task_result=VIDEOS),
            Made(outputs=(Output(url=FILM, mime="video/mp4", seconds=5.1),), units=5.1),
        ),
        (
            image(n=2),
            told("succeed", task_result=STILLS),
            Made(outputs=(Output(url=FRAME, mime="image/png"), Output(url=OTHER, mime="image/png"))),
        ),
        (video(), told("succeed", task_result=STILLS), Failed(message="The provider answered without a result.")),
        (video(), told("failed", task_status_msg="Service is busy"), Failed(message="Service is busy")),
        (
            video(),
            told("failed", task_status_msg="Failure to pass the risk control system"),
            Failed(message="Failure to pass the risk control system", code="content_policy_violation"),
        ),
    ],
)
def test_every_status_is_read(brief: Brief, body: Any, expected: Any) -> None:
    assert MAKER.polled(brief, HANDLE, answer(body)) == expected


def test_a_submission_that_is_answered_with_an_error_is_a_verdict_but_a_poll_is_none() -> None:
    body = {"code": 1301, "message": "It was refused.", "request_id": "r"}
    expected = Failed(message="It was refused.", code="content_policy_violation")
    assert MAKER.submitted(video(), [answer(body)]) == expected
    with pytest.raises(ValueError, match="no task"):
        MAKER.polled(video(), HANDLE, answer(body))


def test_a_lost_submission_is_looked_up_by_our_reference() -> None:
    for maker, path in ((MAKER, "videos/text2video"), (IMAGES, "images/generations")):
        request = maker.look_up(REFERENCE, destination("kling-v3"))
        assert request is not None
        assert (request.method, request.path) == ("GET", f"/{path}/{REFERENCE}")
    assert MAKER.looked_up(video(), REFERENCE, answer(told("processing"))) == Running(handle=HANDLE)
    with pytest.raises(ValueError, match="no task"):
        MAKER.looked_up(video(), REFERENCE, answer({"code": 1203, "message": "Task not found"}))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 1004, Kind.UPSTREAM),
        (429, 1102, Kind.UPSTREAM),
        (429, 1304, Kind.UPSTREAM),
        (400, 1201, Kind.PARAM),
        (400, 1301, Kind.CONTENT),
        (404, 1203, Kind.UPSTREAM),
        (429, 1302, Kind.RATE),
        (503, 5001, Kind.BUSY),
        (504, 5002, Kind.TIMEOUT),
        (500, 5000, Kind.UPSTREAM),
    ],
)
def test_refusals_are_told_by_the_providers_code(status: int, code: int, kind: Kind) -> None:
    assert MAKER.refusal(status, answer({"code": code, "message": "No.", "request_id": "r"}).body, None).kind is kind


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"{}", b'{"code":[]}', b'{"data":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.polled(video(), HANDLE, Answer(body=body))
    assert MAKER.refusal(400, body, None).kind is Kind.PARAM


@pytest.mark.parametrize("id_", [None, 7, "", "../x", "a/b"])
def test_an_id_that_is_no_segment_of_a_path_is_refused(id_: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        MAKER.submitted(video(), [answer({"code": 0, "data": {"task_id": id_, "task_status": "submitted"}})])


NAMES = ("code", "message", "data", "task_id", "task_status", "task_result", "task_status_msg", "videos", "url")


@given(making.any_json(*NAMES, values=("succeed", "failed", "submitted", 0, FILM)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for brief in (video(), image()):
        for read in making.reads_or_raises(MAKER, brief, HANDLE, answer(body)):
            assert not isinstance(read, Made) or read.outputs


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


def sent(upstream: Upstream, request: Request) -> Answer:
    headers = {"content-type": request.content_type, **auth.headers("kling-jwt", Secret("access:secret"))}
    found = upstream.ask(request.method, f"/v1{request.path}", request.body or None, headers)
    assert found.status == 200, found.body
    return Answer(body=found.body)


@pytest.mark.parametrize(
    ("model", "brief"),
    [
        ("kling-v2-6", video(ratio="1:1", duration=10, audio=True)),
        ("kling-v2-1", video(first_frame=PNG, last_frame=FRAME, resolution="1080P")),
        ("kling-v2-1", image(n=2, size="1024x1024")),
    ],
)
def test_the_simulated_provider_takes_it_and_makes_it(upstream: Upstream, model: str, brief: Brief) -> None:
    """And knows it by our reference."""
    maker = MAKER if brief.type == "video" else IMAGES
    to, reference = destination(model), f"{model}-{brief.type}"
    (request,) = maker.submit(brief, destination(f"{model}@seconds=0.1"), reference)
    found = maker.submitted(brief, [sent(upstream, request)])
    assert isinstance(found, Running)
    question = maker.look_up(reference, to)
    assert question is not None
    again = maker.looked_up(brief, reference, sent(upstream, question))
    assert not isinstance(again, Running) or again.handle == found.handle
    while isinstance(found, Running):
        time.sleep(0.02)
        found = maker.polled(brief, found.handle, sent(upstream, maker.poll(found.handle, to)))
    assert isinstance(found, Made)
    assert len(found.outputs) == brief.n
    assert json.loads(request.body)["external_task_id"] == reference
