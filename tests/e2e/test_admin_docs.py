"""docs/admin-api.md: each command that it shows is run, in its order, against a gateway."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nexusflow.testing.gateway import running_gateway
from nexusflow.testing.ports import free_port
from tests.support.admin import admin_of, admin_spec

PAGE = (Path(__file__).resolve().parents[2] / "docs/admin-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.+?)\n```", PAGE, re.DOTALL)


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with running_gateway(admin_spec(free_port()), tmp_path) as gateway:
        first, *others = BLOCKS
        script = "\n".join(others).replace("http://127.0.0.1:8080", gateway.url)
        known = f'until curl -sf {gateway.url}/admin/v1/audit -H "x-api-key: $ADMIN" >/dev/null; do sleep 0.1; done'
        environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", "\n".join((first, known, script))]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(re.findall(r"\bsk-air-\w{49}\b", done.stdout)) == 1  # the new key's secret
        assert '"holds":true' in done.stdout
        admin = admin_of(gateway)
        [agreed] = admin.get("/quotas")["data"]
        assert (agreed["rpm"], agreed["tpm"]) == (700, 2_000_000)
        assert admin.get("/organisations/acme/balance")["available"] == "150.00"
        changes = [one["action"] for one in admin.get("/audit")["data"]]
        assert changes[1:14] == [
            "organisation.resume", "organisation.suspend", "organisation.credit_line", "limits.approve", "key.create",
            "quota.remove", "quota.set", "quota.set", "budget.create", "key.create", "team.create", "money.credit",
            "organisation.create",
        ]  # fmt: skip


@pytest.mark.parametrize("code", re.findall(r"`([a-z]+_[a-z]+)`\)", PAGE))
def test_documented_codes_are_real(code: str) -> None:
    source = Path(__file__).resolve().parents[2] / "nexusflow/admin/problems.py"
    assert f'"{code}"' in source.read_text()
