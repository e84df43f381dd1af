"""docs/monitoring.md: its commands are run, and its tables are those of the code."""

import json
import re
import subprocess
from pathlib import Path

from nexusflow.ledger.records import CallLine
from nexusflow.telemetry.access_log import Head
from nexusflow.telemetry.catalogue import CATALOGUE, PREFIX
from nexusflow.testing.gateway import running_gateway
from nexusflow.testing.ports import free_port
from tests.support.studio import listening
from tests.support.tasks import ask

PAGE = (Path(__file__).resolve().parents[2] / "docs/monitoring.md").read_text(encoding="utf-8")


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


def test_every_metric_has_its_row() -> None:
    rows = re.findall(r"^\| `(nexusflow_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", PAGE, re.MULTILINE)
    kinds = {"sum": "gauge", "max": "gauge"}
    assert rows == [
        (PREFIX + one.name, kinds.get(one.kind, one.kind), ", ".join(one.labels), one.help)
        for one in CATALOGUE.values()
    ]
