"""`nexusflow tasks` and `nexusflow worker` beside a real gateway and a simulated studio (P37, T-3, reliability 1.3)."""

import http.server
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway, stop
from tests.support.studio import listening
from tests.support.tasks import ask, create, ended, film, jobs, spec

ENVIRON = {"HOOK_SECRET": "dGhpcyBpcyBhIHNlY3JldCBvZiAyNCBieXRlcyBhdCBsZWFzdA==", "NEXUSFLOW_TASK_LEASE_MS": "1000"}
PRICE = "0.40"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway, and what was told to the client's own address."""

    gateway: Gateway
    address: str
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def create(self, model: str, **more: Any) -> str:
        """The id of a new task."""
        id_: str = create(self.gateway.url, self.gateway.key, model=model, prompt="A cat runs", **more)["id"]
        return id_

    def public(self, id_: str) -> dict[str, Any]:
        """The task as its owner sees it."""
        found: dict[str, Any] = ask(f"{self.gateway.url}/v1/tasks/{id_}", self.gateway.key).json()
        return found

    def over(self, id_: str) -> dict[str, Any]:
        """The same, once nothing more happens to it."""
        return ended(self.gateway.url, self.gateway.key, id_, PATIENCE_SECONDS)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command printed, and its failure in one line. It must end with exit code `code`."""
        done = nexusflow(*arguments, root=self.gateway.root)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + " ".join(done.stderr.replace("│", " ").split())

    def shown(self, id_: str) -> dict[str, Any]:
        """The task as the operator sees it."""
        found: dict[str, Any] = json.loads(self.run("tasks", "show", id_, "--json"))
        return found

    def actions(self, id_: str) -> list[tuple[str, dict[str, Any]]]:
        """What the audit log says was done to a task, oldest first."""
        rows = json.loads(self.run("accounts", "audit", "--format", "json"))
        return [(row["action"], row["detail"]) for row in rows[::-1] if row["subject"] == id_]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Models by what becomes of their tasks, and an address that takes webhooks."""
    told: list[tuple[str, dict[str, Any]]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.append((self.headers["webhook-id"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Not in the output of tests."""

    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{hook.server_port}"
    with listening() as studio:
        document = json.loads(
            spec(
                studio.url,
                {
                    "film": film("seconds-1"),
                    "bad": film("fail"),
                    "never": film("never"),
                    "lost": film("lost"),
                },
            )
        )
        document["webhooks"] = {"secret": {"env": "HOOK_SECRET"}, "allow_hosts": [address]}
        root = tmp_path_factory.mktemp("tasks")
        with running_gateway(json.dumps(document), root, environ=ENVIRON) as gateway:
            yield Stage(gateway, f"http://{address}/hook", told)
    hook.shutdown()
    hook.server_close()


def wait_until(condition: Callable[[], object]) -> None:
    """Return once it holds. Fails where it does not come to hold."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends, "it did not come to hold"
        time.sleep(0.1)


def test_list_filters_by_status_model_and_key(stage: Stage) -> None:
    never, lost = stage.create("never"), stage.create("lost")
    stage.over(lost)
    other = stage.run("keys", "create", "--name", "other", "--quiet").strip()
    wait_until(lambda: ask(f"{stage.gateway.url}/v1/tasks", other).status == 200)
    theirs = create(stage.gateway.url, other, model="never", prompt="A dog")["id"]

    def listed(*arguments: str) -> list[str]:
        return [row["id"] for row in json.loads(stage.run("tasks", "list", "--json", *arguments))]

    everything = listed()
    assert everything.index(theirs) < everything.index(lost) < everything.index(never)
    assert lost in listed("--status", "unknown")
    assert {never, theirs}.isdisjoint(listed("--status", "unknown"))
    assert {never, theirs} <= set(listed("--model", "never"))
    assert lost not in listed("--model", "never")
    assert listed("--key", "other") == [theirs]
    assert listed("--limit", "1") == [theirs]
    assert stage.run("tasks", "list", "--model", "none") == "There are no such tasks.\n"
    table = stage.run("tasks", "list", "--key", "other").splitlines()
    assert table[0].split()[:3] == ["ID", "STATUS", "PROGRESS"]
    assert table[1].split()[0] == theirs
    assert "There is no task task_none" in stage.run("tasks", "show", "task_none", code=1)


def test_watch_prints_a_line_for_each_change_and_draws_bars_on_a_terminal(stage: Stage) -> None:
    made, failing = stage.create("film"), stage.create("bad")
    command = [sys.executable, "-P", "-m", "nexusflow", "tasks", "watch", made]
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "LC_ALL": "C.UTF-8"}
    drawing = subprocess.Popen(command, cwd=stage.gateway.root, env=environ, stdout=theirs, stdin=theirs)
    os.close(theirs)
    lines = stage.run("tasks", "watch", made).splitlines()
    assert lines[-1] == f"{made}  100 %  succeeded"
    assert all(line.startswith(made) for line in lines)
    assert len(set(lines)) == len(lines)
    drawn = b""
    with suppress(OSError):  # the terminal hangs up when the command has ended
        while piece := os.read(ours, 65536):
            drawn += piece
    os.close(ours)
    assert drawing.wait() == 0
    assert "100 % succeeded" in drawn.decode()
    assert "━" in drawn.decode()
    stage.over(failing)
    assert f"{failing}    0 %  failed" in stage.run("tasks", "watch", made, failing, code=1)


def test_cancel_asks_once_and_only_what_is_not_over(stage: Stage) -> None:
    never, lost = stage.create("never"), stage.create("lost")
    stage.over(lost)
    stage.run("tasks", "cancel", never)
    assert stage.shown(never)["cancel_requested"] is True
    assert stage.public(never)["cancel_requested"] is True
    assert [action for action, _ in stage.actions(never)] == ["task.cancel"]
    assert "only what is pending or running" in stage.run("tasks", "cancel", lost, code=1)
    assert stage.actions(lost) == []


def test_P37_redeliver_sends_the_same_message_again(stage: Stage) -> None:
    id_ = stage.create("lost", webhook_url=stage.address)
    stage.over(id_)
    assert "has no webhooks" in stage.run("tasks", "redeliver", id_, code=1)
    stage.run("tasks", "resolve", id_, "--void")
    wait_until(lambda: stage.shown(id_)["webhooks"][0]["state"] == "delivered")
    [first] = [one for one in stage.told if one[1]["id"] == id_]
    assert (first[1]["status"], first[1]["error_code"]) == ("failed", "outcome_unknown")
    assert stage.run("tasks", "redeliver", id_) == "1 webhook is sent again.\n"
    wait_until(lambda: len([one for one in stage.told if one[1]["id"] == id_]) == 2)
    assert [one for one in stage.told if one[1]["id"] == id_] == [first, first]
    wait_until(lambda: stage.shown(id_)["webhooks"][0]["state"] == "delivered")
    [sent] = stage.shown(id_)["webhooks"]
    assert (sent["webhook"], sent["attempts"], sent["status"], sent["next"]) == (first[0], 1, 204, None)
    assert first[0] in stage.run("tasks", "show", id_)
    assert ("task.redeliver", 1) in [(action, detail.get("webhooks")) for action, detail in stage.actions(id_)]


@pytest.mark.parametrize(("verdict", "charged"), [("--charge", PRICE), ("--void", "0.00")])
def test_T3_a_verdict_ends_what_nobody_knows_the_end_of(stage: Stage, verdict: str, charged: str) -> None:
    id_ = stage.create("lost")
    assert stage.over(id_)["status"] == "unknown"
    assert stage.shown(id_)["held"] == PRICE
    for arguments in ((), ("--charge", "--void")):
        assert "either --charge or --void" in stage.run("tasks", "resolve", id_, *arguments, code=2)
    assert stage.shown(id_)["state"] == "unknown"
    stage.run("tasks", "resolve", id_, verdict, "--reason", "the provider's console says so")
    told = stage.public(id_)
    assert (told["status"], told["error_code"]) == ("failed", "outcome_unknown")
    shown = stage.shown(id_)
    assert (shown["held"], shown["amount"], shown["state"]) == ("0.00", charged, "failed")
    action = "task.charge" if verdict == "--charge" else "task.void"
    reason = "the provider's console says so"
    assert stage.actions(id_) == [(action, {"org": "org_default", "amount": charged, "reason": reason})]
    assert "is failed" in stage.run("tasks", "resolve", id_, "--charge", code=1)
    [call] = [one for one in calls(stage.gateway.root) if one["id"] == id_]
    assert (call["amount"], call["status"]) == (charged, 502)
    stage.run("ledger", "verify")


def calls(root: Path) -> list[dict[str, Any]]:
    """The call log."""
    found: list[dict[str, Any]] = json.loads(nexusflow("usage", "calls", "--format", "json", root=root).stdout)
    return found


@contextmanager
def working(root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`nexusflow worker` in `root`, ready; its output is in worker.log."""
    log = root / "worker.log"
    command = [sys.executable, "-P", "-m", "nexusflow", "worker"]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, cwd=root, env={**os.environ, **ENVIRON}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "working on tasks" in log.read_text() or worker.poll() is not None)
        assert worker.poll() is None, log.read_text()
        yield worker
    finally:
        stop(worker)


def cut(gateway: Gateway) -> None:
    """The gateway with all its processes is gone at once, as when its machine loses power."""
    parent = psutil.Process(gateway.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    gateway.process.wait()


def states(root: Path) -> dict[str, str]:
    """The status of each task by its id."""
    listed = nexusflow("tasks", "list", "--json", root=root)
    return {row["id"]: row["status"] for row in json.loads(listed.stdout)}


def test_T3_a_worker_alone_ends_what_a_killed_gateway_accepted_and_charges_it_once(tmp_path: Path) -> None:
    with listening() as studio:
        text = spec(studio.url, {"film": film("seconds-1")})
        with running_gateway(text, tmp_path, environ=ENVIRON) as gateway:
            ids = [create(gateway.url, gateway.key, model="film", prompt=f"Cat {n}")["id"] for n in range(3)]
            cut(gateway)
        assert set(states(tmp_path)) == set(ids)
        assert "succeeded" not in states(tmp_path).values()
        with working(tmp_path) as worker:
            watched = nexusflow("tasks", "watch", *ids, root=tmp_path)
            # What was cut off between sending and the answer is never sent again; the others are done.
            found = states(tmp_path)
            assert set(found.values()) <= {"succeeded", "unknown"}, watched.stdout
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
        assert len(jobs(studio.url)) <= len(ids)
    made = sorted(id_ for id_, state in found.items() if state == "succeeded")
    assert made
    assert sorted((one["id"], one["amount"]) for one in calls(tmp_path)) == [(id_, PRICE) for id_ in made]
    proof = nexusflow("ledger", "verify", root=tmp_path)
    assert proof.returncode == 0, proof.stdout


def test_R34_a_worker_follows_a_build_and_stops_on_interrupt(tmp_path: Path) -> None:
    """The task's provider is only in the second build: a worker that kept the first could not reach it."""
    with listening() as studio:
        first = json.loads(spec(studio.url, {"film": film()}))
        with running_gateway(json.dumps(first), tmp_path, environ=ENVIRON) as gateway, working(tmp_path) as worker:
            providers = {**first["providers"], "second": first["providers"]["studio"]}
            models = {"film": film(), "new": film(lanes=[{"provider": "second", "model": "video@seconds=1"}])}
            (tmp_path / "gateway.yaml").write_text(json.dumps({**first, "providers": providers, "models": models}))
            assert gateway.build().returncode == 0
            wait_until(lambda: "is live, was" in (tmp_path / "worker.log").read_text())
            wait_until(lambda: "is live, was" in gateway.log.read_text())
            id_ = create(gateway.url, gateway.key, model="new", prompt="A cat")["id"]
            wait_until(lambda: jobs(studio.url))
            wait_until(lambda: states(tmp_path)[id_] == "running")
            cut(gateway)
            watched = nexusflow("tasks", "watch", id_, root=tmp_path)
            assert watched.returncode == 0, watched.stdout + (tmp_path / "worker.log").read_text()
            worker.send_signal(signal.SIGINT)
            assert worker.wait(PATIENCE_SECONDS) == 0
        assert len(jobs(studio.url)) == 1


def test_a_worker_without_a_build_says_what_to_do(tmp_path: Path) -> None:
    refused = nexusflow("worker", root=tmp_path)
    assert refused.returncode == 1
    assert "run `nexusflow build`" in refused.stderr
