"""The smaller vendors of images and videos, each in its own words: Zhipu, MiniMax, Kling, Replicate, fal and xAI."""

import base64
import json
import time
from typing import Any

import pytest

from tests.support.studio import Upstream


def token(**claims: Any) -> dict[str, str]:
    """A JWT of HS256; nobody here knows the secret that it is signed with."""
    whole = {"iss": "ak", "exp": int(time.time()) + 1800, "nbf": int(time.time()) - 5, **claims}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, whole)]
    coded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature")]
    return {"Authorization": f"Bearer {'.'.join(coded)}"}


def is_mp4(upstream: Upstream, link: str) -> bool:
    return upstream.get(link).body[4:8] == b"ftyp"


ZHIPU = "/api/paas/v4/"


def zhipu(upstream: Upstream, options: str, **more: Any) -> dict[str, Any]:
    made = upstream.post(f"{ZHIPU}videos/generations", {"model": f"video@{options}", "prompt": "a cat", **more}).json
    assert made["task_status"] == "PROCESSING"
    told: dict[str, Any] = upstream.get(f"{ZHIPU}async-result/{made['id']}").json
    return told


def test_zhipu_states(upstream: Upstream) -> None:
    done = zhipu(upstream, "seconds=0", size="720x1280", duration=10, request_id="mine")
    assert (done["task_status"], done["request_id"]) == ("SUCCESS", "mine")
    assert is_mp4(upstream, done["video_result"][0]["url"])
    assert upstream.get(done["video_result"][0]["cover_image_url"]).body.startswith(b"\x89PNG")
    assert zhipu(upstream, "never")["task_status"] == "PROCESSING"
    failed = zhipu(upstream, "seconds=0,fail=policy")
    assert (failed["task_status"], failed["error"]["code"]) == ("FAIL", "1301")


def test_zhipu_knows_a_submission_that_comes_twice(upstream: Upstream) -> None:
    body = {"model": "cogvideox-3", "prompt": "a cat", "request_id": "mine"}
    assert [upstream.post(f"{ZHIPU}videos/generations", body).status for _ in range(2)] == [200, 400]
    assert [(job["reference"], job["submits"]) for job in upstream.jobs()] == [("mine", 2)]


def test_zhipu_images_and_refusals(upstream: Upstream) -> None:
    made = upstream.post(f"{ZHIPU}images/generations", {"model": "cogview-4@seconds=0", "prompt": "a cat"}).json
    assert upstream.get(made["data"][0]["url"]).body.startswith(b"\x89PNG")
    for path, body, code in (
        ("images/generations", {"model": "cogview-4", "prompt": "x", "size": "100x100"}, "1214"),
        ("videos/generations", {"model": "cogvideox-3"}, "1214"),
        ("videos/generations", {"model": "cogvideox-3", "prompt": "x", "duration": 7}, "1214"),
        ("videos/generations", {"model": "cogvideox-3", "prompt": "x", "size": "1x1"}, "1214"),
        ("videos/generations", {"model": "sora-2", "prompt": "x"}, "1211"),
        ("videos/generations", {"model": "video@refuse=rate", "prompt": "x"}, "1302"),
    ):
        assert upstream.post(ZHIPU + path, body).json["error"]["code"] == code


def minimax(upstream: Upstream, options: str, **more: Any) -> dict[str, Any]:
    made = upstream.post("/v1/video_generation", {"model": f"video@{options}", "prompt": "a cat", **more}).json
    assert made["base_resp"] == {"status_code": 0, "status_msg": "success"}
    told: dict[str, Any] = upstream.get(f"/v1/query/video_generation?task_id={made['task_id']}").json
    return told


