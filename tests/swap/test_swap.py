"""Hot swap under load (R-34), refusal of bad artifacts (P-09, P-10), and keys that change while the gateway serves."""

import asyncio
import gc
import json
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexusflow.host import Host
from nexusflow.settings import Settings
from nexusflow.testing.gateway import nexusflow
from nexusflow.testing.ports import free_port
from tests.faults.raw import Connection, chat, request, wait_until
from tests.swap.support import Load, Stage, add_key, copy_artifact, make_current, rehash, spec, staged

SWAPS = 5
BASE = {"chat": "chat", "late": "late", "long": "long", "endless": "endless"}


def test_R34_five_swaps_under_load_lose_nothing(tmp_path: Path) -> None:
    """Four clients call without a pause and one long stream is open while the artifact changes five times."""
    with (
        staged(tmp_path) as stage,
        Load(stage.gateway.url, stage.gateway.key).running(keep_alive=2, fresh=2) as load,
        Connection(stage.gateway.url) as connection,
    ):
        stage.open_stream(connection, "long")
        for number in range(SWAPS):
            before = load.served
            # The model that the open stream uses is gone from the second artifact on.
            models = {"chat": "chat", "late": "late", f"added-{number}": "chat"}
            folder = stage.rebuild(spec(stage.provider.port, models))
            assert wait_until(lambda folder=folder: stage.get("/healthz")["live"].startswith(folder))
            assert stage.models() == set(models)
            assert json.loads(stage.ask(chat(f"added-{number}")).body)["model"] == f"added-{number}"
            assert stage.ask(chat("long")).status == 404
            assert wait_until(lambda before=before: load.served > before + 20)
        assert stage.provider.of("long")[-1].left.is_set() is False
        stage.enough.set()
        rest = connection.read_until(b"0\r\n\r\n")
    assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b'"error"' not in rest
    assert rest.count(b'"model":"long"') > 10, "the artifact that admitted the stream renames its events to the end"
    assert load.failures == []
    assert load.served > 100


# Each leaves an artifact that must not be served, and a word of the reason.
Damage = Callable[[Path], None]


def edited(artifact: Path) -> None:
    with (artifact / "routes.py").open("a") as file:
        file.write("\n# a well-meant edit\n")


def added(artifact: Path) -> None:
    (artifact / "extra.py").write_text("print('hello')\n")


def missing(artifact: Path) -> None:
    (artifact / "prices.py").unlink()


def other_abi(artifact: Path) -> None:
    rehash(artifact, abi=999)


def no_manifest(artifact: Path) -> None:
    (artifact / "manifest.json").unlink()


def broken_manifest(artifact: Path) -> None:
    (artifact / "manifest.json").write_text("{")


def import_error(artifact: Path) -> None:
    (artifact / "routes.py").write_text("import nexusflow_has_no_such_module\n")
    rehash(artifact, digest="1" * 64)


def syntax_error(artifact: Path) -> None:
    (artifact / "routes.py").write_text("def broken(:\n")
    rehash(artifact, digest="2" * 64)


def no_handlers(artifact: Path) -> None:
    (artifact / "__init__.py").write_text("artifact = None\n")
    rehash(artifact, digest="3" * 64)


def other_catalog(artifact: Path) -> None:
    (artifact / "catalog.json").write_text("{}")
    rehash(artifact, digest="4" * 64)


def unreachable_surface(artifact: Path) -> None:
    """Loads well, but its chat is not where clients look for it: only trying it out shows that."""
    routes = artifact / "routes.py"
    routes.write_text(routes.read_text().replace("/v1/chat/completions", "/v1/elsewhere"))
    rehash(artifact, digest="5" * 64)


