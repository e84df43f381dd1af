"""What `nexusflow dashboards` writes, with a real gateway, Prometheus and Alertmanager, up to the message (OBS-41)."""

import json
import re
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.ports import free_port
from tests.support.drive import chat_model
from tests.support.prometheus import Server, running_alertmanager, running_prometheus
from tests.support.studio import listening
from tests.support.tasks import ask, create, film, spec

PATIENCE_S = 40.0
PACES = {"15s": "1s", "2m": "1s", "10s": "0s", "1m": "1s"}
"""Of the files as they are written, and here, where nobody wants to wait."""


class Mailbox:
    """A server that keeps what Alertmanager tells it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        mailbox = self

        class Post(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mailbox.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Post)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts?token=secret"

    def states(self, alert: str) -> list[str]:
        """What it was told of an alert, in order."""
        return [one["status"] for one in self.told if one["groupLabels"]["alertname"] == alert]


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    found = Mailbox()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.1)


def gateway_yaml(address: str, metrics_port: int, budget: str) -> str:
    price = {"input": "1000", "output": "1000"}
    models = {
        "good": chat_model("studio", "chat", price=price, free=False, slo={"ttft_p95_ms": 100, "tpot_p95_ms": 50}),
        "bad": chat_model("studio", "fault-500", price=price, free=False),
        "film": film("seconds-60"),
    }
    return spec(
        address,
        models,
        gateway={"name": "tried"},
        telemetry={"metrics_port": metrics_port},
        slos=[{"name": "all", "success_rate": "99.9"}],
        budgets=[{"scope": "model", "subject": "good", "period": "total", "amount": budget, "mode": "soft"}],
        alerts=[
            {
                "name": "spent",
                "when": "budget_used_percent",
                "threshold": "50",
                "notify": [{"kind": "webhook", "url": {"env": "CHAT_URL"}}],
            }
        ],
    )


def set_up(root: Path, alertmanager: int, url: str) -> None:
    """What an operator does with the files: put in addresses and secrets. Here the paces, too."""
    for name in ("prometheus.yml", "alertmanager.yml", "rules/objectives.yml"):
        text = string.Template((root / name).read_text()).safe_substitute(CHAT_URL=url)
        text = re.sub(r"(\w+_interval|group_wait|interval): (\w+)", lambda m: f"{m[1]}: {PACES.get(m[2], m[2])}", text)
        (root / name).write_text(text.replace("localhost:9093", f"127.0.0.1:{alertmanager}"))


def queries(root: Path, boards: str = "*") -> set[str]:
    """Of all panels of these boards."""
    return {
        query["expr"].replace("$__rate_interval", "30s")
        for path in (root / "grafana").glob(f"{boards}.json")
        for board in [json.loads(path.read_text())]
        for panel in board["panels"]
        for query in panel.get("targets", ())
    }


def chat(gateway: Gateway, model: str, **more: Any) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return ask(f"{gateway.url}/v1/chat/completions", gateway.key, body).status


def values(prometheus: Server, query: str) -> list[float]:
    found = prometheus.get("/api/v1/query", query=query)
    return [float(one["value"][1]) for one in found["data"]["result"]]


def test_dashboards_are_fed_and_an_alert_reaches_its_webhook_and_ends(tmp_path: Path) -> None:
    port, root = free_port(), tmp_path / "monitoring"
    with listening() as studio, mailbox() as box:
        text = gateway_yaml(studio.url, port, "0.000001")
        (tmp_path / "gateway.yaml").write_text(text)
        written = nexusflow("dashboards", root=tmp_path)
        assert written.returncode == 0, written.stderr
        assert "secret" not in (root / "alertmanager.yml").read_text()
        manager = free_port()
        set_up(root, manager, box.url)
        # Prometheus looks for its targets while the gateway starts.
        with (
            running_alertmanager(root, manager),
            running_prometheus(root) as prometheus,
            running_gateway(text, tmp_path) as gateway,
        ):
            wait_until(lambda: values(prometheus, "nexusflow_workers"), "nothing is scraped")
            assert [chat(gateway, "good") for _ in range(5)] == [200] * 5
            assert chat(gateway, "good", stream=True) == 200
            assert chat(gateway, "bad") >= 500
            create(gateway.url, gateway.key, model="film", prompt="A cat")
            wait_until(lambda: "firing" in box.states("spent"), "nobody was told")
            (tmp_path / "gateway.yaml").write_text(gateway_yaml(studio.url, port, "1000"))
            assert gateway.build().returncode == 0
            wait_until(lambda: "resolved" in box.states("spent"), "nobody was told of the end")
            _all_queries_work(prometheus, root)
    [alert] = box.told[0]["alerts"]
    assert alert["labels"]["gateway"] == "tried"
    assert (tmp_path / "monitoring" / alert["annotations"]["runbook_url"]).is_file()
    assert {one["groupLabels"]["alertname"] for one in box.told} == {"spent"}


def _all_queries_work(prometheus: Server, root: Path) -> None:
    """And those of the model that was called have answers."""
    answered = {query: prometheus.get("/api/v1/query", query=query)["data"]["result"] for query in queries(root)}
    assert len(answered) > 80
    empty = {query for query in queries(root, "model-good") | queries(root, "slo") if not answered[query]}
    assert not {query for query in empty if not re.search("failovers|retries_refused", query)}
    groups = prometheus.get("/api/v1/rules")["data"]["groups"]
    assert [rule["lastError"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
    assert values(prometheus, "sum(nexusflow_tasks)") == [1]
    assert values(prometheus, "nexusflow_store_down") == [0]
    assert values(prometheus, "nexusflow_disk_size_bytes")[0] > 0
    assert values(prometheus, "nexusflow_workers_ended_total") == [0]


def test_what_is_gone_from_gateway_yaml_is_gone_from_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    whole = yaml.safe_load(gateway_yaml("http://127.0.0.1:9", 9464, "1"))
    file.write_text(yaml.safe_dump(whole))
    assert nexusflow("dashboards", "--out", "out", root=tmp_path).stdout == "out: 9 dashboards, 15 alerts\n"
    mine = tmp_path / "out" / "grafana" / "mine.json"
    mine.write_text("{}")
    del whole["models"]["bad"]
    file.write_text(yaml.safe_dump(whole))
    assert nexusflow("dashboards", "--out", "out", root=tmp_path).returncode == 0
    boards = {path.name for path in mine.parent.iterdir()}
    assert "mine.json" in boards
    assert "model-good.json" in boards
    assert "model-bad.json" not in boards


@pytest.mark.parametrize("text", ["version: 1\n", "{"])
def test_a_file_with_mistakes_writes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "gateway.yaml").write_text(text)
    done = nexusflow("dashboards", root=tmp_path)
    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert not (tmp_path / "monitoring").exists()
