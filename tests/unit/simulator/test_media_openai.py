"""OpenAI's images and videos, asked for by its own SDK, and what its models do not take (protocols 1.7)."""

import base64
import warnings
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.studio import Upstream

PNG = ("cat.png", b"\x89PNG\r\n\x1a\n0123")
MAGIC = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff\xe0", "webp": b"RIFF"}


@pytest.fixture
def client(upstream: Upstream) -> OpenAI:
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's notice on the end of Sora
    return OpenAI(base_url=f"{upstream.url}/v1", api_key="any", max_retries=0, timeout=10)


@pytest.mark.parametrize("form", MAGIC)
def test_generations_of_gpt_image(client: OpenAI, form: Any) -> None:
    made = client.images.generate(
        model="gpt-image-1@seconds=0", prompt="a cat", n=2, size="1024x1536", quality="low", output_format=form
    )
    files = [base64.b64decode(one.b64_json or "") for one in made.data or ()]
    assert [file[:4] for file in files] == [MAGIC[form]] * 2
    assert (made.size, made.quality, made.output_format, made.background) == ("1024x1536", "low", form, "opaque")
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (2, 816, 818)


def test_generations_of_dall_e(client: OpenAI, upstream: Upstream) -> None:
    made = client.images.generate(model="dall-e-3@seconds=0", prompt="a cat", size="1792x1024", style="vivid")
    assert made.data
    assert made.data[0].revised_prompt
    assert upstream.get(made.data[0].url or "").body.startswith(MAGIC["png"])
    coded = client.images.generate(model="dall-e-2@seconds=0", prompt="a cat", response_format="b64_json")
    assert coded.data
    assert coded.data[0].b64_json
    assert coded.usage is None


def test_U40_one_image_fewer(client: OpenAI) -> None:
    assert len(client.images.generate(model="image@seconds=0,short", prompt="a cat", n=3).data or ()) == 2


@pytest.mark.parametrize("edits", [False, True])
def test_streams(client: OpenAI, edits: bool) -> None:
    asked: dict[str, Any] = {"model": "gpt-image-1@seconds=0", "prompt": "a cat", "partial_images": 2}
    if edits:
        events: list[Any] = list(client.images.edit(image=PNG, stream=True, **asked))
    else:
        events = list(client.images.generate(stream=True, **asked))
    name = "image_edit" if edits else "image_generation"
    assert [event.type for event in events] == [f"{name}.partial_image"] * 2 + [f"{name}.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert len({event.b64_json for event in events}) == 3
    assert events[2].usage.input_tokens_details.image_tokens == (388 if edits else 0)


def test_a_stream_that_fails_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.APIError, match="safety system"):
        list(client.images.generate(model="image@seconds=0,fail=policy", prompt="a cat", stream=True))


def test_edits_and_variations(client: OpenAI, upstream: Upstream) -> None:
    made = client.images.edit(model="gpt-image-1@seconds=0", prompt="a hat", image=[PNG, PNG], mask=PNG, n=2)
    assert made.usage is not None
    assert (len(made.data or ()), made.usage.input_tokens_details.image_tokens) == (2, 776)
    assert client.images.create_variation(model="dall-e-2@seconds=0", image=PNG, size="256x256").data
    asked = [job["asked"] for job in upstream.jobs()]
    assert asked[0]["image"] == [{"filename": "cat.png", "bytes": 12}] * 2
    assert (asked[0]["prompt"], asked[0]["n"], asked[1]["size"]) == ("a hat", 2, "256x256")


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("dall-e-2", {"quality": "standard"}, "quality"),
        ("dall-e-2", {"size": "1024x1536"}, "size"),
        ("dall-e-2", {"stream": True}, "stream"),
        ("dall-e-3", {"n": 2}, "n"),
        ("gpt-image-1", {"response_format": "url"}, "response_format"),
        ("gpt-image-1", {"style": "vivid"}, "style"),
        ("gpt-image-1", {"size": "512x512"}, "size"),
        ("gpt-image-1", {"n": 11}, "n"),
        ("gpt-image-1", {"n": "1"}, "n"),
        ("gpt-image-1", {"partial_images": 4}, "partial_images"),
        ("gpt-image-1", {"background": "transparent", "output_format": "jpeg"}, "background"),
        ("gpt-image-1", {"output_compression": 50}, "output_compression"),
        ("gpt-image-1", {"negative_prompt": "dogs"}, "negative_prompt"),
        ("gpt-image-1", {"prompt": ""}, "prompt"),
        ("gpt-image-1", {"prompt": None}, "prompt"),
        ("image@nonsense", {}, "model"),
    ],
)
def test_what_the_models_do_not_take(upstream: Upstream, model: str, more: dict[str, Any], param: str) -> None:
    answer = upstream.post("/v1/images/generations", {"model": model, "prompt": "a cat", **more})
    assert (answer.status, answer.json["error"]["param"]) == (400, param), answer.json
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert upstream.jobs() == []