def test_minimax_states(upstream: Upstream) -> None:
    done = minimax(upstream, "seconds=0", duration=10, resolution="768P")
    assert (done["status"], done["video_height"]) == ("Success", 768)
    file = upstream.get(f"/v1/files/retrieve?file_id={done['file_id']}").json["file"]
    assert len(upstream.get(file["download_url"]).body) == file["bytes"]
    assert minimax(upstream, "queue=3600")["status"] == "Queueing"
    assert minimax(upstream, "never")["status"] == "Processing"
    failed = minimax(upstream, "seconds=0,fail=policy")
    assert (failed["status"], failed["base_resp"]["status_code"]) == ("Fail", 1027)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("video_generation", {"model": "I2V-01", "prompt": "x"}, 2013),
        ("video_generation", {"model": "MiniMax-Hailuo-02", "prompt": "x", "duration": 5}, 2013),
        (
            "video_generation",
            {"model": "MiniMax-Hailuo-02", "prompt": "x", "duration": 10, "resolution": "1080P"},
            2013,
        ),
        ("video_generation", {"model": "video@refuse=billing", "prompt": "x"}, 1008),
        ("image_generation", {"model": "image-01", "prompt": "x", "n": 10}, 2013),
        ("image_generation", {"model": "image-01", "prompt": "x", "width": 512}, 2013),
        ("image_generation", {"model": "image-01@seconds=0,fail=policy", "prompt": "x"}, 1026),
    ],
)
def test_minimax_refuses_with_200(upstream: Upstream, path: str, body: dict[str, Any], code: int) -> None:
    answer = upstream.post(f"/v1/{path}", body)
    assert (answer.status, answer.json["base_resp"]["status_code"]) == (200, code)


def test_minimax_images(upstream: Upstream) -> None:
    body = {"model": "image-01@seconds=0", "prompt": "a cat", "n": 2, "aspect_ratio": "16:9"}
    assert len(upstream.post("/v1/image_generation", body).json["data"]["image_urls"]) == 2
    coded = upstream.post("/v1/image_generation", {**body, "response_format": "base64"}).json
    assert (len(coded["data"]["image_base64"]), coded["metadata"]["success_count"]) == (2, "2")


def kling(upstream: Upstream, path: str, body: dict[str, Any]) -> dict[str, Any]:
    made = upstream.ask("POST", f"/v1/{path}", body, token()).json
    assert (made["code"], made["data"]["task_status"]) == (0, "submitted"), made
    told: dict[str, Any] = upstream.get(f"/v1/{path}/{made['data']['task_id']}", token()).json["data"]
    return told


def test_kling_states(upstream: Upstream) -> None:
    body = {"model_name": "video@seconds=0", "prompt": "a cat", "duration": "10", "external_task_id": "mine"}
    done = kling(upstream, "videos/text2video", body)
    (video,) = done["task_result"]["videos"]
    assert (done["task_status"], video["duration"], is_mp4(upstream, video["url"])) == ("succeed", "10", True)
    assert upstream.get("/v1/videos/text2video/mine", token()).json["data"]["task_id"] == done["task_id"]
    again = upstream.ask("POST", "/v1/videos/text2video", body, token())
    assert (again.status, again.json["code"], upstream.jobs()[0]["submits"]) == (400, 1201, 2)
    never = kling(upstream, "videos/image2video", {"model_name": "video@never", "image": "https://a.test/a.png"})
    assert never["task_status"] == "processing"
    failed = kling(upstream, "videos/text2video", {"model_name": "video@seconds=0,fail=policy", "prompt": "x"})
    assert (failed["task_status"], "risk control" in failed["task_status_msg"]) == ("failed", True)
    assert len(upstream.get("/v1/videos/text2video", token()).json["data"]) == 3


def test_kling_images_share_a_path_with_openai(upstream: Upstream) -> None:
    done = kling(upstream, "images/generations", {"model_name": "image@seconds=0", "prompt": "a cat", "n": 2})
    assert [image["index"] for image in done["task_result"]["images"]] == [0, 1]
    plain = upstream.post("/v1/images/generations", {"model": "image@seconds=0", "prompt": "a cat"}).json
    assert plain["data"][0]["b64_json"]
    assert [job["vendor"] for job in upstream.jobs()] == ["kling", "openai"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 1001), ({"Authorization": "Bearer sk-plain"}, 1002), ({"Authorization": "Bearer a.b.c"}, 1002),
        (token(iss=""), 1002), (token(nbf=int(time.time()) + 600), 1003), (token(exp=1), 1004),
    ],
)  # fmt: skip
def test_kling_wants_a_token(upstream: Upstream, headers: dict[str, str], code: int) -> None:
    answer = upstream.ask("POST", "/v1/videos/text2video", {"model_name": "video", "prompt": "x"}, headers)
    assert (answer.status, answer.json["code"]) == (401, code)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("videos/text2video", {"model_name": "video"}, 1201),
        ("videos/text2video", {"model_name": "video", "prompt": "x", "duration": 5}, 1201),
        ("videos/text2video", {"model_name": "video", "prompt": "x", "aspect_ratio": "4:3"}, 1201),
        ("videos/image2video", {"model_name": "video", "prompt": "x"}, 1201),
        ("videos/image2video", {"model_name": "video", "image": "data:image/png;base64,aaaa"}, 1201),
        ("videos/text2video", {"model_name": "sora-2", "prompt": "x"}, 1203),
        ("videos/text2video", {"model_name": "video@refuse=rate", "prompt": "x"}, 1302),
        ("images/generations", {"model_name": "image", "prompt": "x", "n": 10}, 1201),
    ],
)
def test_kling_refuses(upstream: Upstream, path: str, body: dict[str, Any], code: int) -> None:
    assert upstream.ask("POST", f"/v1/{path}", body, token()).json["code"] == code


