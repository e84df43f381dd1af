"""docs/monitoring.md: its commands are run, and its tables are those of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.monitoring.conditions import CONDITIONS
from codegen.monitoring.facts import plain
from nexusflow.ledger.records import CallLine
from nexusflow.telemetry.access_log import Head
from nexusflow.telemetry.catalogue import CATALOGUE, PREFIX
from nexusflow.testing.gateway import running_gateway
from nexusflow.testing.ports import free_port
from tests.support.studio import listening
from tests.support.tasks import ask

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    port = free_port()
    with listening() as studio:
        sim = {"protocol": "openai/chat-completions", "base_url": f"{studio.url}/v1", "simulated": True}
        model = {
            "owner": "m",
            "category": "language",
            "supported_protocols": ["openai/chat-completions"],
            "free": True,
            "lanes": [{"provider": "sim", "model": "chat"}],
        }
        document = {
            "version": 1,
            "providers": {"sim": sim},
            "models": {"m": model},
            "telemetry": {"metrics_port": port},
        }
        with running_gateway(json.dumps(document), tmp_path) as gateway:
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            assert ask(f"{gateway.url}/v1/chat/completions", gateway.key, body).status == 200
            [scrape] = [block for block in re.findall(r"```bash\n(.+?)\n```", PAGE, re.DOTALL) if "curl" in block]
            for _ in range(100):
                done = subprocess.run(
                    ["bash", "-c", scrape.replace("localhost:9464", f"127.0.0.1:{port}")],
                    cwd=tmp_path, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if "nexusflow_workers 1" in done.stdout:
                    break
            assert "nexusflow_workers 1" in done.stdout
        [grep] = [block for block in re.findall(r"```bash\n(.+?)\n```", PAGE, re.DOTALL) if 'grep \'"status"' in block]
        line = subprocess.run(["bash", "-c", grep], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    [shown] = re.findall(r"```json\n(.+?)\n```", PAGE, re.DOTALL)
    assert json.loads(line).keys() <= json.loads(shown).keys() <= {*Head.__struct_fields__, *CallLine.__struct_fields__}


def block(kind: str, word: str) -> str:
    """The one block of the page in this language that holds `word`."""
    [found] = [text for text in re.findall(rf"```{kind}\n(.+?)\n```", PAGE, re.DOTALL) if word in text]
    return found


def run(command: str, folder: Path) -> str:
    """What the commands of a block print."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    bash = ["bash", "-euc", command]
    return subprocess.run(bash, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("envsubst") is None, reason="the page names it as one way of several")
def test_the_commands_for_dashboards_work(tmp_path: Path) -> None:
    document = (ROOT / "examples/minimal/gateway.yaml").read_text(encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text(f"{document}\n{block('yaml', 'disk-filling')}\n")
    listed = run(block("bash", "nexusflow dashboards"), tmp_path)
    table = PAGE[PAGE.index("| file |") : PAGE.index("Run it again")]
    for named in re.findall(r"^\| `([\w.]+)", table, re.MULTILINE):
        assert named in listed
    assert "disk-filling.md" in listed
    run(block("bash", "envsubst"), tmp_path)
    assert "url: https://chat.example.com/hooks/1" in (tmp_path / "alertmanager.yml").read_text()


def test_every_condition_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (at once|after \w+) \| (.*) \| (page|ticket) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (
            when,
            one.sign,
            "at once" if one.lasting == "0m" else f"after {one.lasting}",
            f"{plain(one.threshold)} {one.unit}" if one.threshold is not None else "",
            one.severity,
        )
        for when, one in CONDITIONS.items()
    ]


def test_every_metric_has_its_row() -> None:
    rows = re.findall(r"^\| `(nexusflow_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", PAGE, re.MULTILINE)
    kinds = {"sum": "gauge", "max": "gauge"}
    assert rows == [
        (PREFIX + one.name, kinds.get(one.kind, one.kind), ", ".join(one.labels), one.help)
        for one in CATALOGUE.values()
    ]
