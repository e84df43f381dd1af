"""Python packages apart from the project's own: installed once into the checkout's cache, used in a process of its own.

Other versions of what the tests themselves import live beside each other this way, and nothing of the project's own
environment is seen there.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent / "python"
CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "python"


def installed(name: str) -> Path:
    """The folder with the packages of `name`.txt, which pins every one. Raises `RuntimeError` that names the remedy."""
    wanted = PROJECT / f"{name}.txt"
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = CACHE / f"{name}-{release}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]}"
    if target.exists():
        return target
    building = target.with_suffix(f".{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(building), "-r", str(wanted)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        shutil.rmtree(building, ignore_errors=True)
        raise RuntimeError(
            f"the packages of {wanted.name} could not be installed; connect to an index of Python packages, or set "
            f"PIP_INDEX_URL to a mirror, and run the tests again\n{done.stderr}"
        )
    if target.exists():
        shutil.rmtree(building)  # another process of the tests was quicker
    else:
        building.rename(target)
    return target


def script(name: str, *arguments: str, env: str, url: str, key: str) -> Any:
    """What the script `name` of tests/support/python printed among the packages of `env`, decoded."""
    environ = {**os.environ, "PYTHONPATH": str(installed(env)), "NEXUSFLOW_URL": url, "NEXUSFLOW_KEY": key}
    done = subprocess.run(
        [sys.executable, "-S", "-P", str(PROJECT / name), *arguments],  # -S: not the project's own packages
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
