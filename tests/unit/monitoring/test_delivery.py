"""How Prometheus gets at the metrics, and who is told."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen import compile_source
from codegen.monitoring import emit_monitoring
from codegen.source import Source

WATCHED = (Path(__file__).resolve().parents[3] / "tests/golden/watched/gateway.yaml").read_text(encoding="utf-8")
PORT = "telemetry: {metrics_port: 9464}"


def emitted(text: str, file: str, runbooks: str = "runbooks") -> Any:
    compiled = compile_source(Source("gateway.yaml", text))
    assert compiled.document is not None, compiled.diagnostics
    return yaml.safe_load(emit_monitoring(compiled.document, runbooks)[file])


@pytest.mark.parametrize(
    ("host", "target"),
    [("0.0.0.0", "localhost:9464"), ("10.0.0.7", "10.0.0.7:9464"), ("'::1'", "[::1]:9464"), ("'::'", "localhost:9464")],
)
def test_a_port_of_its_own_is_scraped_at_its_address(host: str, target: str) -> None:
    text = WATCHED.replace(PORT, f"telemetry: {{metrics_port: 9464, metrics_host: {host}}}")
    [job] = emitted(text, "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [target], "labels": {"gateway": "air"}}]
    assert "authorization" not in job


def test_without_one_the_main_port_is_asked_with_a_key() -> None:
    [job] = emitted(WATCHED.replace(PORT, ""), "prometheus.yml")["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:8080"]
    assert job["authorization"] == {"credentials_file": "nexusflow.key"}


def test_each_alert_goes_to_those_it_names_and_no_other_does() -> None:
    told = emitted(WATCHED, "alertmanager.yml")
    receivers = {one["name"]: one.get("webhook_configs", []) for one in told["receivers"]}
    assert receivers[told["route"]["receiver"]] == []
    for route in told["route"]["routes"]:
        assert set(route["matchers"]) == {'gateway="air"', f'alertname="{route["receiver"]}"'}
    assert receivers.keys() - {told["route"]["receiver"]} == {"disk-filling", "disk-full"}
    assert receivers["disk-filling"] == [{"url": "${CHAT_URL}", "send_resolved": True}]
    assert receivers["disk-full"] == [{"url_file": "/run/secrets/pager", "send_resolved": True}]


def test_links_lead_to_where_runbooks_are_served() -> None:
    groups = emitted(WATCHED, "rules/alerts.yml", "https://wiki.example/air")["groups"]
    urls = {rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]}
    assert "https://wiki.example/air/disk-full.md" in urls
    assert all(url.startswith("https://wiki.example/air/") for url in urls)
