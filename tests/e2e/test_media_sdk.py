"""OpenAI's own SDK, its retries on, over images and videos of every kind of provider (contract 2.7; L27, AT-02)."""

import base64
import io
from collections.abc import Iterator
from typing import Any, cast

import openai
import pytest
from openai import OpenAI

from tests.support.making import PNG, base64_bytes
from tests.support.media import Stage, image_model, lane, staged, video_model, wait_until

OPENAI, GOOGLE, FAL = "openai/chat-completions", "google/generate-content", "fal/queue"
PICTURE = base64_bytes(PNG)
SHORT = dict.fromkeys(("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds"), 0.5)
STALLS: dict[str, Any] = {"timeouts": SHORT}
MODELS = {
    "painter": image_model(lane(OPENAI, "image")),
    "sketcher": image_model(lane(OPENAI, "gpt-image-2", "seconds=0.3")),
    "token-painter": image_model(
        lane(OPENAI, "gpt-image-2", "seconds=0"), price={"input": "5", "input_image": "8", "output_image": "30"}
    ),
    "bad-sketcher": image_model(lane(OPENAI, "gpt-image-2", "seconds=0.3", "fail=policy")),
    "google-painter": image_model(lane(GOOGLE, "image")),
    "queue-painter": image_model(lane(FAL, "image", "seconds=0.1"), media={"mode": "async"}),
    "flagged-painter": image_model(lane(FAL, "image", "seconds=0", "fail=policy")),
    "broken-painter": image_model(lane(FAL, "image", "seconds=0", "fail")),
    "lost-painter": image_model(cast("dict[str, str]", {**lane(OPENAI, "image", "seconds=5"), **STALLS})),
    "filmer": video_model(lane(OPENAI, "video", "seconds=0.1"), media={"duration_seconds": {"allowed": [4, 8]}}),
    "slow-filmer": video_model(lane(OPENAI, "video", "never"), media={"duration_seconds": {"allowed": [4, 8]}}),
    "bad-filmer": video_model(lane(OPENAI, "video", "seconds=0", "fail")),
    "lost-filmer": video_model(lane(FAL, "video", "lost")),
}
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning", "ignore:deprecated")
PAINTERS = ("painter", "google-painter", "queue-painter")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("sdk"), (OPENAI, GOOGLE, FAL), MODELS) as found:
        yield found


@pytest.fixture(scope="module")
def client(stage: Stage) -> OpenAI:
    return OpenAI(api_key=stage.gateway.key, base_url=f"{stage.gateway.url}/v1", max_retries=3)


def submits(stage: Stage, model: str) -> int:
    """How often a provider was asked for something by this upstream name."""
    return sum(job["submits"] for job in stage.upstream.jobs() if job["model"] == model)


def spent(stage: Stage) -> float:
    """What the key's wallet has paid in all."""
    return float(sum(float(one["amount"]) for one in stage.client.get("/v1/requests?limit=200").json()["data"]))


@pytest.mark.parametrize("model", PAINTERS)
def test_L27_images_come_as_addresses_or_as_bytes(stage: Stage, client: OpenAI, model: str) -> None:
    before = spent(stage)
    found = client.images.generate(model=model, prompt="A cat", n=2 if model != "google-painter" else 1)
    assert found.data is not None
    for one in found.data:
        picture = stage.client.get(one.url or "")
        assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
        assert picture.body.startswith(b"\x89PNG")
    bytes_ = client.images.generate(model=model, prompt="A cat", response_format="b64_json").data
    assert bytes_ is not None
    assert base64.b64decode(bytes_[0].b64_json or "").startswith(b"\x89PNG")
    assert bytes_[0].url is None
    wait_until(lambda: spent(stage) - before == pytest.approx(0.03 * (len(found.data or ()) + 1)))


@pytest.mark.parametrize("model", PAINTERS)
def test_pictures_are_edited(stage: Stage, client: OpenAI, model: str) -> None:
    files: list[Any] = [("a.png", PICTURE, "image/png"), ("b.png", PICTURE, "image/png")]
    given = files if model != "queue-painter" else files[0]
    found = client.images.edit(model=model, image=given, prompt="A hat on it")
    assert found.data is not None
    assert stage.client.get(found.data[0].url or "").body.startswith(b"\x89PNG")