def test_uploads_that_are_none(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="unsupported mimetype"):
        client.images.edit(model="gpt-image-1", prompt="a hat", image=("cat.txt", b"a cat"))
    with pytest.raises(openai.BadRequestError, match="dall-e-2"):
        client.images.edit(model="dall-e-3", prompt="a hat", image=PNG)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.images.generate(model="sora-2", prompt="a cat")


@pytest.mark.parametrize(
    ("options", "status"), [("refuse=rate", 429), ("refuse=auth", 401), ("fail=policy", 400), ("fail", 500)]
)
def test_refusals_and_failures(client: OpenAI, options: str, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as failed:
        client.images.generate(model=f"image@seconds=0,{options}", prompt="a cat")
    assert failed.value.status_code == status


@pytest.mark.parametrize("lost", ["lost", "lost=hang", "never"])
def test_U38_taken_but_never_answered(client: OpenAI, upstream: Upstream, lost: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        client.with_options(timeout=1).images.generate(model=f"image@{lost}", prompt="a cat")
    assert [job["model"] for job in upstream.jobs()] == [f"image@{lost}"]


def test_a_video_from_its_prompt_to_its_end(client: OpenAI, upstream: Upstream) -> None:
    video = client.videos.create(
        model="sora-2@queue=0.2,seconds=0.2", prompt="a cat", seconds="8", size="1280x720", input_reference=PNG
    )
    assert (video.seconds, video.object, video.model) == ("8", "video", "sora-2@queue=0.2,seconds=0.2")
    video = client.videos.poll(video.id, poll_interval_ms=50)
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert video.completed_at
    content = client.videos.download_content(video.id)
    assert content.response.headers["content-type"] == "video/mp4"
    assert content.read()[4:8] == b"ftyp"
    assert [one.id for one in client.videos.list()] == [video.id]
    (job,) = upstream.jobs()
    assert job["asked"]["input_reference"] == {"filename": "cat.png", "bytes": 12}
    assert job["polls"] >= 1
    assert client.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ("never", "in_progress", None), ("queue=3600", "queued", None),
        ("seconds=0,fail", "failed", "video_generation_failed"),
        ("seconds=0,fail=policy", "failed", "moderation_blocked"),
    ],
)  # fmt: skip
def test_states_of_a_video(client: OpenAI, options: str, status: str, code: str | None) -> None:
    id_ = client.videos.create(model=f"video@{options}", prompt="a cat").id
    video = client.videos.retrieve(id_)
    assert (video.status, video.error and video.error.code) == (status, code)
    with pytest.raises(openai.BadRequestError, match="not ready"):
        client.videos.download_content(id_)
    if status != "failed":
        with pytest.raises(openai.BadRequestError, match="cannot be deleted"):
            client.videos.delete(id_)


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("sora-2", {"seconds": "5"}, "seconds"), ("sora-2", {"seconds": 8}, "seconds"),
        ("sora-2", {"size": "1792x1024"}, "size"), ("sora-2-pro", {"size": "1x1"}, "size"),
        ("sora-2", {"n": 2}, "n"), ("sora-2", {"prompt": ""}, "prompt"),
    ],
)  # fmt: skip
def test_what_sora_does_not_take(upstream: Upstream, model: str, more: dict[str, Any], param: str) -> None:
    answer = upstream.post("/v1/videos", {"model": model, "prompt": "a cat", **more})
    assert (answer.status, answer.json["error"]["param"]) == (400, param), answer.json


def test_content_that_expired_and_polls_that_fail(client: OpenAI) -> None:
    id_ = client.videos.create(model="video@seconds=0,expired-url,flaky=2", prompt="a cat").id
    assert client.videos.retrieve(id_).status == "completed"
    with pytest.raises(openai.InternalServerError):
        client.videos.retrieve(id_)
    with pytest.raises(openai.NotFoundError, match="expired"):
        client.videos.download_content(id_)
