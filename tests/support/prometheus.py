"""Prometheus and Alertmanager of our own, on loopback ports, and `promtool`."""

import contextlib
import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from nexusflow.testing.ports import free_port

START_SECONDS = 30.0
_PACKAGES = {"prometheus": "prometheus", "promtool": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_OTHER_NAMES = {"prometheus-alertmanager": "alertmanager"}


class Server:
    """One that runs, and what it answers."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def get(self, path: str, **query: str) -> Any:
        """What it answers, as JSON. Raises AssertionError for another status than 200."""
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path} {query}: {error.read().decode()}") from None


@contextmanager
def running_prometheus(folder: Path) -> Iterator[Server]:
    """One that works by `folder/prometheus.yml`."""
    data = ("--storage.tsdb.path", str(folder / "data"))
    with _running("prometheus", folder, free_port(), "--config.file", "prometheus.yml", *data) as server:
        yield server


@contextmanager
def running_alertmanager(folder: Path, port: int) -> Iterator[Server]:
    """One that works by `folder/alertmanager.yml`, alone, on a port that was told to Prometheus."""
    beside = Path(binary("prometheus-alertmanager")).parents[2] / _TEMPLATES.decode().lstrip("/")
    for template in beside.glob("*.tmpl"):
        shutil.copy(template, folder)
    alone = ("--cluster.listen-address=", "--storage.path", str(folder / "silences"))
    with _running("prometheus-alertmanager", folder, port, "--config.file", "alertmanager.yml", *alone) as server:
        yield server


def promtool(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """One command of it, whatever comes of it."""
    return subprocess.run([binary("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@cache
def binary(name: str) -> str:
    """Where a program is: on PATH, or unpacked from the packages of Debian beside this Python's."""
    for known in (name, _OTHER_NAMES.get(name, name)):
        found = shutil.which(known)
        if found is not None:
            return found
    place = Path(sys.prefix) / "debian"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in other processes want them too
        program = place / "usr" / "bin" / name
        if not program.exists():
            _unpack(_PACKAGES[name], place)
    return str(program)


def _unpack(package: str, place: Path) -> None:
    needed = "Prometheus and Alertmanager are needed: install both"
    assert shutil.which("apt-get") is not None, needed
    with tempfile.TemporaryDirectory(prefix="nexusflow-debian-") as folder:
        for _ in range(2):
            done = _run(folder, "apt-get", "download", package)
            if done.returncode == 0:
                break
            _run(folder, "apt-get", "update")  # a machine that is new has no lists
        [archive] = list(Path(folder).glob("*.deb")) or [None]
        assert archive is not None, f"{needed}\n{done.stderr}"
        unpacked = _run(folder, "dpkg-deb", "--extract", str(archive), str(place))
        assert unpacked.returncode == 0, unpacked.stderr
    if package == "prometheus-alertmanager":
        _look_beside(place / "usr" / "bin" / package)


def _look_beside(program: Path) -> None:
    """Debian's Alertmanager takes its templates from one place of the system alone, where only root could put them:
    here it takes them from the folder that it is started in.
    """
    program.write_bytes(program.read_bytes().replace(_TEMPLATES, b".".ljust(len(_TEMPLATES), b"/")))


def _run(folder: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@contextmanager
def _running(name: str, folder: Path, port: int, *options: str) -> Iterator[Server]:
    command = [binary(name), *options, f"--web.listen-address=127.0.0.1:{port}"]
    server = Server(port, folder / f"{name}.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _ready(server):
            assert process.poll() is None, server.log.read_text(errors="replace")
            assert time.monotonic() < deadline, f"{name} does not answer"
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


def _ready(server: Server) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