def test_a_part_of_a_picture_is_edited_and_a_picture_is_varied(stage: Stage, client: OpenAI) -> None:
    mask = ("m.png", PICTURE, "image/png")
    found = client.images.edit(model="painter", image=("a.png", PICTURE, "image/png"), mask=mask, prompt="A hat")
    assert found.data
    varied = client.images.create_variation(model="painter", image=("a.png", PICTURE, "image/png"), n=2)
    assert len(varied.data or ()) == 2


@pytest.mark.parametrize("model", PAINTERS)
def test_a_streamed_picture_ends_in_the_completed_event(client: OpenAI, model: str) -> None:
    events = list(client.images.generate(model=model, prompt="A cat", stream=True))
    assert events[-1].type == "image_generation.completed"
    assert base64.b64decode(events[-1].b64_json).startswith(b"\x89PNG")
    picture = ("a.png", PICTURE, "image/png")
    last = list(client.images.edit(model=model, prompt="A hat", image=picture, stream=True))[-1]
    assert last.type == "image_edit.completed"


def test_a_streamed_picture_is_seen_while_it_is_drawn(stage: Stage, client: OpenAI) -> None:
    """Two sketches of the provider's, then the picture with its usage, of one submission and one charge."""
    before, sent = spent(stage), submits(stage, "gpt-image-2@seconds=0.3")
    events = list(client.images.generate(model="sketcher", prompt="A cat", stream=True, partial_images=2))
    assert [one.type.rpartition(".")[2] for one in events] == ["partial_image", "partial_image", "completed"]
    assert [getattr(one, "partial_image_index", None) for one in events] == [0, 1, None]
    drawn = [base64.b64decode(one.b64_json) for one in events]
    assert len(set(drawn)) == 3
    assert all(one.startswith(b"\x89PNG") for one in drawn)
    assert events[0].type == "image_generation.partial_image"
    assert (events[0].size, events[0].output_format) == ("1024x1024", "png")
    usage = events[-1].usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert submits(stage, "gpt-image-2@seconds=0.3") == sent + 1
    wait_until(lambda: spent(stage) - before == pytest.approx(0.03))
    picture = ("a.png", PICTURE, "image/png")
    edited = client.images.edit(model="sketcher", prompt="A hat", image=picture, stream=True, partial_images=1)
    assert [one.type for one in edited] == ["image_edit.partial_image", "image_edit.completed"]


def test_a_stream_of_sketches_that_ends_in_a_verdict_says_so_and_costs_nothing(stage: Stage, client: OpenAI) -> None:
    before = spent(stage)
    events = iter(client.images.generate(model="bad-sketcher", prompt="A cat", stream=True, partial_images=1))
    assert next(events).type == "image_generation.partial_image"
    with pytest.raises(openai.APIError, match="safety system"):
        next(events)
    assert spent(stage) == before


