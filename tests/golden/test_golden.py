"""Emitted code, locks and diagnostics, byte for byte. `python -m tests.golden.update` records a wanted change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codegen import compile_file, compile_source, emit
from codegen.source import Source
from codegen.write import activate, prune, write_artifact
from nexusflow.loading import forget, load
from tests.golden import cases


@pytest.mark.parametrize("name", cases.names())
def test_compiler_output_is_what_was_recorded(name: str) -> None:
    made, expected = cases.produce(name), cases.recorded(name)
    assert made.keys() == expected.keys()
    for path, data in made.items():
        assert data.decode() == expected[path].decode(), path


@pytest.mark.parametrize("name", cases.names())
def test_golden_artifact_loads(name: str) -> None:
    """The recorded artifact itself passes the hashes, the ABI and the import of `loading`."""
    loaded = load(cases.ROOT / name / "expected" / "artifact")
    assert loaded.plan.models
    forget(loaded.module.__name__)


RUFF = ("ruff", "check", "--isolated", "--select", "E,F,W,I", "--line-length", "120")


@pytest.mark.parametrize("tool", [RUFF, ("mypy", "--strict")], ids=["ruff", "mypy"])
def test_emitted_code_is_clean(tool: tuple[str, ...], tmp_path: Path) -> None:
    """Generated modules pass the same tools as ours."""
    package = tmp_path / "artifact_under_test"
    shutil.copytree(cases.ROOT / "everything" / "expected" / "artifact", package)
    command = [sys.executable, "-m", *tool, str(package)]
    environ = {**os.environ, "MYPYPATH": str(cases.ROOT.parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


COMPILE = (
    "import sys; from pathlib import Path; from codegen import compile_file, digest, emit;"
    "print(digest(emit(compile_file(Path(sys.argv[1])).plan)))"
)


def _digest(file: Path, cwd: Path, seed: str) -> str:
    env = {"PYTHONHASHSEED": seed, "PATH": ""}
    command = [sys.executable, "-P", "-c", COMPILE, str(file)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_SEC45_same_file_same_bytes_whatever_the_hash_seed_and_folder(tmp_path: Path) -> None:
    source = cases.ROOT / "everything" / "gateway.yaml"
    copy = tmp_path / "elsewhere" / "other-name.yaml"
    copy.parent.mkdir()
    shutil.copy(source, copy)
    digests = {_digest(source, cases.ROOT, "0"), _digest(source, tmp_path, "1"), _digest(copy, tmp_path, "4242")}
    assert len(digests) == 1


def test_SEC45_formatting_and_order_do_not_change_the_artifact(tmp_path: Path) -> None:
    """Comments, quotes, flow style and the order of keys mean nothing."""
    import yaml

    source = cases.ROOT / "everything" / "gateway.yaml"
    value = yaml.safe_load(source.read_text(encoding="utf-8"))
    for name in ("providers", "models"):
        value[name] = dict(reversed(value[name].items()))
    rewritten = tmp_path / "gateway.yaml"
    rewritten.write_text(yaml.safe_dump(value, sort_keys=False, default_flow_style=True), encoding="utf-8")
    one, two = compile_file(source).plan, compile_file(rewritten).plan
    assert one is not None
    assert two is not None
    assert emit(one) == emit(two)


def test_old_artifacts_are_pruned_but_never_the_current_one(tmp_path: Path) -> None:
    text = (cases.ROOT / "minimal" / "gateway.yaml").read_text(encoding="utf-8")
    made = []
    for at in range(6):
        plan = compile_source(Source("gateway.yaml", text.replace("owner: me", f"owner: me{at}"))).plan
        assert plan is not None
        made.append(write_artifact(tmp_path, emit(plan)))
        os.utime(made[-1], (at, at))
    activate(tmp_path, made[0])
    prune(tmp_path, keep=2)
    assert {path for path in made if path.exists()} == {made[0], made[4], made[5]}


def test_an_artifact_is_written_whole_and_once(tmp_path: Path) -> None:
    plan = compile_file(cases.ROOT / "minimal" / "gateway.yaml").plan
    assert plan is not None
    files = emit(plan)
    target = write_artifact(tmp_path, files)
    stamps = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    assert write_artifact(tmp_path, files) == target
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == stamps
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
