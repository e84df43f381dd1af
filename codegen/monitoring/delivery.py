"""How metrics get to Prometheus, and alerts to people: prometheus.yml and alertmanager.yml."""

from collections.abc import Sequence
from typing import Any

from codegen import spec
from codegen.monitoring.alerts import Watch
from codegen.monitoring.facts import Facts
from codegen.monitoring.queries import GATEWAY

NOBODY = "(nobody)"
"""No alert has such a name."""
KEY_FILE = "nexusflow.key"
"""The key that Prometheus asks with, where metrics have no port of their own."""


def prometheus(facts: Facts) -> dict[str, Any]:
    """An example to start from: scrapes this gateway and loads the rules beside it."""
    job: dict[str, Any] = {
        "job_name": "nexusflow",
        "static_configs": [{"targets": [facts.address], "labels": {GATEWAY: facts.name}}],
    }
    if facts.secured:
        job["authorization"] = {"credentials_file": KEY_FILE}
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["localhost:9093"]}]}]},
        "scrape_configs": [job],
    }


def alertmanager(facts: Facts, watches: Sequence[Watch]) -> dict[str, Any]:
    """Each alert to those that gateway.yaml names for it, and to nobody else. Secrets are named, not told."""
    told = [watch for watch in watches if watch.notify]
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", GATEWAY, "slo", "model"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "receiver": watch.name,
                    "matchers": [f'{GATEWAY}="{facts.name}"', f'alertname="{watch.name}"'],
                    "continue": False,
                }
                for watch in told
            ],
        },
        "receivers": [
            {"name": NOBODY},
            *(
                {"name": watch.name, "webhook_configs": [_webhook(notice.url) for notice in watch.notify]}
                for watch in told
            ),
        ],
    }


def _webhook(url: spec.SecretRef) -> dict[str, Any]:
    where = {"url_file": url.file} if url.file is not None else {"url": f"${{{url.env}}}"}
    return {**where, "send_resolved": True}