def test_a_picture_priced_by_tokens_costs_what_the_provider_counted(stage: Stage, client: OpenAI) -> None:
    before = spent(stage)
    picture = ("a.png", PICTURE, "image/png")
    usage = client.images.edit(model="token-painter", prompt="A hat on it", image=picture).usage
    assert usage is not None
    details = usage.input_tokens_details
    assert (details.image_tokens > 0, details.text_tokens > 0, usage.output_tokens > 0) == (True, True, True)
    due = (details.text_tokens * 5 + details.image_tokens * 8 + usage.output_tokens * 30) / 1e6
    wait_until(lambda: spent(stage) - before == pytest.approx(due, abs=1e-9))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "painter", "n": 9}, "n"),
        ({"model": "painter", "size": "7x7"}, "size"),
        ({"model": "none"}, "model"),
        ({"model": "filmer"}, "model"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.images.generate(prompt="A cat", **fields)
    assert refused.value.status_code in (400, 404, 422)
    assert refused.value.body["param"] == param  # type: ignore[index]  # an error of OpenAI's is an object


def test_a_verdict_of_the_provider_costs_nothing_and_is_not_asked_for_again(stage: Stage, client: OpenAI) -> None:
    before = spent(stage)
    with pytest.raises(openai.BadRequestError) as flagged:
        client.images.generate(model="flagged-painter", prompt="A cat")
    assert flagged.value.code == "content_policy_violation"
    with pytest.raises(openai.APIStatusError) as broken:
        client.images.generate(model="broken-painter", prompt="A cat")
    assert broken.value.response.headers["x-should-retry"] == "false"
    assert submits(stage, "simulated/image--seconds-0--fail") == 1
    assert spent(stage) == pytest.approx(before)


def test_AT02_one_wish_of_a_user_is_one_submission_whatever_times_out(stage: Stage, client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as lost:
        client.images.generate(model="lost-painter", prompt="A cat")
    assert lost.value.response.headers["x-should-retry"] == "false"
    assert "/v1/tasks/task_" in lost.value.message
    assert submits(stage, "image@seconds=5") == 1
    video = client.videos.create(model="lost-filmer", prompt="A cat", seconds="4")
    wait_until(lambda: client.videos.retrieve(video.id).status == "failed")
    assert submits(stage, "simulated/video--lost") == 1


def test_a_video_is_made_read_and_deleted(stage: Stage, client: OpenAI) -> None:
    before = spent(stage)
    video = client.videos.create_and_poll(
        model="filmer",
        prompt="A cat",
        seconds="8",
        size="1280x720",
        input_reference=("a.png", io.BytesIO(PICTURE), "image/png"),
        poll_interval_ms=100,
    )
    assert (video.status, video.progress, video.seconds, video.object) == ("completed", 100, "8", "video")
    content = client.videos.download_content(video.id)
    assert content.read()[4:8] == b"ftyp"
    wait_until(lambda: spent(stage) - before == pytest.approx(0.8))
    assert client.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)


def test_videos_are_listed_newest_first_a_page_at_a_time(client: OpenAI) -> None:
    made = [client.videos.create(model="slow-filmer", prompt=f"Cat {at}", seconds="4").id for at in range(3)]
    page = client.videos.list(limit=2)
    assert [one.id for one in page.data] == made[:0:-1]
    assert page.has_next_page()
    assert page.get_next_page().data[0].id == made[0]


def test_a_video_that_failed_says_why_and_has_nothing_to_fetch(client: OpenAI) -> None:
    video = client.videos.create_and_poll(model="bad-filmer", prompt="A cat", seconds="4", poll_interval_ms=100)
    assert video.status == "failed"
    assert video.error is not None
    with pytest.raises(openai.APIStatusError) as refused:
        client.with_options(max_retries=0).videos.download_content(video.id)
    assert refused.value.status_code == 409


def test_what_is_not_offered_is_refused_in_openais_form(client: OpenAI) -> None:
    video = client.videos.create(model="slow-filmer", prompt="A cat", seconds="4")
    with pytest.raises(openai.APIStatusError) as refused:
        client.videos.remix(video.id, prompt="A dog")
    assert refused.value.status_code in (400, 404, 405)
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("task_none")
    with pytest.raises(openai.UnprocessableEntityError) as bad:
        client.videos.create(model="filmer", prompt="A cat", seconds="12")
    assert bad.value.body["param"] in ("duration", "seconds")  # type: ignore[index]  # as above


def test_a_video_of_somebody_else_is_none(stage: Stage, client: OpenAI) -> None:
    mine = client.videos.create(model="slow-filmer", prompt="A cat", seconds="4").id
    other = stage.customer("other")
    assert other.get(f"/v1/videos/{mine}").status == 404
    assert other.ask("DELETE", f"/v1/videos/{mine}").status == 404
    assert other.get(f"/v1/videos/{mine}/content").status == 404
    assert other.get("/v1/videos").json()["data"] == []


def test_the_books_are_right_after_all_of_it(stage: Stage) -> None:
    stage.run("ledger", "verify")
