"""DashScope as requests and answers: the families of its models, recorded traffic, and the simulated provider."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Brief, Failed, Made, Output, Progress, Running
from nexusflow.protocols.makers.dashscope import MAKER
from nexusflow.protocols.makers.maker import Answer, Request
from tests.support import corpus, making
from tests.support.making import PNG, answer, asked, destination, image, refused, video
from tests.support.studio import Upstream, listening

RECORDED = corpus.exchanges("dashscope-task")
FRAME, OTHER = "https://example.com/a.png", "https://example.com/b.png"
SERVICES = "/services/aigc/"


@pytest.mark.parametrize(
    ("model", "brief", "path", "body"),
    [
        (
            "wan2.2-t2i-flash",
            image(size="1024x1024", n=2, seed=7, negative_prompt="dogs"),
            "text2image/image-synthesis",
            {
                "input": {"prompt": "A cat", "negative_prompt": "dogs"},
                "parameters": {"size": "1024*1024", "n": 2, "seed": 7},
            },
        ),
        (
            "wan2.6-t2i",
            image(size="512x512"),
            "multimodal-generation/generation",
            {
                "input": {"messages": [{"role": "user", "content": [{"text": "A cat"}]}]},
                "parameters": {"size": "768*768", "n": 1},
            },
        ),
        (
            "qwen-image-edit",
            image(images=(PNG,)),
            "multimodal-generation/generation",
            {
                "input": {"messages": [{"role": "user", "content": [{"image": PNG}, {"text": "A cat"}]}]},
                "parameters": {"n": 1},
            },
        ),
        (
            "wan2.6-t2v",
            video(resolution="720P", ratio="9:16", duration=5, audio=False, watermark=True),
            "video-generation/video-synthesis",
            {
                "input": {"prompt": "A cat runs"},
                "parameters": {"duration": 5, "audio": False, "watermark": True, "size": "720*1280"},
            },
        ),
        (
            "wan2.6-i2v",
            video(resolution="1080P", duration=5, first_frame=FRAME),
            "video-generation/video-synthesis",
            {
                "input": {"prompt": "A cat runs", "img_url": FRAME},
                "parameters": {"duration": 5, "resolution": "1080P"},
            },
        ),
        (
            "wan2.2-kf2v-flash",
            video(resolution="720P", first_frame=FRAME, last_frame=OTHER),
            "image2video/video-synthesis",
            {
                "input": {"prompt": "A cat runs", "first_frame_url": FRAME, "last_frame_url": OTHER},
                "parameters": {"resolution": "720P"},
            },
        ),
        (
            "happyhorse-1.0-r2v",
            video(resolution="720P", ratio="1:1", images=(FRAME, OTHER)),
            "video-generation/video-synthesis",
            {
                "input": {
                    "prompt": "A cat runs",
                    "media": [{"type": "reference_image", "url": FRAME}, {"type": "reference_image", "url": OTHER}],
                },
                "parameters": {"resolution": "720P", "ratio": "1:1"},
            },
        ),
        (
            "wan2.2-t2i-flash",
            image(size="512x512"),
            "text2image/image-synthesis",
            {"input": {"prompt": "A cat"}, "parameters": {"size": "512*512", "n": 1}},
        ),
        (
            "wanx2.1-imageedit",
            image(images=(PNG,), mask=FRAME),
            "image2image/image-synthesis",
            {
                "input": {
                    "prompt": "A cat",
                    "function": "description_edit_with_mask",
                    "base_image_url": PNG,
                    "mask_image_url": FRAME,
                },
                "parameters": {"n": 1},
            },
        ),
        (
            "wan2.5-i2i-preview",
            image(images=(PNG, FRAME)),
            "image2image/image-synthesis",
            {"input": {"prompt": "A cat", "images": [PNG, FRAME]}, "parameters": {"n": 1}},
        ),
        (
            "qwen-image-edit-plus",
            image(images=(PNG,), n=2, negative_prompt="dogs", extra={"prompt_extend": Raw(b"false")}),
            "multimodal-generation/generation",
            {
                "input": {"messages": [{"role": "user", "content": [{"image": PNG}, {"text": "A cat"}]}]},
                "parameters": {"n": 2, "prompt_extend": False, "negative_prompt": "dogs"},
            },
        ),
        (
            "wan2.6-r2v",
            video(size="1280x720", images=(FRAME, OTHER)),
            "video-generation/video-synthesis",
            {
                "input": {"prompt": "A cat runs", "reference_urls": [FRAME, OTHER]},
                "parameters": {"size": "1280*720"},
            },
        ),
        (
            "wan2.6-i2v",
            video(size="1280x720", ratio="16:9", first_frame=FRAME, extra={"audio_url": Raw(b'"https://a/b"')}),
            "video-generation/video-synthesis",
            {
                "input": {"prompt": "A cat runs", "img_url": FRAME, "audio_url": "https://a/b"},
                "parameters": {"resolution": "720P"},
            },
        ),
        (
            "happyhorse-1.0-t2v",
            video(size="720x1280"),
            "video-generation/video-synthesis",
            {"input": {"prompt": "A cat runs"}, "parameters": {"resolution": "720P", "ratio": "9:16"}},
        ),
        (
            "wan2.7-i2v",
            video(first_frame=FRAME, last_frame=OTHER, seed=1),
            "video-generation/video-synthesis",
            {
                "input": {
                    "prompt": "A cat runs",
                    "media": [{"type": "first_frame", "url": FRAME}, {"type": "last_frame", "url": OTHER}],
                },
                "parameters": {"seed": 1},
            },
        ),
        (
            "happyhorse-1.0-video-edit",
            video(video="https://example.com/v.mp4", images=(FRAME,), resolution="720P"),
            "video-generation/video-synthesis",
            {
                "input": {
                    "prompt": "A cat runs",
                    "media": [
                        {"type": "video", "url": "https://example.com/v.mp4"},
                        {"type": "reference_image", "url": FRAME},
                    ],
                },
                "parameters": {"resolution": "720P"},
            },
        ),
    ],
)
def test_each_family_is_asked_in_its_own_form(model: str, brief: Brief, path: str, body: dict[str, Any]) -> None:
    request = asked(MAKER, brief, model)
    assert request.path == SERVICES + path
    assert json.loads(request.body) == {"model": model, **body}
    assert bool(request.headers) is not path.startswith("multimodal")


@pytest.mark.parametrize(
    ("model", "brief", "param"),
    [
        ("wan2.6-i2v", video(), "img_url"),
        ("wan2.6-t2v", video(first_frame=FRAME), "img_url"),
        ("wan2.6-t2v", video(last_frame=FRAME), "last_frame"),
        ("wan2.6-t2v", video(ratio="21:9"), "ratio"),
        ("wan2.6-t2i", image(mask=PNG), "mask"),
        ("wan2.6-t2v", video(extra={"duration": Raw(b"600")}), "duration"),
        ("wan2.6-t2v", video(resolution="4K"), "resolution"),
        ("wan2.6-t2v", video(images=(FRAME,)), "images"),
        ("wan2.6-t2v", video(n=2), "n"),
        ("wan2.6-i2v", video(first_frame=FRAME, size="300x200"), "size"),
        ("wan2.6-r2v", video(), "images"),
        ("wan2.7-i2v", video(first_frame=FRAME, video=FRAME), "video"),
        ("happyhorse-1.0-t2v", video(first_frame=FRAME), "img_url"),
        ("happyhorse-1.0-video-edit", video(), "video"),
        ("pixverse/pixverse-v6-kf2v", video(first_frame=FRAME), "last_frame"),
        ("wan2.6-t2i", image(images=(PNG,)), "images"),
        ("wan2.6-t2i", image(n=5), "n"),
        ("wan2.2-t2i-flash", image(size="big"), "size"),
        ("qwen-image-edit", image(), "images"),
        ("qwen-image-edit", image(images=(PNG,), n=2), "n"),
        ("wanx2.1-imageedit", image(images=(PNG, PNG)), "images"),
        ("wan2.6-t2i", image(moderation="low"), "moderation"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(model: str, brief: Brief, param: str) -> None:
    assert refused(MAKER, brief, model).param == param


def test_a_request_is_these_bytes() -> None:
    request = asked(MAKER, video(duration=5, resolution="720P", first_frame=FRAME, seed=7), "wan2.6-i2v")
    assert (request.method, request.path) == ("POST", "/services/aigc/video-generation/video-synthesis")
    assert request.headers == (("x-dashscope-async", "enable"),)
    assert request.body == (
        b'{"model":"wan2.6-i2v","input":{"prompt":"A cat runs","img_url":"https://example.com/a.png"},'
        b'"parameters":{"resolution":"720P","duration":5,"seed":7}}'
    )


@pytest.mark.parametrize(
    ("brief", "model", "kinds"),
    [
        (video(ratio="9:16", resolution="540P"), "pixverse/pixverse-v6-t2v", None),
        (video(first_frame=FRAME), "pixverse/pixverse-v6-it2v", ["image_url"]),
        (video(first_frame=FRAME, last_frame=OTHER), "pixverse/pixverse-v6-kf2v", ["first_frame", "last_frame"]),
        (video(images=(FRAME, OTHER)), "pixverse/pixverse-v6-r2v", ["image_url", "image_url"]),
    ],
)
def test_a_mode_that_the_name_leaves_open_is_chosen_by_what_is_given(
    brief: Brief, model: str, kinds: list[str] | None
) -> None:
    body = json.loads(asked(MAKER, brief, "pixverse/pixverse-v6").body)
    assert body["model"] == model
    assert kinds == ([one["type"] for one in body["input"]["media"]] if kinds else None)
    assert ("size" in body["parameters"]) is (brief.resolution is not None)
    assert asked(MAKER, brief, model).body == asked(MAKER, brief, "pixverse/pixverse-v6").body


def test_a_task_is_asked_for_and_cancelled_by_its_id() -> None:
    poll, cancel = MAKER.poll("a b", destination("m")), MAKER.cancel("a b", destination("m"))
    assert (poll.method, poll.path, poll.body) == ("GET", "/tasks/a%20b", b"")
    assert cancel is not None
    assert (cancel.method, cancel.path) == ("POST", "/tasks/a%20b/cancel")
    assert MAKER.look_up("task", destination("m")) is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"{}", b'{"output":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(image(), [Answer(body=body)])
    assert MAKER.refusal(400, body, None).kind is Kind.PARAM


@pytest.mark.parametrize("id_", [None, 7, "", "../x", "a/b"])
def test_an_id_that_is_no_segment_of_a_path_is_refused(id_: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        MAKER.submitted(image(), [answer({"output": {"task_id": id_, "task_status": "PENDING"}})])


@pytest.mark.parametrize(
    ("body", "progress"),
    [
        ({"output": {"task_id": "t-1", "task_status": "PENDING"}}, Running(handle="t-1", queued=True)),
        ({"output": {"task_id": "t-1", "task_status": "RUNNING"}}, Running(handle="t-1")),
        ({"output": {"task_id": "t-1", "task_status": "SUSPENDED"}}, Running(handle="t-1")),
        ({"code": "InternalError", "message": "Gone."}, Failed(message="Gone.", code="InternalError")),
        (
            {"output": {"choices": [{"message": {"content": [{"image": FRAME}, {"text": "x"}, 7]}}]}},
            Made(outputs=(Output(url=FRAME),)),
        ),
        (
            {"output": {"task_status": "FAILED", "code": "InternalError", "message": "It broke."}},
            Failed(message="It broke.", code="InternalError"),
        ),
        (
            {"output": {"task_status": "FAILED", "code": "DataInspectionFailed", "message": "No."}},
            Failed(message="No.", code="content_policy_violation"),
        ),
        ({"output": {"task_status": "CANCELED"}}, Failed(message="The provider could not make it.", code="cancelled")),
        (
            {
                "output": {"task_status": "SUCCEEDED", "results": [{"url": FRAME}, {"code": "X", "message": "lost"}]},
                "usage": {"image_count": 1},
            },
            Made(outputs=(Output(url=FRAME),), units=1, usage=Raw(b'{"image_count":1}')),
        ),
        (
            {"output": {"task_status": "SUCCEEDED", "results": [{"code": "X", "message": "lost"}]}},
            Failed(message="lost", code="X"),
        ),
    ],
)
def test_every_state_is_read(body: dict[str, Any], progress: Progress) -> None:
    assert MAKER.polled(image(n=2), "t-1", answer(body)) == progress


def test_the_length_that_is_charged_is_told_apart_from_that_of_the_film() -> None:
    """A video that was given is charged too."""
    body = {
        "output": {"task_status": "SUCCEEDED", "video_url": "https://example.com/a.mp4"},
        "usage": {"output_video_duration": 5, "duration": 10},
    }
    made = MAKER.polled(video(), "t", answer(body))
    assert isinstance(made, Made)
    assert made.units == 10
    assert made.outputs == (Output(url="https://example.com/a.mp4", mime="video/mp4", seconds=5),)
    older = MAKER.polled(video(), "t", answer({"output": body["output"], "usage": {"video_duration": "4"}}))
    assert isinstance(older, Made)
    assert (older.units, older.outputs[0].seconds) == (4, 4)


def test_a_task_that_is_not_known_says_nothing_of_its_end() -> None:
    """U-36: after a day the provider has forgotten it; that is no verdict."""
    with pytest.raises(ValueError, match="status"):
        MAKER.polled(video(), "t", answer({"output": {"task_id": "t", "task_status": "UNKNOWN"}}))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "DataInspectionFailed", Kind.CONTENT),
        (400, "InvalidParameter", Kind.PARAM),
        (400, "Arrearage", Kind.UPSTREAM),
        (401, "InvalidApiKey", Kind.UPSTREAM),
        (429, "Throttling.RateQuota", Kind.RATE),
        (503, "ModelUnavailable", Kind.BUSY),
    ],
)
def test_refusals_are_told_by_code_and_status(status: int, code: str, kind: Kind) -> None:
    body = msgspec.json.encode({"code": code, "message": "No.", "request_id": "r"})
    assert MAKER.refusal(status, body, None).kind is kind


@pytest.mark.parametrize("exchange", RECORDED, ids=[one.id for one in RECORDED])
def test_every_recorded_answer_is_read(exchange: corpus.Exchange) -> None:
    body = exchange.response.body.encode()
    if exchange.response.status != 200:
        assert MAKER.refusal(exchange.response.status, body, None).kind is Kind.PARAM
    elif '"data":[' in exchange.response.body:
        with pytest.raises(ValueError, match="output"):
            MAKER.polled(image(), "t", Answer(body=body))
    else:
        assert isinstance(MAKER.polled(image(n=4), "t", Answer(body=body)), Running | Made)


NAMES = ("output", "task_id", "task_status", "results", "choices", "usage", "video_url", "code", "duration", "url")


@given(making.any_json(*NAMES, values=("SUCCEEDED", "FAILED", "PENDING", FRAME)))
def test_any_answer_is_read_or_refused(body: Any) -> None:
    for brief in (image(), video()):
        for read in making.reads_or_raises(MAKER, brief, "t", answer(body)):
            assert not isinstance(read, Made) or read.outputs


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


def sent(upstream: Upstream, request: Request) -> Answer:
    headers = {"content-type": request.content_type, **dict(request.headers)}
    found = upstream.ask(request.method, f"/api/v1{request.path}", request.body or None, headers)
    assert found.status == 200, found.body
    return Answer(body=found.body)


@pytest.mark.parametrize(
    ("model", "brief"),
    [
        ("wan2.6-t2i", image(size="1024x768", n=2)),
        ("wan2.2-t2i-flash", image(n=2)),
        ("qwen-image", image(size="1328x1328")),
        ("qwen-image-edit", image(images=(PNG,))),
        ("wan2.6-t2v", video(resolution="720P", ratio="16:9", duration=5)),
        ("wan2.6-i2v", video(resolution="720P", first_frame=FRAME)),
        ("wan2.6-r2v", video(resolution="720P", images=(FRAME,))),
        ("happyhorse-1.0-t2v", video(resolution="720P", ratio="16:9")),
        ("wan2.5-t2i-preview", image(size="512x512")),
        ("wan2.5-i2i-preview", image(images=(PNG,))),
        ("wan2.2-kf2v-flash", video(resolution="720P", first_frame=FRAME, last_frame=OTHER)),
        ("wan2.7-t2v", video(size="1280x720")),
        ("wan2.7-i2v", video(first_frame=FRAME, last_frame=OTHER)),
        ("happyhorse-1.0-r2v", video(images=(FRAME,), ratio="1:1")),
        ("happyhorse-1.0-video-edit", video(video="https://example.com/v.mp4", images=(FRAME,))),
        ("happyhorse-1.0-i2v", video(resolution="1080P", first_frame=FRAME)),
        ("pixverse-v6", video(resolution="540P", duration=8, first_frame=FRAME, last_frame=OTHER)),
    ],
)
def test_the_simulated_provider_takes_it_and_makes_it(upstream: Upstream, model: str, brief: Brief) -> None:
    found = MAKER.submitted(brief, [sent(upstream, asked(MAKER, brief, f"{model}@seconds=0.1"))])
    while isinstance(found, Running):
        time.sleep(0.02)
        found = MAKER.polled(brief, found.handle, sent(upstream, MAKER.poll(found.handle, destination(model))))
    assert isinstance(found, Made)
    assert len(found.outputs) == brief.n
