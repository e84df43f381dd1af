"""What providers do wrong with tasks, and clients twice: state, submissions, money (U-36, U-40, C-27, C-28, AT-06)."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.media import Stage, image_model, lane, staged, video_model, wait_until

OPENAI, FAL = "openai/chat-completions", "fal/queue"
MODELS = {
    "film": video_model(lane(FAL, "video", "seconds=0")),
    "shaky": video_model(lane(FAL, "video", "seconds=0.1", "flaky=4")),
    "dead": video_model(lane(FAL, "video", "never")),
    "lost": video_model(lane(FAL, "video", "seconds=0.1", "lost")),
    "short": image_model(lane(OPENAI, "image", "short")),
}
FIVE_SECONDS = 0.5


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("faults"), (FAL, OPENAI), MODELS) as found:
        yield found


def submits(stage: Stage, model: str) -> int:
    """How often the provider was asked for something by this name there."""
    return sum(job["submits"] for job in stage.upstream.jobs() if job["model"] == model)


def charges(stage: Stage, id_: str) -> list[float]:
    """What the call log says of a task: one line at most."""
    calls = stage.client.get("/v1/requests?limit=200").json()["data"]
    return [float(one["amount"]) for one in calls if one["id"] == id_]


def held(stage: Stage, id_: str) -> float:
    """What is set aside for it."""
    found: list[dict[str, Any]] = [one for one in stage_tasks(stage) if one["id"] == id_]
    return float(found[0]["held"])


def stage_tasks(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stage.run("tasks", "list", "--json"))
    return found


def test_U36_polls_that_fail_are_repeated_and_the_task_goes_on(stage: Stage) -> None:
    id_ = stage.client.made(model="shaky", duration=5)["id"]
    assert stage.client.until(id_)["status"] == "succeeded"
    assert charges(stage, id_) == [FIVE_SECONDS]


def test_U36_what_nobody_answers_for_ends_unknown_and_keeps_its_money(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("ttl")
    with staged(root, (FAL,), {"dead": MODELS["dead"]}, gateway={"tasks": {"deadline_hours": 0.001}}) as stage:
        id_ = stage.client.made(model="dead", duration=5)["id"]
        wait_until(lambda: stage.client.task(id_)["status"] == "unknown")
        assert charges(stage, id_) == []
        assert held(stage, id_) == FIVE_SECONDS
        stage.run("ledger", "verify")


def test_U40_fewer_images_than_wanted_are_charged_as_they_are(stage: Stage) -> None:
    task = stage.client.made(model="short", n=4)
    assert len(task["output"]["images"]) == 3
    assert charges(stage, task["id"]) == [pytest.approx(0.09)]


def test_AT06_a_submission_without_an_answer_is_not_repeated_and_not_refunded(stage: Stage) -> None:
    id_ = stage.client.made(model="lost", duration=5)["id"]
    assert stage.client.until(id_)["status"] == "unknown"
    assert submits(stage, "simulated/video--seconds-0.1--lost") == 1
    assert charges(stage, id_) == []
    assert held(stage, id_) == FIVE_SECONDS


def test_C27_a_hundred_with_one_key_are_one_task(stage: Stage) -> None:
    before = submits(stage, "simulated/video--seconds-0")

    def create(at: int) -> tuple[int, str]:
        found = stage.client.create({"idempotency-key": "the-one"}, model="film", duration=5)
        return found.status, found.json().get("id", "")

    with ThreadPoolExecutor(20) as pool:
        told = Counter(pool.map(create, range(100)))
    ids = {id_ for status, id_ in told if status == 202}
    assert len(ids) == 1
    assert {status for status, _ in told} <= {202, 409}
    [id_] = ids
    stage.client.until(id_)
    assert submits(stage, "simulated/video--seconds-0") == before + 1
    assert charges(stage, id_) == [FIVE_SECONDS]
    other = stage.client.create({"idempotency-key": "the-one"}, model="film", duration=6)
    assert (other.status, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_C28_a_task_of_somebody_else_is_as_one_that_never_was(stage: Stage) -> None:
    mine = stage.client.made(model="dead", duration=5)["id"]
    never = mine[:-12] + "0" * 12
    other = stage.customer("stranger")
    for path in ("/v1/tasks/{}", "/v1/tasks/{}/events", "/v1/videos/{}"):
        real, none = other.get(path.format(mine)), other.get(path.format(never))
        assert (real.status, none.status) == (404, 404)
        assert real.body.replace(mine.encode(), b"") == none.body.replace(never.encode(), b"")
    refused = other.ask("POST", f"/v1/tasks/{mine}/cancel")
    assert refused.status == 404
    assert stage.client.task(mine)["status"] in ("pending", "running")


def test_the_books_are_right_after_all_of_it(stage: Stage) -> None:
    stage.run("ledger", "verify")
