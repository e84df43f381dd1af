"""The servers under measurement, each started on a free port and pinned to one core where there are two."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from nexusflow.testing.gateway import nexusflow, stop
from nexusflow.testing.ports import free_port, wait_for

SERVER_CORE, LOAD_CORE = {0}, {1}
GRANIAN = [
    *("--interface", "asgi", "--loop", "uvloop", "--no-ws", "--runtime-mode", "st"),
    *("--task-impl", "asyncio", "--backlog", "4096"),
]
NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 10000000; client_body_buffer_size 1m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /readyz {{ return 200; }}
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server. `key` is sent by the load to all alike."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """User and system time of the whole process tree so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._tree())

    def rss_mb(self) -> float:
        """Resident memory of the whole process tree, shared pages counted once for each process."""
        return sum(one.memory_info().rss for one in self._tree()) / 1e6

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]


def pin(cores: set[int]) -> None:
    """Keep this process, and what it starts, on `cores`; with a single core there is nothing to keep apart."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, cores)


@contextmanager
def started(name: str, command: list[str], port: int, folder: Path, ready: str = "/readyz") -> Iterator[Contestant]:
    """Run a server until the block ends."""
    with (folder / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, preexec_fn=lambda: pin(SERVER_CORE)
        )
    try:
        wait_for(port, ready, process)
        yield Contestant(name, port, process)
    finally:
        stop(process)


@contextmanager
def upstream() -> Iterator[int]:
    """The provider, beside the load; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=lambda: pin(LOAD_CORE))
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield port
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def spec(upstream_port: int, models: int = 200, database: str = "{kind: sqlite}") -> str:
    """A gateway.yaml of `models` priced models; the first is the one that is asked."""
    head = (
        f"version: 1\nstores:\n  database: {database}\n"
        "limits:\n  default: {rpm: 1000000000, tpm: 1000000000000, concurrent_requests: 100000}\n"
        "providers:\n  bench:\n    protocol: openai/chat-completions\n"
        f"    base_url: http://127.0.0.1:{upstream_port}/v1\nmodels:\n"
    )
    lines = []
    for at in range(models):
        name = "bench/chat" if at == 0 else f"bench/model-{at}"
        lines.append(
            f"  {name}:\n    title: Model {at}\n    owner: bench\n    category: language\n    aliases: [alias-{at}]\n"
            "    supported_protocols: [openai/chat-completions, anthropic/messages]\n    context_tokens: 128000\n"
            f"    max_output_tokens: {4096 + at}\n    capabilities: {{tools: true, stop_max: 4}}\n"
            '    price:\n      input: "1.25"\n      output: "10"\n      cache_read: "0.125"\n'
            "    lanes:\n      - provider: bench\n        model: chat\n"
        )
    return head + "".join(lines)


@contextmanager
def gateway(upstream_port: int, folder: Path, postgres: str | None = None) -> Iterator[tuple[Contestant, str, float]]:
    """The gateway with 200 models; yields it, a key, and the seconds from start to ready.

    It keeps its books in SQLite, or in the PostgreSQL database at the URL `postgres`.
    """
    database = "{kind: sqlite}"
    if postgres is not None:
        (folder / "url").write_text(postgres, encoding="utf-8")
        database = "{kind: postgres, url: {file: url}}"
    (folder / "gateway.yaml").write_text(spec(upstream_port, database=database), encoding="utf-8")
    built = nexusflow("build", "--quiet", root=folder)
    assert built.returncode == 0, built.stderr
    key = nexusflow("keys", "create", "--name", "bench", "--quiet", root=folder).stdout.strip()
    port = free_port()
    command = [sys.executable, "-P", "-m", "nexusflow", "serve", "--port", str(port)]
    begun = time.perf_counter()
    with started("nexusflow", command, port, folder) as contestant:
        yield contestant, key, time.perf_counter() - begun


@contextmanager
def others(upstream_port: int, folder: Path, *, with_nginx: bool) -> Iterator[list[Contestant]]:
    """nginx as a plain reverse proxy, and bare Granian."""
    with ExitStack() as stack:
        running = []
        if with_nginx:
            port = free_port()
            conf = folder / "nginx.conf"
            conf.write_text(NGINX_CONF.format(folder=folder, port=port, upstream=upstream_port), encoding="utf-8")
            binary = shutil.which("nginx") or "/usr/sbin/nginx"
            command = [binary, "-c", str(conf), "-p", str(folder)]
            running.append(stack.enter_context(started("nginx", command, port, folder)))
        port = free_port()
        root = str(Path(__file__).resolve().parent.parent)
        command = [
            sys.executable,
            "-m",
            "granian",
            *GRANIAN,
            "--port",
            str(port),
            "--working-dir",
            root,
            "bench.floor:app",
        ]
        running.append(stack.enter_context(started("granian", command, port, folder, ready="/")))
        yield running
