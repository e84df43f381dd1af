"""`nexusflow top` and `nexusflow logs`: what they show is what was called."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nexusflow.cli.top import bars
from nexusflow.testing.gateway import nexusflow
from tests.support.media import PATIENCE_S, Stage, lane, staged, video_model, wait_until

FAL, CHAT = "fal/queue", "openai/chat-completions"


def chat(name: str) -> dict[str, object]:
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": [CHAT],
        "max_output_tokens": 100,
        "price": {"input": "1", "output": "2"},
        "lanes": [{"provider": "openai", "model": name}],
    }


def call(stage: Stage, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    return stage.client.ask("POST", "/v1/chat/completions", body).headers["x-request-id"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    models = {"talker": chat("chat"), "broken": chat("fault-500"), "film": video_model(lane(FAL, "video", "never"))}
    with staged(tmp_path_factory.mktemp("terminal"), (FAL, CHAT), models) as found:
        for model in ("talker", "talker", "talker", "broken"):
            call(found, model)
        found.client.made(model="film", duration=5)
        wait_until(lambda: len(found.client.get("/v1/requests").json()["data"]) == 4)
        yield found


def test_top_sums_the_last_minutes_by_model(stage: Stage) -> None:
    shown = nexusflow("top", "--once", root=stage.gateway.root).stdout
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert rows["talker"][1:4] == ["3", "0", "100"]
    assert rows["broken"][1:4] == ["1", "1", "0"]
    assert "0.8 requests/min" in shown
    assert "75 % success" in shown
    assert "1 waiting" in shown


def test_logs_tell_calls_oldest_first_and_those_that_failed(stage: Stage) -> None:
    lines = nexusflow("logs", "--format", "json", root=stage.gateway.root).stdout.splitlines()
    assert [json.loads(line)["model"] for line in lines] == ["talker"] * 3 + ["broken"]
    failed = nexusflow("logs", "--failed", root=stage.gateway.root).stdout
    assert failed.count("\n") == 1
    assert "broken at openai" in failed
    assert nexusflow("logs", "--model", "talker", "--lines", "2", root=stage.gateway.root).stdout.count("talker") == 2


def test_logs_go_on_with_what_is_called_and_top_draws_itself_anew(stage: Stage) -> None:
    command = [sys.executable, "-P", "-m", "nexusflow"]
    follow = subprocess.Popen(
        [*command, "logs", "--lines", "0", "-f", "--format", "json"], cwd=stage.gateway.root, stdout=subprocess.PIPE
    )
    terminal, inside = pty.openpty()
    top = subprocess.Popen([*command, "top", "--seconds", "0.2"], cwd=stage.gateway.root, stdout=inside, stderr=inside)
    try:
        assert follow.stdout is not None
        seen, drawn, ends = b"", b"", time.monotonic() + PATIENCE_S
        ids: list[bytes] = []
        while not any(id_ in seen for id_ in ids) or drawn.count(b"NexusFlow") < 3:
            assert time.monotonic() < ends, (seen, drawn)
            ready, _, _ = select.select([follow.stdout, terminal], [], [], 0.5)
            # Bytes as they come: there may be several lines, or half of one.
            seen += os.read(follow.stdout.fileno(), 65536) if follow.stdout in ready else b""
            drawn += os.read(terminal, 65536) if terminal in ready else b""
            ids.append(call(stage, "talker").encode())
    finally:
        for process in (follow, top):
            process.terminate()
            process.wait()
        os.close(terminal)
        os.close(inside)


def test_bars_are_as_high_as_their_counts() -> None:
    assert bars([0, 1, 4, 8]) == " ▁▄█"
    assert bars([0, 0]) == "  "
    assert bars([1, 1000]) == "▁█"
