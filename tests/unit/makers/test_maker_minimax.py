"""MiniMax as requests and answers, and against the simulated provider."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Brief, Failed, Made, Output, Running
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.protocols.makers.minimax import MAKER
from tests.support import making
from tests.support.making import PNG, answer, asked, destination, refused, video
from tests.support.studio import Upstream, listening

FILM, FRAME, OTHER = "https://cdn.example.com/a.mp4", "https://example.com/a.png", "https://example.com/b.png"
FINE = {"status_code": 0, "status_msg": "success"}


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (video(), b'{"model":"m","prompt":"A cat runs"}'),
        (
            video(duration=10, resolution="768p", watermark=False, extra={"prompt_optimizer": Raw(b"false")}),
            b'{"model":"m","prompt":"A cat runs","duration":10,"resolution":"768P","aigc_watermark":false,'
            b'"prompt_optimizer":false}',
        ),
        (
            video(first_frame=PNG, last_frame=OTHER, size="1920x1080"),
            b'{"model":"m","prompt":"A cat runs","resolution":"1080P","first_frame_image":"' + PNG.encode() + b'",'
            b'"last_frame_image":"https://example.com/b.png"}',
        ),
        (
            video(images=(FRAME,)),
            b'{"model":"m","prompt":"A cat runs","subject_reference":[{"type":"character",'
            b'"image":["https://example.com/a.png"]}]}',
        ),
    ],
)
def test_a_brief_is_one_request(brief: Brief, body: bytes) -> None:
    request = asked(MAKER, brief, "m")
    assert (request.method, request.path, request.body) == ("POST", "/video_generation", body)


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (video(duration=5), "duration"),
        (video(resolution="4K"), "resolution"),
        (video(size="640x480"), "size"),
        (video(ratio="16:9"), "ratio"),
        (video(audio=True), "audio"),
        (video(seed=7), "seed"),
        (video(n=2), "n"),
        (video(images=(FRAME, OTHER)), "images"),
        (video(images=(FRAME,), first_frame=OTHER), "images"),
        (video(first_frame="data:image/png;base64,!"), "first_frame"),
        (video(extra={"callback_url": Raw(b'"https://example.com"')}), "callback_url"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Brief, param: str) -> None:
    problem = refused(MAKER, brief, "m")
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Queueing", Running(handle="77", queued=True)),
        ("Preparing", Running(handle="77", queued=True)),
        ("Processing", Running(handle="77")),
        ("Success", Running(handle="file:205", wait_s=0)),
    ],
)
def test_every_status_is_read(status: str, expected: Running) -> None:
    body = {"task_id": "77", "status": status, "file_id": "205", "base_resp": FINE}
    assert MAKER.polled(video(), "77", answer(body)) == expected


def test_the_file_of_a_task_that_is_done_is_asked_for() -> None:
    to = destination("m")
    assert MAKER.poll("77", to).path == "/query/video_generation?task_id=77"
    assert MAKER.poll("file:205", to).path == "/files/retrieve?file_id=205"
    body = {"file": {"file_id": 205, "download_url": FILM}, "base_resp": FINE}
    made = Made(outputs=(Output(url=FILM, mime="video/mp4"),))
    assert MAKER.polled(video(), "file:205", answer(body)) == made
    assert MAKER.cancel("77", to) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1027, "content_policy_violation"), (1026, "content_policy_violation"), (1000, "upstream_error")],
)
def test_a_verdict_is_none_of_our_failures(code: int, expected: str) -> None:
    found = answer({"task_id": "77", "status": "Fail", "base_resp": {"status_code": code, "status_msg": "No."}})
    assert MAKER.status(found) == 200
    assert MAKER.polled(video(), "77", found) == Failed(message="No.", code=expected)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (1002, 429, Kind.RATE),
        (1004, 401, Kind.UPSTREAM),
        (1008, 402, Kind.UPSTREAM),
        (1026, 400, Kind.CONTENT),
        (2013, 400, Kind.PARAM),
        (1033, 503, Kind.BUSY),
        (1001, 504, Kind.TIMEOUT),
        (1013, 500, Kind.UPSTREAM),
        (4711, 500, Kind.UPSTREAM),
    ],
)
def test_an_error_in_an_answer_of_success_has_the_status_it_means(code: int, status: int, kind: Kind) -> None:
    found = answer({"base_resp": {"status_code": code, "status_msg": "No."}})
    assert MAKER.status(found) == status
    assert MAKER.refusal(status, found.body, None).kind is kind


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"{}", b'{"status":[]}', b'{"file":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    for handle in ("77", "file:205"):
        with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
            MAKER.polled(video(), handle, Answer(body=body))
    assert MAKER.status(Answer(body=body)) == 200
    assert MAKER.refusal(400, body, None).kind is Kind.PARAM


NAMES = ("task_id", "status", "file_id", "file", "download_url", "base_resp", "status_code", "status_msg")


@given(making.any_json(*NAMES, values=("Success", "Fail", "Queueing", 0, 1026, FILM)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    found = answer(body)
    assert 200 <= MAKER.status(found) < 600
    for handle in ("77", "file:205"):
        for read in making.reads_or_raises(MAKER, video(), handle, found):
            assert not isinstance(read, Made) or read.outputs


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


def sent(upstream: Upstream, request: Request) -> Answer:
    headers = {"content-type": request.content_type, "authorization": "Bearer secret"}
    found = upstream.ask(request.method, f"/v1{request.path}", request.body or None, headers)
    return Answer(body=found.body, status=found.status)


@pytest.mark.parametrize(
    "brief", [video(duration=10), video(first_frame=PNG, last_frame=FRAME, resolution="1080P", duration=6)]
)
def test_the_simulated_provider_takes_it_and_makes_it(upstream: Upstream, brief: Brief) -> None:
    to = destination("MiniMax-Hailuo-02@seconds=0.1")
    (request,) = MAKER.submit(brief, to, "r")
    taken = sent(upstream, request)
    assert MAKER.status(taken) == 200, taken.body
    found = MAKER.submitted(brief, [taken])
    while isinstance(found, Running):
        time.sleep(0.02)
        found = MAKER.polled(brief, found.handle, sent(upstream, MAKER.poll(found.handle, to)))
    assert isinstance(found, Made)
    assert upstream.get(found.outputs[0].url or "").status == 200


def test_the_simulated_providers_refusals_are_seen(upstream: Upstream) -> None:
    (request,) = MAKER.submit(video(), destination("no-such"), "r")
    assert MAKER.status(sent(upstream, request)) == 400
