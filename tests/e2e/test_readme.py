"""The README is true: its commands are the ones that run, and a wheel installed elsewhere does what it says."""

import os
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command_after(marker: str) -> str:
    """The one line of the code block that follows an HTML comment."""
    found = re.search(rf"<!-- {marker} -->\n```bash\n(.+)\n```", README)
    assert found is not None, marker
    return found[1]


def test_ci_runs_the_readme_test_command() -> None:
    """`.ci/run` takes the command from the README itself; this is the same extraction."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    awk = re.search(r"awk '(.+)' README.md", script)
    assert awk is not None
    extracted = subprocess.run(["awk", awk[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert extracted.stdout.strip() == command_after("test command")
    assert command_after("test command").endswith("just ready")


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_documented_verb_exists() -> None:
    from nexusflow.cli.main import VERBS

    documented = set(re.findall(r"^\| `nexusflow (\w+)", README, re.MULTILINE))
    assert documented == set(VERBS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh environment with this project installed as users install it: not editable."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home / ".venv", with_pip=True)
    binaries = home / ".venv" / "bin"
    subprocess.run([binaries / "pip", "install", "-q", str(ROOT)], check=True)
    return binaries


@pytest.mark.timeout(600)
def test_demo_command_streams_a_real_chat(installed: Path, tmp_path: Path) -> None:
    """The README's first command, in a copy of what it needs and with the last verb told to stop after the chat."""
    assert command_after("demo command").endswith(".venv/bin/nexusflow demo")
    (tmp_path / "gateway.yaml").write_bytes((ROOT / "gateway.yaml").read_bytes())
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [installed / "nexusflow", "demo", "--once"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"created a key: sk-air-\w{49}", done.stdout)
    assert "[simulated]" in done.stdout
    assert re.search(r"\d+ tokens in, \d+ out", done.stdout)
    assert "simulated" in done.stdout.splitlines()[-1]


@pytest.mark.timeout(600)
def test_newcomers_commands(installed: Path, tmp_path: Path) -> None:
    """The block under "Use it", up to the verb that serves."""
    block = re.search(r"## Use it\n\n```bash\n(.+?)\n```", README, re.DOTALL)
    assert block is not None
    lines = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    assert lines.pop() == "nexusflow serve"
    script = "set -e\n" + "\n".join(lines)
    environ = {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "my-gateway" / "build" / "current" / "manifest.json").is_file()
    assert (tmp_path / "my-gateway" / "gateway.lock").is_file()


def test_just_recipes_named_in_docs_exist() -> None:
    just = Path(sys.executable).parent / "just"
    listed = subprocess.run([just, "--summary"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for recipe in re.findall(r"`(?:\.venv/bin/)?just ([a-z][a-z-]*)", text):
        assert recipe in listed, shlex.quote(recipe)
