"""docs/console.md: its commands are run, its pictures are there."""

import re
import shlex
from pathlib import Path

from nexusflow.testing.gateway import nexusflow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "console.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    [block] = re.findall(r"```bash\n(.+?)\n```", PAGE, re.DOTALL)
    for line in (*block.splitlines(), "nexusflow operators renew maria", "nexusflow operators list --format json"):
        done = nexusflow(*shlex.split(line)[1:], root=tmp_path)
        assert done.returncode == 0, done.stderr
    assert '"role": "finance"' in done.stdout
    refused = nexusflow("operators", "remove", "nobody", root=tmp_path)
    assert (refused.returncode, "There is no operator nobody" in refused.stderr) == (1, True)


def test_its_pictures_are_there() -> None:
    for name in re.findall(r"\]\((images/[\w.-]+)\)", PAGE):
        assert (DOCS / name).read_bytes().startswith(b"\x89PNG")
