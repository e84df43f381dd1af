"""Zhipu as requests and answers, and against the simulated provider."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.protocols.makers.zhipu import MAKER
from tests.support import making
from tests.support.making import PNG, REFERENCE, answer, asked, destination, refused, video
from tests.support.studio import Upstream, listening

FILM, FRAME, OTHER = "https://cdn.example.com/a.mp4", "https://example.com/a.png", "https://example.com/b.png"


@pytest.mark.parametrize(
    ("brief", "fields"),
    [
        (video(), {}),
        (
            video(
                duration=10, size="1920x1080", audio=True, watermark=False, quality="high", extra={"fps": Raw(b"60")}
            ),
            {
                "quality": "quality",
                "with_audio": True,
                "watermark_enabled": False,
                "size": "1920x1080",
                "duration": 10,
                "fps": 60,
            },
        ),
        (video(first_frame=PNG), {"image_url": PNG}),
        (video(images=(FRAME,), ratio="9:16"), {"image_url": FRAME, "size": "1080x1920"}),
        (
            video(first_frame=FRAME, last_frame=OTHER, resolution="720p"),
            {"image_url": [FRAME, OTHER], "size": "1280x720"},
        ),
        (video(ratio="1:1"), {"size": "1024x1024"}),
        (video(resolution="4k", ratio="16:9"), {"size": "3840x2160"}),
    ],
)
def test_a_brief_is_one_request_under_our_reference(brief: Brief, fields: dict[str, Any]) -> None:
    request = asked(MAKER, brief, "cogvideox-3")
    assert (request.method, request.path) == ("POST", "/videos/generations")
    expected = {"model": "cogvideox-3", "prompt": "A cat runs", **fields, "request_id": REFERENCE}
    assert json.loads(request.body) == expected


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(duration=7), "duration"),
        (video(size="640x480"), "size"),
        (video(ratio="21:9"), "ratio"),
        (video(resolution="480P"), "resolution"),
        (video(seed=7), "seed"),
        (video(n=2), "n"),
        (video(last_frame=FRAME), "last_frame"),
        (video(images=(FRAME, OTHER)), "images"),
        (video(first_frame="data:image/png;base64,!"), "first_frame"),
        (video(extra={"request_id": Raw(b'"mine"')}), "request_id"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, "cogvideox-3")
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"task_status": "PROCESSING"}, Running(handle="77-1")),
        (
            {"task_status": "SUCCESS", "video_result": [{"url": FILM, "cover_image_url": FRAME}]},
            Made(outputs=(Output(url=FILM, mime="video/mp4"),)),
        ),
        ({"task_status": "SUCCESS"}, Failed(message="The provider answered without a result.")),
        ({"task_status": "FAIL"}, Failed(message="The provider could not make it.")),
        (
            {"task_status": "FAIL", "error": {"code": "1301", "message": "No."}},
            Failed(message="No.", code="content_policy_violation"),
        ),
    ],
)
def test_every_status_is_read(more: dict[str, Any], expected: Any) -> None:
    found = answer({"id": "77-1", "model": "cogvideox-3", "request_id": "r", **more})
    assert MAKER.polled(video(), "77-1", found) == expected
    assert MAKER.submitted(video(), [found]) == expected
    assert MAKER.poll("77-1", destination("m")).path == "/async-result/77-1"
    assert MAKER.cancel("77-1", destination("m")) is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "1000", Kind.UPSTREAM),
        (429, "1113", Kind.UPSTREAM),
        (400, "1211", Kind.UPSTREAM),
        (400, "1214", Kind.PARAM),
        (400, "1301", Kind.CONTENT),
        (429, "1302", Kind.RATE),
        (429, "1305", Kind.BUSY),
        (500, "500", Kind.UPSTREAM),
    ],
)
def test_refusals_are_told_by_the_providers_code(status: int, code: str, kind: Kind) -> None:
    body = answer({"error": {"code": code, "message": "No."}}).body
    assert MAKER.refusal(status, body, None).kind is kind


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"\xff", b"{}", b'{"task_status":[]}', b'{"error":' + b"[" * 100_000]
)
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.polled(video(), "77", Answer(body=body))
    assert MAKER.refusal(400, body, None).kind is Kind.PARAM


NAMES = ("id", "task_status", "video_result", "url", "error", "code", "message", "request_id")


@given(making.any_json(*NAMES, values=("SUCCESS", "FAIL", "PROCESSING", "1301", FILM)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, video(), "77", answer(body)):
        assert not isinstance(read, Made) or read.outputs


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


def sent(upstream: Upstream, request: Request) -> Answer:
    headers = {"content-type": request.content_type, "authorization": "Bearer secret"}
    found = upstream.ask(request.method, f"/api/paas/v4{request.path}", request.body or None, headers)
    assert found.status == 200, found.body
    return Answer(body=found.body)


@pytest.mark.parametrize(
    "brief", [video(duration=5, ratio="9:16"), video(first_frame=PNG, last_frame=FRAME, resolution="1080P", audio=True)]
)
def test_the_simulated_provider_takes_it_and_makes_it(upstream: Upstream, brief: Brief) -> None:
    to = destination("cogvideox-3@seconds=0.1")
    (request,) = MAKER.submit(brief, to, f"task_{len(brief.ratio or '')}")
    found = MAKER.submitted(brief, [sent(upstream, request)])
    while isinstance(found, Running):
        time.sleep(0.02)
        found = MAKER.polled(brief, found.handle, sent(upstream, MAKER.poll(found.handle, to)))
    assert isinstance(found, Made)
    assert upstream.get(found.outputs[0].url or "").status == 200
