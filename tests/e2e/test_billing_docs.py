"""docs/billing.md: what it shows is run, in its order, and the ledger it leaves proves itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs/billing.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    blocks = "\n".join(re.findall(r"```bash\n(.+?)\n```", PAGE, re.DOTALL))
    tools = Path(sys.executable).parent
    environ = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = (
        "set -e\nnexusflow init . >/dev/null\nnexusflow build --quiet\nnexusflow keys create --name first >/dev/null\n"
    )
    done = subprocess.run(
        ["bash", "-c", script + blocks], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sk-air-" in done.stdout
    assert "I-02" in done.stdout


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (Path(__file__).resolve().parents[2] / "docs" / target).exists(), target
