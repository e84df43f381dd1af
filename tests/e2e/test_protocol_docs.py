"""docs/protocols.md and docs/losses.md: what they show is run, and what is generated is current."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.simulator import running_simulator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The repository's own gateway.yaml, in front of the simulated provider."""
    spec = (ROOT / "gateway.yaml").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("docs")
    with (
        running_simulator() as url,
        running_gateway(spec, folder, environ={"NEXUSFLOW_SIMULATOR_URL": f"{url}/v1"}) as running,
    ):
        yield running


@pytest.mark.parametrize("at", range(len(SNIPPETS)))
def test_each_snippet_runs(gateway: Gateway, at: int) -> None:
    code = f"key = {gateway.key!r}\n" + SNIPPETS[at].replace("http://127.0.0.1:8080", gateway.url)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr


def test_there_is_a_snippet_for_each_vendors_sdk() -> None:
    assert [snippet.split()[1].partition(".")[0] for snippet in SNIPPETS] == ["openai", "anthropic", "google"]


def losses(*arguments: str) -> str:
    command = [sys.executable, "-m", "nexusflow", "losses", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_losses_is_current() -> None:
    """`nexusflow losses > docs/losses.md` makes it anew."""
    assert losses() == (ROOT / "docs/losses.md").read_text(encoding="utf-8")


def test_the_losses_of_one_model() -> None:
    shown = losses("claude-haiku-4-5", "--from", "openai/chat-completions")
    assert "dropped  seed" in shown
    assert "google/generate-content ->" not in shown
    everything = losses("claude-haiku-4-5", "--all", "--format", "json")
    assert '"outcome": "carried"' in everything


def test_an_unknown_model_is_said() -> None:
    command = [sys.executable, "-m", "nexusflow", "losses", "no-such-model"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "no-such-model" in done.stderr) == (2, True)
