"""xAI as requests and answers, as recorded, and against the simulated provider."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.protocols.makers.xai import MAKER
from tests.support import making
from tests.support.making import PNG, answer, asked, destination, refused, video
from tests.support.studio import Upstream, listening

FILM, FRAME, OTHER = "https://cdn.example.com/a.mp4", "https://example.com/a.png", "https://example.com/b.png"
RECORDED = sorted((Path(__file__).resolve().parents[2] / "corpus/video-task").glob("*.json"))


@pytest.mark.parametrize(
    ("brief", "fields"),
    [
        (video(), {}),
        (
            video(duration=15, ratio="9:16", resolution="720P"),
            {"duration": 15, "aspect_ratio": "9:16", "resolution": "720p"},
        ),
        (video(size="1280x720"), {"aspect_ratio": "16:9", "resolution": "720p"}),
        (video(first_frame=PNG, user="u"), {"image": {"url": PNG}, "user": "u"}),
        (video(images=(FRAME, OTHER)), {"reference_images": [{"url": FRAME}, {"url": OTHER}]}),
        (video(video=FILM), {"video": {"url": FILM}}),
    ],
)
def test_a_brief_is_one_request(brief: Brief, fields: dict[str, Any]) -> None:
    request = asked(MAKER, brief, "grok-imagine-video")
    assert (request.method, request.path) == ("POST", "/videos/generations")
    assert json.loads(request.body) == {"model": "grok-imagine-video", "prompt": "A cat runs", **fields}


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(duration=16), "duration"),
        (video(size="640x360"), "size"),
        (video(ratio="21:9"), "ratio"),
        (video(resolution="4K"), "resolution"),
        (video(seed=7), "seed"),
        (video(n=2), "n"),
        (video(last_frame=FRAME), "last_frame"),
        (video(images=(FRAME,) * 8), "images"),
        (video(video="data:video/mp4;base64,!"), "video"),
        (video(extra={"duration": Raw(b"3")}), "duration"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, "grok-imagine-video")
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "pending", "progress": 56}, Running(handle="h", progress=56)),
        (
            {"status": "done", "video": {"url": FILM, "duration": 8}},
            Made(outputs=(Output(url=FILM, mime="video/mp4", seconds=8.0),), units=8.0),
        ),
        (
            {"status": "done", "video": {"url": "", "respect_moderation": False}},
            Failed(message="The provider answered without a result.", code="content_policy_violation"),
        ),
        ({"status": "failed", "error": {"code": "internal_error", "message": "No."}}, Failed(message="No.")),
        (
            {"status": "failed", "error": {"code": "invalid_argument", "message": "Rejected by content moderation."}},
            Failed(message="Rejected by content moderation.", code="content_policy_violation"),
        ),
        ({"status": "expired"}, Failed(message="The provider has given it up.", code="expired")),
    ],
)
def test_every_status_is_read(body: Any, expected: Any) -> None:
    assert MAKER.polled(video(), "h", answer(body)) == expected


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_traffic_is_written_and_read(path: Path) -> None:
    """The maker's request is the recorded one, and its answer is understood."""
    exchange = json.loads(path.read_bytes())
    said, told = exchange["request"], exchange["response"]
    found = Answer(body=told["body"].encode(), status=told["status"])
    if said["method"] == "POST":
        body = json.loads(said["body"])
        brief = video(prompt=body["prompt"], duration=body["duration"], resolution=body["resolution"])
        assert json.loads(asked(MAKER, brief, body["model"]).body) == body
        assert MAKER.submitted(brief, [found]) == Running(handle=json.loads(told["body"])["request_id"], queued=True)
        return
    handle = said["path"].rpartition("/")[2]
    assert said["path"] == "/v1" + MAKER.poll(handle, destination("m")).path
    assert isinstance(MAKER.polled(video(), handle, found), Running if told["status"] == 202 else Made)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Kind.PARAM), (401, Kind.UPSTREAM), (403, Kind.UPSTREAM), (429, Kind.RATE), (503, Kind.BUSY)],
)
def test_refusals_are_told_by_status(status: int, kind: Kind) -> None:
    body = answer({"code": "Client specified an invalid argument", "error": "No."}).body
    assert MAKER.refusal(status, body, None).kind is kind


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"{}", b'{"status":[]}', b'{"video":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.polled(video(), "h", Answer(body=body))
    assert MAKER.refusal(400, body, None).kind is Kind.PARAM


NAMES = ("request_id", "status", "progress", "video", "url", "duration", "error", "code", "message")


@given(making.any_json(*NAMES, values=("done", "failed", "pending", FILM)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, video(), "h", answer(body)):
        assert not isinstance(read, Made) or read.outputs


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


def sent(upstream: Upstream, request: Request) -> Answer:
    headers = {"content-type": request.content_type, "authorization": "Bearer secret"}
    found = upstream.ask(request.method, f"/v1{request.path}", request.body or None, headers)
    assert found.status in (200, 202), found.body
    return Answer(body=found.body, status=found.status)


def test_the_simulated_provider_takes_it_and_makes_it(upstream: Upstream) -> None:
    to, brief = destination("grok-imagine-video@seconds=0.1"), video(duration=3, size="720x1280")
    (request,) = MAKER.submit(brief, to, "r")
    found = MAKER.submitted(brief, [sent(upstream, request)])
    while isinstance(found, Running):
        time.sleep(0.02)
        found = MAKER.polled(brief, found.handle, sent(upstream, MAKER.poll(found.handle, to)))
    assert isinstance(found, Made)
    assert found.units == 3
    assert upstream.get(found.outputs[0].url or "").status == 200
