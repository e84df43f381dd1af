"""`/v1/tasks`: what may be asked for, what is answered, and how a task goes on (contract 2.8; L29, L30, L34, L35)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.drive import chat_model
from tests.support.making import PNG
from tests.support.media import Stage, error, image_model, lane, staged, video_model

FAL = "fal/queue"
OPENAI = "openai/chat-completions"
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TASK_ID = re.compile(r"task_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RATIOS = ["16:9", "9:16", "1:1"]
SIZES = ["1024x1024", "1024x1536"]
MODELS = {
    "painter": image_model(lane(FAL, "image", "seconds=0"), media={"sizes": SIZES, "seed_max": 2147483647}),
    "queue-painter": image_model(lane(FAL, "image", "seconds=0"), media={"mode": "async"}),
    "gift": image_model(lane(FAL, "image", "seconds=0"), media={"mode": "async"}, free=True),
    "filmer": video_model(
        lane(FAL, "video", "seconds=0"), media={"ratios": RATIOS, "seed_max": 99, "references_max": 2, "audio": True}
    ),
    "slow": video_model(lane(FAL, "video", "never")),
    "flagged": video_model(lane(FAL, "video", "seconds=0", "fail=policy")),
    "broken": video_model(lane(FAL, "video", "seconds=0", "fail")),
    "chat": chat_model("openai", "chat"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("tasks"), (FAL, OPENAI), MODELS) as found:
        yield found


@pytest.fixture(scope="module")
def begun(stage: Stage) -> dict[str, dict[str, Any]]:
    """One task of each kind, all begun together."""
    wanted = ("queue-painter", "gift", "filmer", "slow", "flagged", "broken")
    return {model: stage.client.made(model=model) for model in wanted}


def test_L29_a_creation_is_accepted_with_202_and_the_place_of_its_task(stage: Stage) -> None:
    found = stage.client.create(model="slow", duration=3)
    task = found.json()
    assert (found.status, found.headers["location"]) == (202, f"/v1/tasks/{task['id']}")
    assert TASK_ID.fullmatch(task["id"])
    assert WHEN.fullmatch(task["created_at"])
    assert (task["object"], task["model"], task["type"], task["progress"]) == ("task", "slow", "video", 0)
    assert task["status"] in ("pending", "running")
    assert task["completed_at"] is None
    assert not task.keys() & {"output", "error"}
    assert found.headers["x-request-id"]


def test_L28_a_model_that_answers_at_once_has_its_images_in_the_creation(stage: Stage) -> None:
    """Contract 3 rows 1 and 3: 202 all the same, though the provider itself works with a queue."""
    found = stage.client.create(model="painter", n=2)
    task = found.json()
    assert (found.status, task["status"], task["progress"]) == (202, "succeeded", 100), found.body
    output = task["output"]
    assert output["type"] == "image"
    assert len(output["images"]) == 2
    assert output["image_url"] == output["images"][0]["url"]
    assert {one["mime_type"] for one in output["images"]} == {"image/png"}
    assert len({one["url"] for one in output["images"]}) == 2


@pytest.mark.parametrize("model", ["queue-painter", "gift", "filmer"])
def test_L30_a_task_that_succeeded_has_its_output_and_the_times(
    stage: Stage, begun: dict[str, dict[str, Any]], model: str
) -> None:
    task = stage.client.until(begun[model]["id"])
    kind = MODELS[model]["category"]
    assert (task["status"], task["progress"], task["type"]) == ("succeeded", 100, kind), task
    assert WHEN.fullmatch(task["completed_at"])
    assert task["created_at"] <= task["completed_at"] < task["expires_at"]
    output = task["output"]
    assert output["type"] == kind
    assert output[f"{kind}_url"] == output[f"{kind}s"][0]["url"]
    assert output[f"{kind}_url"].startswith(f"{stage.gateway.url}/v1/results/{task['id']}/0.")  # L34
    assert "error" not in task


@pytest.mark.parametrize(("model", "code"), [("flagged", "content_policy_violation"), ("broken", "upstream_error")])
def test_L30_the_error_of_a_failed_task_is_a_text_with_a_code_beside_it(
    stage: Stage, begun: dict[str, dict[str, Any]], model: str, code: str
) -> None:
    """Contract 3 row 8. What failed costs nothing."""
    task = stage.client.until(begun[model]["id"])
    assert task["status"] == "failed"
    assert WHEN.fullmatch(task["completed_at"])
    assert isinstance(task["error"], str)
    assert task["error"]
    assert task["error_code"] == code
    assert "output" not in task
    assert task["progress"] < 100


def test_L30_what_is_under_way_says_when_to_ask_again(stage: Stage, begun: dict[str, dict[str, Any]]) -> None:
    """Contract 3 row 4: `Retry-After` while there is something to wait for, and not after the end."""
    id_ = begun["slow"]["id"]
    assert stage.client.until(id_, "running")["completed_at"] is None
    assert stage.client.get(f"/v1/tasks/{id_}").headers["retry-after"] == "10"
    over = stage.client.until(begun["filmer"]["id"])
    assert "retry-after" not in stage.client.get(f"/v1/tasks/{over['id']}").headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"ratio": "9:16"}, {"aspect_ratio": "9:16"}),
        ({"aspect_ratio": "9:16"}, {"aspect_ratio": "9:16"}),
        ({"resolution": "1080p"}, {"resolution": "1080p"}),
        ({"resolution": "1080P"}, {"resolution": "1080p"}),
        ({"img_url": PNG}, {"image_url": PNG}),
        ({"image_url": PNG}, {"image_url": PNG}),
        ({"first_frame_url": PNG, "last_frame": PNG}, {"image_url": PNG, "end_image_url": PNG}),
        ({"images": [PNG, PNG]}, {"image_urls": [PNG, PNG]}),
        ({"seconds": 7}, {"duration": "7"}),
        ({}, {"duration": "5", "resolution": "720p"}),
        ({"size": "1280*720"}, {"image_size": {"width": 1280, "height": 720}}),
        ({"seed": 99, "negative_prompt": "dogs", "audio": True}, {"seed": 99, "negative_prompt": "dogs"}),
    ],
)
def test_L35_other_names_and_spellings_mean_the_same(stage: Stage, given: dict[str, Any], kept: dict[str, Any]) -> None:
    """Contract 3 row 7: what the provider is asked, for what the client said."""
    task = stage.client.made(model="filmer", prompt=f"Told as {given}", **given)
    stage.client.until(task["id"], "running", "succeeded")
    [job] = [one for one in stage.upstream.jobs() if one["asked"]["prompt"] == f"Told as {given}"]
    assert {name: job["asked"].get(name) for name in kept} == kept


@pytest.mark.parametrize(
    ("model", "given", "status", "param", "code"),
    [
        ("filmer", {"duration": "5"}, 400, "duration", "invalid_type"),
        ("filmer", {"duration": 2.5}, 400, "duration", "invalid_type"),
        ("filmer", {"duration": 2}, 422, "duration", "value_out_of_range"),
        ("filmer", {"duration": 16}, 422, "duration", "value_out_of_range"),
        ("filmer", {"seed": 100}, 422, "seed", "value_out_of_range"),
        ("filmer", {"seed": -1}, 422, "seed", "value_out_of_range"),
        ("filmer", {"n": 2}, 422, "n", "value_out_of_range"),
        ("filmer", {"ratio": 1}, 400, "ratio", "invalid_type"),
        ("filmer", {"images": [PNG] * 3}, 422, "reference_urls", "value_out_of_range"),
        ("filmer", {"images": PNG}, 400, "reference_urls", "invalid_type"),
        ("filmer", {"ratio": "1:1", "aspect_ratio": "1:1"}, 400, "aspect_ratio", "duplicate_key"),
        ("filmer", {"prompt": ""}, 422, "prompt", "value_out_of_range"),
        ("filmer", {"prompt": None}, 400, "prompt", "invalid_type"),
        ("filmer", {"webhook_url": "https://example.com/hook"}, 400, "webhook_url", "invalid_value"),
        ("painter", {"n": 5}, 422, "n", "value_out_of_range"),
        ("painter", {"n": 0}, 422, "n", "value_out_of_range"),
        ("painter", {"n": "2"}, 400, "n", "invalid_type"),
        ("painter", {"duration": 5}, 400, "duration", "unsupported_parameter"),
        ("painter", {"resolution": "720P"}, 400, "resolution", "unsupported_parameter"),
        ("gift", {"seed": 1}, 400, "seed", "unsupported_parameter"),
        ("slow", {"audio": True}, 400, "audio", "unsupported_parameter"),
        ("chat", {}, 400, "model", "model_not_supported"),
        ("nothing", {}, 404, "model", "model_not_found"),
        (7, {}, 400, "model", "invalid_type"),
    ],
)
def test_L35_what_does_not_fit_is_refused_and_named(
    stage: Stage, model: Any, given: dict[str, Any], status: int, param: str, code: str
) -> None:
    """Contract 3 row 10: 400 for shape and type, 422 for ranges; and C-18, U-40: nothing of it reaches a provider."""
    before = len(stage.upstream.jobs())
    found = stage.client.create(model=model, **given)
    said = error(found)
    assert (found.status, said["param"], said["code"]) == (status, param, code), said
    assert len(stage.upstream.jobs()) == before


@pytest.mark.parametrize(
    ("model", "param", "value", "allowed"),
    [
        ("filmer", "ratio", "21:9", RATIOS),
        ("filmer", "resolution", "4k", ["720P", "1080P"]),
        ("painter", "size", "640x480", SIZES),
    ],
)
def test_L35_a_value_outside_of_a_list_is_told_the_list(
    stage: Stage, model: str, param: str, value: str, allowed: list[str]
) -> None:
    found = stage.client.create(model=model, **{param: value})
    said = error(found)
    assert (found.status, said["param"], said["code"]) == (422, param, "value_out_of_range")
    assert said["message"].endswith(f"must be one of: {', '.join(allowed)}")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/tasks", b"{", 400),
        ("POST", "/v1/tasks", b'{"model": "filmer", "model": "gift", "prompt": "x"}', 400),
        ("POST", "/v1/tasks", b'{"prompt": "x"}', 400),
        ("POST", "/v1/tasks", b'{"model": "filmer"}', 400),
        ("DELETE", "/v1/tasks", None, 405),
        ("POST", "/v1/tasks/task_1", b"{}", 405),
        ("GET", "/v1/tasks/task_1/cancel", None, 405),
        ("GET", "/v1/tasks/task_1/other", None, 404),
        ("GET", "/v1/tasks/task_1", None, 404),
    ],
)
def test_requests_that_are_none_are_refused(
    stage: Stage, method: str, path: str, body: bytes | None, status: int
) -> None:
    found = stage.client.ask(method, path, body)
    assert found.status == status, found.body
    assert error(found)["type"] == "invalid_request_error"
    assert ("allow" in found.headers) == (status == 405)
