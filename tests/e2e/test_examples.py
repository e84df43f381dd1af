"""Each example is built, served, and lists its models."""

import json
import urllib.request
from pathlib import Path

import pytest

from nexusflow.testing.gateway import running_gateway

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*/gateway.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_is_served(example: Path, tmp_path: Path) -> None:
    with running_gateway(example.read_text(encoding="utf-8"), tmp_path) as gateway:
        request = urllib.request.Request(f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
        with urllib.request.urlopen(request) as answer:
            models = json.load(answer)["data"]
    assert models
    assert (example.parent / "README.md").is_file()


def test_there_are_examples() -> None:
    assert EXAMPLES
