"""Tasks as rows, and a gateway that makes videos and pictures at the simulated provider."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

import msgspec

from nexusflow.ir.task import Brief
from nexusflow.tasks.model import DAY_MS, Task
from tests.support.drive import Answer

NOW = 4_000_000_000_000
"""The clock of tests that have none: in a time that has not come, so that nothing expires."""
PER_SECOND = 100_000_000
"""What a second of video costs, nano-units, and so a whole one of four seconds four times that."""
PER_IMAGE = 30_000_000
OVER = frozenset(("succeeded", "failed", "cancelled", "unknown"))
"""The public states that a task is found in when nothing more happens."""


def a_task(id_: str = "task_1", **more: Any) -> Task:
    """A task that was just accepted."""
    created = int(more.get("created_ms", NOW))
    found: dict[str, Any] = {
        "id": id_,
        "owner": "owner-1",
        "org": "org-1",
        "key_id": "key-1",
        "face": "nexusflow/tasks",
        "type": "video",
        "model": "film",
        "provider": "studio",
        "upstream_model": "video",
        "next_ms": created,
        "created_ms": created,
        "deadline_ms": created + DAY_MS,
        "expires_ms": created + 8 * DAY_MS,
        "brief": Brief(type="video", prompt="A cat runs", duration=4),
        "plan": "0123456789ab",
        "fingerprint": b"print",
        **more,
    }
    return Task(**found)


def film(*options: str, **more: Any) -> dict[str, Any]:
    """A model of gateway.yaml that makes videos at Replicate's, which is asked every other second; `options` are the
    simulator's, such as `seconds-1`.
    """
    return {
        "owner": "test",
        "category": "video",
        "supported_protocols": ["nexusflow/tasks"],
        "output": ["video"],
        "media": {
            "mode": "async",
            "sizes": ["1280x720"],
            "duration_seconds": {"allowed": [4, 8, 12], "default": 4},
        },
        "price": {"video_seconds": [{"resolution": "720P", "per_second": "0.1"}]},
        "lanes": [{"provider": "reel", "model": "--".join(("simulated/video", *options))}],
        **more,
    }


def picture(upstream: str = "image", **more: Any) -> dict[str, Any]:
    """One that makes images at OpenAI's, which answers with them; `upstream` may have options behind an `@`."""
    return {
        "owner": "test",
        "category": "image",
        "supported_protocols": ["openai/image-generations", "nexusflow/tasks"],
        "output": ["image"],
        "media": {"mode": "sync", "n_max": 4},
        "price": {"per_image": "0.03"},
        "lanes": [{"provider": "studio", "model": upstream}],
        **more,
    }


def spec(address: str, models: dict[str, dict[str, Any]], **more: Any) -> str:
    """The text of gateway.yaml with the simulated provider at `address`; `more` are other keys of the top."""
    at = {"base_url": f"{address}/v1", "simulated": True}
    studio, reel = {"protocol": "openai/chat-completions", **at}, {"protocol": "replicate/predictions", **at}
    return json.dumps({"version": 1, "providers": {"studio": studio, "reel": reel}, "models": models, **more})


def ask(url: str, key: str, body: Any = None, seconds: float = 30, name: str | None = None) -> Answer:
    """One request to a gateway, whatever its status, under an `Idempotency-Key`. Raises `OSError` without an answer."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    if name is not None:
        headers["idempotency-key"] = name
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def create(url: str, key: str, **body: Any) -> dict[str, Any]:
    """A new task."""
    answer = ask(f"{url}/v1/tasks", key, body)
    assert answer.status == 202, answer.body
    found: dict[str, Any] = answer.json()
    return found


def ended(url: str, key: str, id_: str, seconds: float = 30, over: frozenset[str] = OVER) -> dict[str, Any]:
    """The task when its state is one of `over`; fails when that takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = ask(f"{url}/v1/tasks/{id_}", key).json()
        if found.get("status") in over:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def jobs(address: str) -> list[dict[str, Any]]:
    """What the simulated provider at `address` was given to do."""
    with urllib.request.urlopen(f"{address}/_simulator/jobs", timeout=10) as answer:
        return msgspec.json.decode(answer.read(), type=list[dict[str, Any]])


def prompt_of(job: dict[str, Any]) -> str:
    """What a job of the simulated provider was to make."""
    asked = job["asked"]
    found: str = asked.get("input", asked)["prompt"]
    return found
