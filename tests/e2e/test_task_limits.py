"""Tasks at once are a limit of their own, and who waits is told how many are before him (contract 2.8, 2.10)."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexusflow.testing.ports import free_port
from tests.support.media import Stage, error, lane, staged, video_model, wait_until

FAL = "fal/queue"
MOST = 3
ELSEWHERE = "elsewhere"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    models = {
        "endless": video_model(lane(FAL, "video", "queue=60")),
        "far": video_model({"provider": ELSEWHERE, "model": "simulated/video"}),
    }
    away = {"protocol": FAL, "base_url": f"http://127.0.0.1:{free_port()}", "auth": "none"}
    limits = {"default": {"running_tasks": MOST, "rpm": 1000}}
    with staged(tmp_path_factory.mktemp("limits"), (FAL,), models, limits=limits, providers={ELSEWHERE: away}) as found:
        yield found


def test_no_more_tasks_are_taken_than_may_run_at_once(stage: Stage) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: stage.client.create(model="endless", duration=5), range(12)))
    assert Counter(one.status for one in found) == {202: MOST, 429: 12 - MOST}
    refused = next(one for one in found if one.status == 429)
    assert f"{MOST} tasks at once" in error(refused)["message"]
    assert int(refused.headers["retry-after"]) >= 1
    ids = [one.json()["id"] for one in found if one.status == 202]
    stage.client.ask("POST", f"/v1/tasks/{ids[0]}/cancel")
    stage.client.until(ids[0], "cancelled")
    assert stage.client.create(model="endless", duration=5).status == 202
    assert stage.client.create(model="endless", duration=5).status == 429
    for task in stage.client.get("/v1/tasks").json()["data"]:
        stage.client.ask("POST", f"/v1/tasks/{task['id']}/cancel")
    wait_until(lambda: all(one["status"] == "cancelled" for one in stage.client.get("/v1/tasks").json()["data"]))


def test_who_waits_is_told_his_place(stage: Stage) -> None:
    """Nobody listens at the provider, so what is asked of it waits."""
    ids = [stage.client.made(model="far", duration=5)["id"] for _ in range(MOST)]
    assert [stage.client.task(id_)["queue_position"] for id_ in ids] == [1, 2, 3]
    stage.client.ask("POST", f"/v1/tasks/{ids[0]}/cancel")
    stage.client.until(ids[0], "cancelled")
    assert [stage.client.task(id_)["queue_position"] for id_ in ids[1:]] == [1, 2]
