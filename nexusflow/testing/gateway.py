"""A real gateway in processes of its own, on a free loopback port, in a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusflow.testing.ports import NotStarted, free_port, wait_for

STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. `url` has no trailing slash; `key` is a customer key made for it; `log` its output."""

    url: str
    key: str
    root: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def openai_base_url(self) -> str:
        """What an OpenAI SDK takes as its base URL."""
        return f"{self.url}/v1"

    def build(self) -> "subprocess.CompletedProcess[str]":
        """Compile the folder's gateway.yaml as it is now; the running gateway picks a good artifact up by itself."""
        return nexusflow("build", root=self.root)


def nexusflow(
    *arguments: str, root: Path, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run one `nexusflow` command in `root` and return its result."""
    command = [sys.executable, "-P", "-m", "nexusflow", *arguments]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
    )


@contextmanager
def running_gateway(
    spec: str, root: Path, *, environ: Mapping[str, str] | None = None, workers: int = 1
) -> Iterator[Gateway]:
    """Write `spec` to `root/gateway.yaml`, build it, create a key, serve it; stop it on leaving.

    Raises `NotStarted` with the command's output when the build or the start fails.
    """
    (root / "gateway.yaml").write_text(spec, encoding="utf-8")
    env = {**os.environ, **(environ or {})}
    built = nexusflow("build", root=root, environ=env)
    if built.returncode != 0:
        raise NotStarted(f"build failed:\n{built.stdout}{built.stderr}")
    created = nexusflow("keys", "create", "--name", "test", "--quiet", root=root, environ=env)
    if created.returncode != 0:
        raise NotStarted(f"no key:\n{created.stdout}{created.stderr}")
    port = free_port()
    log = root / "gateway.log"
    command = [sys.executable, "-P", "-m", "nexusflow", "serve", "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        try:
            wait_for(port, "/readyz", process)
        except NotStarted as error:
            raise NotStarted(f"{error}:\n{log.read_text(errors='replace')}") from None
        yield Gateway(f"http://127.0.0.1:{port}", created.stdout.strip(), root, process, log)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process to end, and end it if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
