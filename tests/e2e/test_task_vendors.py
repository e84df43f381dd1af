"""Every provider's interface through the gateway: one task made and charged, one lost to the provider's own verdict."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.making import PNG
from tests.support.media import (
    BASES,
    Stage,
    image_model,
    lane,
    named,
    staged,
    video_model,
)

OPENAI, GOOGLE, DASHSCOPE = "openai/chat-completions", "google/generate-content", "dashscope/tasks"
REPLICATE, FAL, KLING = "replicate/predictions", "fal/queue", "kling/videos"
MINIMAX, ZHIPU, XAI = "minimax/videos", "zhipu/videos", "xai/videos"
VIDEOS: Mapping[str, dict[str, Any]] = {
    OPENAI: {"duration": 4, "size": "1280x720"},
    GOOGLE: {"duration": 4, "resolution": "720P", "ratio": "16:9"},
    DASHSCOPE: {"duration": 5, "resolution": "720P"},
    REPLICATE: {"duration": 5},
    FAL: {"duration": 5},
    KLING: {"duration": 10, "resolution": "720P", "ratio": "9:16"},
    MINIMAX: {"duration": 6, "resolution": "720P", "first_frame": PNG},
    ZHIPU: {"duration": 10, "size": "1280x720"},
    XAI: {"duration": 3, "resolution": "720P"},
}
"""What each is asked for, so that everybody makes 720 lines."""
IMAGES: Mapping[str, dict[str, Any]] = {
    OPENAI: {"n": 2},
    GOOGLE: {"ratio": "16:9"},
    DASHSCOPE: {"n": 2},
    REPLICATE: {},
    FAL: {"n": 2},
    KLING: {"n": 2},
}
NAMES = {
    (DASHSCOPE, "video"): "wan2.5-t2v-preview",
    (DASHSCOPE, "image"): "wan2.5-t2i-preview",
    (KLING, "video"): "kling-v2-6",
    (MINIMAX, "video"): "MiniMax-Hailuo-02",
    (ZHIPU, "video"): "cogvideox-3",
    (XAI, "video"): "grok-imagine-video",
}
"""Where what a provider takes depends on the model's name."""
PER_SECOND, PER_IMAGE = 0.1, 0.03


def of(protocol: str, kind: str, *options: str) -> dict[str, str]:
    """A lane to a model that is done soon, unless `options` say otherwise."""
    found = lane(protocol, kind, "seconds=0.1", *options)
    found["model"] = found["model"].replace(kind, NAMES.get((protocol, kind), kind), 1)
    return found


def models() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for protocol in VIDEOS:
        made[f"{named(protocol)}/film"] = video_model(of(protocol, "video"), media={"references_max": 1})
        made[f"{named(protocol)}/bad-film"] = video_model(of(protocol, "video", "fail=policy"))
    for protocol in IMAGES:
        made[f"{named(protocol)}/picture"] = image_model(of(protocol, "image"), media={"mode": "async"})
    return made


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    assert set(VIDEOS) == set(BASES)
    environ = {"STUDIO_KEY": "access:secret"}
    with staged(tmp_path_factory.mktemp("vendors"), tuple(VIDEOS), models(), environ) as found:
        yield found


@pytest.fixture(scope="module")
def begun(stage: Stage) -> dict[str, str]:
    """One task of every model, all begun together."""
    tasks = {}
    for protocol, wishes in VIDEOS.items():
        tasks[f"{named(protocol)}/film"] = stage.client.made(model=f"{named(protocol)}/film", **wishes)["id"]
        plain = {name: value for name, value in wishes.items() if name != "first_frame"}
        tasks[f"{named(protocol)}/bad-film"] = stage.client.made(model=f"{named(protocol)}/bad-film", **plain)["id"]
    for protocol, wishes in IMAGES.items():
        tasks[f"{named(protocol)}/picture"] = stage.client.made(model=f"{named(protocol)}/picture", **wishes)["id"]
    return tasks


def charged(stage: Stage, id_: str) -> float:
    """What the ledger says of the task."""
    balance: list[dict[str, Any]] = stage.client.get("/v1/requests?limit=200").json()["data"]
    found = [one for one in balance if one["id"] == id_]
    assert len(found) == 1
    return float(found[0]["amount"])


@pytest.mark.parametrize("protocol", list(VIDEOS))
def test_a_video_is_made_kept_and_charged_by_the_second(stage: Stage, begun: dict[str, str], protocol: str) -> None:
    id_ = begun[f"{named(protocol)}/film"]
    task = stage.client.until(id_)
    assert task["status"] == "succeeded", task
    film = stage.client.get(task["output"]["video_url"])
    assert (film.status, film.headers["content-type"]) == (200, "video/mp4")
    assert film.body[4:8] == b"ftyp"
    assert charged(stage, id_) == pytest.approx(VIDEOS[protocol]["duration"] * PER_SECOND)


@pytest.mark.parametrize("protocol", list(IMAGES))
def test_images_are_made_kept_and_charged_by_the_piece(stage: Stage, begun: dict[str, str], protocol: str) -> None:
    id_ = begun[f"{named(protocol)}/picture"]
    task = stage.client.until(id_)
    assert task["status"] == "succeeded", task
    images = task["output"]["images"]
    assert len(images) == IMAGES[protocol].get("n", 1)
    for one in images:
        picture = stage.client.get(one["url"])
        assert picture.status == 200
        assert picture.headers["content-type"] == one["mime_type"]
    assert charged(stage, id_) == pytest.approx(len(images) * PER_IMAGE)


@pytest.mark.parametrize("protocol", list(VIDEOS))
def test_the_providers_own_verdict_costs_nothing(stage: Stage, begun: dict[str, str], protocol: str) -> None:
    id_ = begun[f"{named(protocol)}/bad-film"]
    task = stage.client.until(id_)
    assert (task["status"], task["error_code"]) == ("failed", "content_policy_violation"), task
    assert charged(stage, id_) == 0


def test_every_task_was_submitted_once_and_the_books_are_right(stage: Stage, begun: dict[str, str]) -> None:
    for id_ in begun.values():
        stage.client.until(id_)
    assert {job["submits"] for job in stage.upstream.jobs()} == {1}
    assert len(stage.upstream.jobs()) == len(begun)
    stage.run("ledger", "verify")
