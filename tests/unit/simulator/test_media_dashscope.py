"""DashScope's tasks, on a socket: every state, every failure, and what its models do not take (contract 2.8)."""

from typing import Any

import pytest

from tests.support.simulated import Answer
from tests.support.studio import Upstream

SERVICES = "/api/v1/services/aigc/"
LATER = {"X-DashScope-Async": "enable"}
TEXT, VIDEO = "text2image/image-synthesis", "video-generation/video-synthesis"
SYNC, NEW = "multimodal-generation/generation", "image-generation/generation"


def submit(upstream: Upstream, model: str, path: str = VIDEO, given: Any = None, **parameters: Any) -> Answer:
    body = {"model": model, "input": given or {"prompt": "a cat"}, "parameters": parameters}
    return upstream.post(SERVICES + path, body, LATER)


def spoken(*parts: dict[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def task(upstream: Upstream, *submission: Any, **parameters: Any) -> dict[str, Any]:
    """Submits, and asks once."""
    answer = submit(upstream, *submission, **parameters)
    assert answer.status == 200, answer.json
    assert answer.json["output"]["task_status"] == "PENDING"
    found: dict[str, Any] = upstream.get(f"/api/v1/tasks/{answer.json['output']['task_id']}").json
    return found


def test_images_of_a_task(upstream: Upstream) -> None:
    told = task(upstream, "wan2.2-t2i-flash@seconds=0", TEXT, n=3, size="1024*768", seed=7)
    output = told["output"]
    assert (output["task_status"], output["task_metrics"]) == ("SUCCEEDED", {"TOTAL": 3, "SUCCEEDED": 3, "FAILED": 0})
    assert told["usage"] == {"image_count": 3, "size": "1024*768"}
    assert output["submit_time"] <= output["scheduled_time"] <= output["end_time"]
    files = [upstream.get(one["url"]) for one in output["results"]]
    assert {(file.status, file.headers["content-type"]) for file in files} == {(200, "image/png")}
    assert len({file.body for file in files}) == 3
    assert all(int(file.headers["content-length"]) == len(file.body) for file in files)


def test_a_video_of_a_task(upstream: Upstream) -> None:
    told = task(upstream, "wan2.6-t2v@seconds=0", size="1280*720", duration=10)
    assert told["usage"]["duration"] == 10
    file = upstream.get(told["output"]["video_url"])
    assert (file.headers["content-type"], file.body[4:8]) == ("video/mp4", b"ftyp")
    assert "task_metrics" not in told["output"]


@pytest.mark.parametrize(
    ("model", "given", "parameters"),
    [
        ("happyhorse-1.0-t2v", None, {"resolution": "720P", "ratio": "9:16", "duration": 3, "watermark": False}),
        ("wan2.6-i2v", {"prompt": "x", "img_url": "https://a.test/a.png"}, {"resolution": "1080P", "duration": 15}),
        ("wan2.5-i2v-preview", {"img_url": "data:image/png;base64,iVBORw0KGgo="}, {"resolution": "480P"}),
        ("happyhorse-1.0-i2v", {"media": [{"type": "first_frame", "url": "https://a.test/a.png"}]}, {}),
        ("wan2.2-t2v-plus", None, {"size": "1920*1080", "prompt_extend": True}),
        ("pixverse-v6", None, {"resolution": "540P", "duration": 8}),
        ("video", None, {"resolution": "720P", "ratio": "1:1", "duration": 1}),
    ],
)
def test_videos_that_are_taken(upstream: Upstream, model: str, given: Any, parameters: dict[str, Any]) -> None:
    assert submit(upstream, model, VIDEO, given, **parameters).status == 200


def test_states_on_the_way(upstream: Upstream) -> None:
    queued = task(upstream, "video@queue=3600")["output"]
    assert (queued["task_status"], "scheduled_time" in queued) == ("PENDING", False)
    running = task(upstream, "image@never", TEXT, n=2)["output"]
    assert (running["task_status"], running["task_metrics"]["TOTAL"]) == ("RUNNING", 2)
    assert "end_time" not in running
    unknown = upstream.get("/api/v1/tasks/none")
    assert (unknown.status, unknown.json["output"]) == (200, {"task_id": "none", "task_status": "UNKNOWN"})


@pytest.mark.parametrize(
    ("fail", "code"), [("fail", "InternalError"), ("fail=policy", "DataInspectionFailed"), ("fail=My.Code", "My.Code")]
)
def test_U37_failures_are_tasks_that_failed(upstream: Upstream, fail: str, code: str) -> None:
    output = task(upstream, f"video@seconds=0,{fail}")["output"]
    assert (output["task_status"], output["code"], bool(output["message"])) == ("FAILED", code, True)
    assert "video_url" not in output


def test_U40_one_image_fails_and_the_task_does_not(upstream: Upstream) -> None:
    output = task(upstream, "image@seconds=0,short", TEXT, n=3)["output"]
    assert output["task_status"] == "SUCCEEDED"
    assert [sorted(one)[0] for one in output["results"]] == ["actual_prompt", "actual_prompt", "code"]
    assert output["task_metrics"] == {"TOTAL": 3, "SUCCEEDED": 2, "FAILED": 1}


def test_U36_failed_first_and_succeeded_later(upstream: Upstream) -> None:
    first = task(upstream, "video@seconds=0,flip")["output"]
    later = upstream.get(f"/api/v1/tasks/{first['task_id']}").json["output"]
    assert (first["task_status"], later["task_status"]) == ("FAILED", "SUCCEEDED")


def test_only_what_is_queued_can_be_cancelled(upstream: Upstream) -> None:
    id_ = task(upstream, "video@queue=3600")["output"]["task_id"]
    assert upstream.post(f"/api/v1/tasks/{id_}/cancel").status == 200
    assert upstream.get(f"/api/v1/tasks/{id_}").json["output"]["task_status"] == "CANCELED"
    for other in (id_, task(upstream, "video@never")["output"]["task_id"], "none"):
        refused = upstream.post(f"/api/v1/tasks/{other}/cancel")
        assert (refused.status, refused.json["code"]) == (400, "UnsupportedOperation")


def test_answers_at_once(upstream: Upstream) -> None:
    body = {"model": "wan2.6-t2i@seconds=0", "input": spoken({"text": "a cat"}), "parameters": {"n": 2}}
    told = upstream.post(SERVICES + SYNC, body).json
    links = [choice["message"]["content"][0]["image"] for choice in told["output"]["choices"]]
    assert [upstream.get(link).body[:4] for link in links] == [b"\x89PNG"] * 2
    assert told["usage"] == {"image_count": 2, "size": "1280*1280"}
    failed = upstream.post(SERVICES + SYNC, {**body, "model": "wan2.6-t2i@seconds=0,fail=policy"})
    assert (failed.status, failed.json["code"]) == (400, "DataInspectionFailed")
    later = submit(upstream, "wan2.6-t2i@seconds=0", NEW, spoken({"text": "a cat"})).json["output"]["task_id"]
    assert upstream.get(f"/api/v1/tasks/{later}").json["output"]["finished"] is True


@pytest.mark.parametrize("lost", ["lost", "lost=hang"])
def test_U38_taken_but_never_answered(upstream: Upstream, lost: str) -> None:
    body = {"model": f"video@{lost}", "input": {"prompt": "a cat"}}
    with pytest.raises(OSError, match=r"reset|timed out"):
        upstream.ask("POST", SERVICES + VIDEO, body, LATER, timeout=1)
    (job,) = upstream.jobs()
    assert (job["vendor"], job["model"], job["asked"]) == ("dashscope", f"video@{lost}", body)


def test_polls_that_fail_and_links_that_expired(upstream: Upstream) -> None:
    id_ = submit(upstream, "video@seconds=0,flaky=2").json["output"]["task_id"]
    polls = [upstream.get(f"/api/v1/tasks/{id_}") for _ in range(4)]
    assert [poll.status for poll in polls] == [200, 500, 200, 500]
    assert polls[1].json["code"] == "InternalError"
    expired = task(upstream, "image@seconds=0,expired-url", TEXT)["output"]["results"][0]["url"]
    assert upstream.get(expired).status == 403
    good = task(upstream, "image@seconds=0", TEXT)["output"]["results"][0]["url"]
    statuses = [upstream.get(link).status for link in (good, f"{good}0", good.replace("0.png", "1.png"))]
    assert statuses == [200, 403, 404]


@pytest.mark.parametrize(
    ("refuse", "status", "code"),
    [
        ("auth", 401, "InvalidApiKey"), ("rate", 429, "Throttling.RateQuota"), ("billing", 400, "Arrearage"),
        ("policy", 400, "DataInspectionFailed"), ("unavailable", 503, "ModelUnavailable"),
    ],
)  # fmt: skip
def test_refusals(upstream: Upstream, refuse: str, status: int, code: str) -> None:
    answer = submit(upstream, f"video@refuse={refuse}")
    assert (answer.status, answer.json["code"], answer.json.keys()) == (status, code, {"code", "message", "request_id"})
    assert upstream.jobs() == []


@pytest.mark.parametrize(
    ("path", "model", "given", "parameters"),
    [
        (TEXT, "wan2.2-t2i-flash", None, {"size": "2048*2048"}),
        (TEXT, "wan2.2-t2i-flash", None, {"size": "1024x1024"}),
        (TEXT, "wan2.2-t2i-flash", None, {"n": 5}),
        (TEXT, "wan2.2-t2i-flash", None, {"n": "1"}),
        (TEXT, "wan2.2-t2i-flash", None, {"seed": -1}),
        (TEXT, "wan2.2-t2i-flash", {"text": "x"}, {}),
        (TEXT, "wan2.5-t2i-preview", None, {"size": "512*512"}),
        (TEXT, "qwen-image", None, {"size": "1024*1024"}),
        (TEXT, "wan2.6-t2i", None, {}),
        (NEW, "wan2.6-t2i", {"prompt": "x"}, {}),
        (VIDEO, "wan2.6-t2v", None, {"size": "1234*720"}),
        (VIDEO, "wan2.6-t2v", None, {"size": "832*480"}),
        (VIDEO, "wan2.6-t2v", None, {"duration": 16}),
        (VIDEO, "wan2.5-t2v-preview", None, {"duration": 7}),
        (VIDEO, "wan2.6-i2v", None, {}),
        (VIDEO, "wan2.6-i2v", {"img_url": "a.png"}, {}),
        (VIDEO, "happyhorse-1.0-t2v", None, {"resolution": "480P"}),
        (VIDEO, "happyhorse-1.0-t2v", None, {"ratio": "2:1"}),
        (VIDEO, "happyhorse-1.0-i2v", {"media": [{"type": "last_frame", "url": "https://a.test/a"}]}, {}),
        (VIDEO, "video@nonsense", None, {}),
    ],
)
def test_what_the_models_do_not_take(
    upstream: Upstream, path: str, model: str, given: Any, parameters: dict[str, Any]
) -> None:
    answer = submit(upstream, model, path, given, **parameters)
    assert (answer.status, answer.json["code"]) == (400, "InvalidParameter"), answer.json
    assert upstream.jobs() == []


def test_ways_that_there_are_not(upstream: Upstream) -> None:
    body = {"model": "wan2.2-t2i-flash", "input": {"prompt": "x"}}
    assert upstream.post(SERVICES + TEXT, body).json["code"] == "AccessDenied"
    assert upstream.post(SERVICES + SYNC, body, LATER).json["code"] == "AccessDenied"
    assert (submit(upstream, "sora-2").status, submit(upstream, "sora-2").json["code"]) == (404, "ModelNotFound")
    assert upstream.ask("POST", SERVICES + TEXT, b"{", LATER).json["code"] == "InvalidParameter"


def test_lists_and_introspection(upstream: Upstream) -> None:
    id_ = task(upstream, "video@seconds=0")["output"]["task_id"]
    (listed,) = upstream.get("/api/v1/tasks").json["data"]
    assert (listed["task_id"], listed["status"]) == (id_, "SUCCEEDED")
    (job,) = upstream.jobs()
    assert (job["id"], job["state"], job["submits"], job["polls"], job["cancels"]) == (id_, "succeeded", 1, 1, 0)
    assert job["submitted_at"] <= job["begun_at"] <= job["ended_at"]
    requests = upstream.get("/_simulator/requests").json
    assert [request["method"] for request in requests] == ["POST", "GET", "GET"]
    upstream.post("/_simulator/reset")
    assert upstream.jobs() == []