def predict(upstream: Upstream, options: str, headers: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    path = f"/v1/models/simulated/image@{options}/predictions"
    answer = upstream.ask("POST", path, {"input": {"prompt": "a cat", **given}}, headers)
    assert answer.status == 201, answer.json
    told: dict[str, Any] = answer.json
    return told


def test_replicate_states(upstream: Upstream) -> None:
    begun = predict(upstream, "queue=3600", num_outputs=2)
    assert (begun["status"], begun["output"], begun["input"]["num_outputs"]) == ("starting", None, 2)
    assert upstream.post(begun["urls"]["cancel"]).json["status"] == "canceled"
    assert upstream.get(begun["urls"]["get"]).json["status"] == "canceled"
    done = upstream.get(predict(upstream, "seconds=0", num_outputs=2)["urls"]["get"]).json
    assert (done["status"], len(done["output"]), done["error"]) == ("succeeded", 2, None)
    assert upstream.post(done["urls"]["cancel"]).json["status"] == "succeeded"
    waited = predict(upstream, "seconds=0.1", {"Prefer": "wait"})
    assert upstream.get(waited["output"][0]).body.startswith(b"\x89PNG")
    failed = predict(upstream, "seconds=0,fail=policy", {"Prefer": "wait=5"})
    assert (failed["status"], "NSFW" in failed["error"], failed["output"]) == ("failed", True, None)
    assert upstream.get(predict(upstream, "never")["urls"]["get"]).json["status"] == "processing"
    assert len(upstream.get("/v1/predictions").json["results"]) == 5


def test_replicate_versions(upstream: Upstream) -> None:
    body = {"version": "simulated/video:5c7d", "input": {"prompt": "x"}}
    assert upstream.post("/v1/predictions", body).status == 201
    named = upstream.post("/v1/deployments/simulated/video--never/predictions", {"input": {"prompt": "x"}})
    assert (named.status, named.json["model"]) == (201, "simulated/video")
    assert [job["kind"] for job in upstream.jobs()] == ["video", "video"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("models/simulated/image/predictions", {"input": {}}, 422),
        ("models/simulated/image/predictions", {"prompt": "x"}, 422),
        ("models/simulated/image/predictions", {"input": {"prompt": "x", "num_outputs": 5}}, 422),
        ("models/simulated/image/predictions", {"input": {"prompt": "x", "aspect_ratio": "8:1"}}, 422),
        ("models/none/none/predictions", {"input": {"prompt": "x"}}, 404),
        ("predictions", {"input": {"prompt": "x"}}, 422),
        ("predictions", {"version": "5c7d5dc6", "input": {"prompt": "x"}}, 422),
        ("models/simulated/image@refuse=billing/predictions", {"input": {"prompt": "x"}}, 402),
    ],
)
def test_replicate_refuses(upstream: Upstream, path: str, body: dict[str, Any], status: int) -> None:
    answer = upstream.post(f"/v1/{path}", body)
    assert (answer.status, answer.json["status"], bool(answer.json["detail"])) == (status, status, True)
    assert upstream.jobs() == []


@pytest.mark.parametrize(("prefix", "app"), [("", "simulated/image"), ("/fal", "image"), ("/fal", "simulated/image")])
def test_fal_states(upstream: Upstream, prefix: str, app: str) -> None:
    body, key = {"prompt": "a cat", "num_images": 2, "image_size": "square"}, {"Authorization": "Key id:secret"}
    begun = upstream.ask("POST", f"{prefix}/{app}@queue=3600", body, key).json
    assert begun["status"] == "IN_QUEUE"
    waiting = upstream.get(begun["status_url"], key)
    assert (waiting.status, waiting.json["status"]) == (202, "IN_QUEUE")
    assert upstream.get(begun["response_url"]).status == 400
    cancelled = [upstream.ask("PUT", begun["cancel_url"]) for _ in range(2)]
    assert [one.json["status"] for one in cancelled] == ["CANCELLATION_REQUESTED", "ALREADY_COMPLETED"]
    done = upstream.post(f"{prefix}/{app}@seconds=0", body).json
    assert upstream.get(f"{done['status_url']}?logs=1").json["status"] == "COMPLETED"
    images = upstream.get(done["response_url"]).json["images"]
    assert [(image["width"], image["content_type"]) for image in images] == [(512, "image/png")] * 2
    assert upstream.get(images[0]["url"]).body.startswith(b"\x89PNG")