DAMAGES: list[tuple[Damage, str]] = [
    (edited, "routes.py was changed after the build"),
    (added, "extra.py"),
    (missing, "prices.py"),
    (other_abi, "ABI 999"),
    (no_manifest, "there is no artifact"),
    (broken_manifest, "cannot be read"),
    (import_error, "nexusflow_has_no_such_module"),
    (syntax_error, "SyntaxError"),
    (no_handlers, "fails to load"),
    (other_catalog, "fails to load"),
    (unreachable_surface, "smoke test"),
]
NAMES = [damage.__name__ for damage, _ in DAMAGES]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway that good and bad artifacts are offered to."""
    with staged(tmp_path_factory.mktemp("swap")) as stage:
        yield stage


@pytest.mark.parametrize(("damage", "reason"), DAMAGES, ids=NAMES)
def test_P09_P10_a_bad_artifact_is_refused_and_the_old_one_serves(stage: Stage, damage: Damage, reason: str) -> None:
    build = stage.gateway.root / "build"
    good = (build / "current").resolve().name
    bad = copy_artifact(build, good, f"bad-{damage.__name__}")
    damage(bad)
    make_current(build, bad.name)
    try:
        assert wait_until(lambda: stage.get("/healthz")["refused"] == bad.name)
        health = stage.get("/healthz")
        assert reason in health["reason"]
        assert health["live"].startswith(good)
        assert stage.get("/readyz")["ready"] is True
        assert stage.ask(chat("chat")).status == 200
        assert reason in stage.gateway.log.read_text()
    finally:
        make_current(build, good)
    assert wait_until(lambda: stage.get("/healthz")["refused"] is None)


@pytest.mark.parametrize(("damage", "reason"), DAMAGES[:-1], ids=NAMES[:-1])
def test_P09_P10_serve_does_not_start_with_a_bad_artifact(
    stage: Stage, tmp_path: Path, damage: Damage, reason: str
) -> None:
    build = stage.gateway.root / "build"
    bad = copy_artifact(tmp_path, str((build / "current").resolve()), "bad")
    damage(bad)
    make_current(tmp_path, "bad")
    refused = nexusflow("serve", "--build", str(tmp_path), "--port", "1", root=tmp_path)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr


def test_P05_an_artifact_that_only_fails_when_tried_ends_the_server(stage: Stage, tmp_path: Path) -> None:
    """The workers find out; they are not started again for ever."""
    copy_artifact(tmp_path, str((stage.gateway.root / "build" / "current").resolve()), "bad")
    unreachable_surface(tmp_path / "bad")
    make_current(tmp_path, "bad")
    refused = nexusflow("serve", "--build", str(tmp_path), "--port", str(free_port()), root=tmp_path)
    assert refused.returncode == 1
    assert "smoke test" in refused.stdout + refused.stderr


def test_serve_without_a_build_says_what_to_do(tmp_path: Path) -> None:
    refused = nexusflow("serve", root=tmp_path)
    assert refused.returncode == 1
    assert "run `nexusflow build`" in refused.stderr


def test_a_change_that_needs_a_restart_is_refused(stage: Stage) -> None:
    build = stage.gateway.root / "build"
    good = (build / "current").resolve().name
    folder = stage.rebuild(spec(stage.provider.port, BASE, port=9999))
    try:
        assert wait_until(lambda: stage.get("/healthz")["refused"] == folder)
        assert "`port` changed; restart the gateway" in stage.get("/healthz")["reason"]
        assert stage.ask(chat("chat")).status == 200
    finally:
        make_current(build, good)


def test_a_spec_that_does_not_compile_changes_nothing(stage: Stage) -> None:
    build = stage.gateway.root / "build"
    before = (build / "current").resolve().name
    (stage.gateway.root / "gateway.yaml").write_text(
        spec(stage.provider.port, BASE).replace('"provider": "scripted"', '"provider": "scriptd"')
    )
    built = stage.gateway.build()
    assert built.returncode == 1
    assert "NF201" in built.stderr
    assert (build / "current").resolve().name == before
    assert stage.ask(chat("chat")).status == 200


def test_SEC55_keys_follow_the_command_line(stage: Stage) -> None:
    """Made and revoked by another process, over an open connection; within a second, which is not timed here."""
    key = add_key(stage.gateway, "later")
    with Connection(stage.gateway.url) as connection:

        def status() -> int:
            connection.send(request(key, chat("chat")))
            return connection.answer().status

        assert wait_until(lambda: status() == 200)
        revoked = nexusflow("keys", "revoke", "later", root=stage.gateway.root)
        assert revoked.returncode == 0, revoked.stderr
        assert wait_until(lambda: status() == 401)
    assert stage.ask(chat("chat")).status == 200, "other keys are not touched"


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """The host freezes start-up objects for good, which a process with more tests to run must not keep."""
    yield
    gc.unfreeze()
    gc.collect()


def test_replaced_artifacts_are_collected(tmp_path: Path, unfrozen: None) -> None:
    """Nothing holds an artifact once its last request is over, or every swap would cost memory for good."""
    folders = []
    for number in range(4):
        (tmp_path / "gateway.yaml").write_text(spec(9, {f"model-{number}": "chat"}))
        assert nexusflow("build", root=tmp_path).returncode == 0
        folders.append((tmp_path / "build" / "current").resolve())
    assert nexusflow("keys", "create", "--name", "any", root=tmp_path).returncode == 0
    make_current(tmp_path / "build", folders[0].name)

    async def swap_through() -> list[weakref.ref[object]]:
        host = Host()
        await host.start(Settings(tmp_path / "build", tmp_path, None, None))
        seen: list[weakref.ref[object]] = []
        try:
            for folder in folders[1:]:
                await host.swap(folder)
                seen.append(weakref.ref(sys.modules[f"nexusflow_artifact_{folder.name}"]))
            gc.collect()
            assert seen[-1]() is not None
        finally:
            await host.stop()
        return seen

    first, second, _ = asyncio.run(swap_through())
    assert first() is None
    assert second() is None
    loaded = {name.partition(".")[0].removeprefix("nexusflow_artifact_") for name in sys.modules}
    assert loaded & {folder.name for folder in folders} == {folders[-1].name}