def test_fal_videos_and_names_of_three_parts(upstream: Upstream) -> None:
    app = "/fal-ai/kling-video/v2.1/master/text-to-video--seconds-0"
    begun = upstream.post(app, {"prompt": "x", "duration": "10"})
    assert "/fal-ai/kling-video/requests/" in begun.json["response_url"]
    assert is_mp4(upstream, upstream.get(begun.json["response_url"]).json["video"]["url"])


def test_fal_fails_and_refuses(upstream: Upstream) -> None:
    flagged = upstream.post("/fal/image@seconds=0,fail=policy", {"prompt": "x"}).json
    assert upstream.get(flagged["status_url"]).json["error_type"] == "content_policy_violation"
    result = upstream.get(flagged["response_url"])
    assert (result.status, result.json["detail"][0]["type"]) == (422, "content_policy_violation")
    missing = upstream.post("/fal/image", {})
    assert (missing.status, missing.json["detail"][0]["loc"]) == (422, ["body", "prompt"])
    assert upstream.post("/fal/image", {"prompt": "x", "image_size": "huge"}).status == 422
    assert upstream.post("/fal/image", {"prompt": "x", "num_images": 5}).status == 422
    assert upstream.post("/fal/none", {"prompt": "x"}).status == 404
    wrong = upstream.ask("POST", "/fal/image", {"prompt": "x"}, {"Authorization": "Bearer key"})
    assert (wrong.status, wrong.json.keys()) == (401, {"detail"})
    assert upstream.ask("PUT", "/fal/image/requests/none/cancel").status == 404


def test_xai_states_and_refusals(upstream: Upstream) -> None:
    def asked(options: str, **more: Any) -> Any:
        body = {"model": f"grok-imagine-video@{options}", "prompt": "a cat", "duration": 3, **more}
        return upstream.get(f"/v1/videos/{upstream.post('/v1/videos/generations', body).json['request_id']}")

    pending = asked("never")
    assert (pending.status, pending.json["status"]) == (202, "pending")
    done = asked("seconds=0")
    assert (done.status, done.json["status"], done.json["video"]["duration"]) == (200, "done", 3)
    assert is_mp4(upstream, done.json["video"]["url"])
    assert asked("seconds=0,fail=policy").json["error"]["code"] == "invalid_argument"
    for more in ({"duration": 16}, {"aspect_ratio": "5:1"}, {"resolution": "4k"}, {"prompt": ""}):
        answer = upstream.post("/v1/videos/generations", {"prompt": "x", **more})
        assert (answer.status, answer.json.keys()) == (400, {"code", "error"})
    openai = upstream.post("/v1/videos", {"model": "video@never", "prompt": "x"}).json["id"]
    assert upstream.get(f"/v1/videos/{openai}").json["object"] == "video"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/paas/v4/videos/generations", {"model": "video@lost", "prompt": "x"}),
        ("/v1/video_generation", {"model": "video@lost", "prompt": "x"}),
        ("/v1/videos/text2video", {"model_name": "video@lost", "prompt": "x"}),
        ("/v1/models/simulated/video@lost/predictions", {"input": {"prompt": "x"}}),
        ("/fal/video@lost", {"prompt": "x"}),
        ("/v1/videos/generations", {"model": "video@lost", "prompt": "x"}),
        ("/v1beta/models/video@lost:predictLongRunning", {"instances": [{"prompt": "x"}]}),
        ("/v1/videos", {"model": "video@lost", "prompt": "x"}),
    ],
)
def test_U38_taken_but_never_answered(upstream: Upstream, path: str, body: dict[str, Any]) -> None:
    headers = token() if "text2video" in path else {}
    with pytest.raises(ConnectionResetError):
        upstream.ask("POST", path, body, headers)
    assert [job["state"] for job in upstream.jobs()] == ["running"]
