"""The command line as a newcomer uses it: every verb in a process of its own, in an empty folder."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nexusflow.cli.main import VERBS
from nexusflow.testing.gateway import nexusflow, running_gateway, stop
from nexusflow.testing.ports import free_port, wait_for
from tests.faults.raw import PATIENCE_SECONDS, Connection, chat, request, wait_until

NO_KEYS = {name: "" for name in os.environ if name.endswith("_API_KEY")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder after `nexusflow init`."""
    assert nexusflow("init", root=tmp_path).returncode == 0
    return tmp_path


def edit(folder: Path, old: str, new: str) -> str:
    """Replace `old` in gateway.yaml and return the whole text as it was."""
    file = folder / "gateway.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return text


@pytest.mark.parametrize("verb", ["", *VERBS, "keys create", "keys list", "keys revoke"])
def test_help_of_every_verb(verb: str, tmp_path: Path) -> None:
    shown = nexusflow(*verb.split(), "--help", root=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Usage:" in shown.stdout
    assert "--help" in shown.stdout
    if not verb:
        assert all(name in shown.stdout for name in VERBS)


def test_a_newcomers_path(tmp_path: Path) -> None:
    """init, check, build, then a gateway that lists what the file says."""
    begun = nexusflow("init", "mine", root=tmp_path)
    assert begun.returncode == 0
    folder = tmp_path / "mine"
    assert (folder / "schemas" / "gateway.v1.schema.json").is_file()
    checked = nexusflow("check", "--fail-on", "warning", root=folder)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "no findings" in checked.stderr
    built = nexusflow("build", root=folder)
    assert re.fullmatch(r"built [0-9a-f]{12}: 2 models in [0-9.]+ s\n", built.stdout)
    text = (folder / "gateway.yaml").read_text()
    no_key = {**NO_KEYS, "OPENAI_API_KEY": ""}
    with running_gateway(text, folder, environ=no_key) as gateway, Connection(gateway.url) as connection:
        connection.send(request(gateway.key, b"", method="GET", path="/v1/models"))
        cards = {card["id"]: card for card in json.loads(connection.answer().body)["data"]}
        assert set(cards) == {"gpt-4o-mini", "simulator/chat"}
        assert cards["gpt-4o-mini"]["available"] is False
        assert "OPENAI_API_KEY" in cards["gpt-4o-mini"]["unavailable_reason"]
        connection.send(request(gateway.key, chat("gpt-4o-mini")))
        answer = connection.answer()
        assert (answer.status, answer.error["code"]) == (503, "model_unavailable")
        assert "OPENAI_API_KEY" in answer.error["message"]


def test_init_does_not_overwrite(folder: Path) -> None:
    edit(folder, "my-gateway", "precious")
    again = nexusflow("init", root=folder)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert "precious" in (folder / "gateway.yaml").read_text()
    assert nexusflow("init", "--force", root=folder).returncode == 0
    assert "precious" not in (folder / "gateway.yaml").read_text()


class TestCheck:
    """`check` and its formats, on a file with one typo."""

    @pytest.fixture
    def typo(self, folder: Path) -> Path:
        edit(folder, "      - provider: openai\n", "      - provider: opnai\n")
        return folder

    def test_text_names_place_rule_and_remedy(self, typo: Path) -> None:
        found = nexusflow("check", root=typo)
        line = next(n for n, text in enumerate((typo / "gateway.yaml").read_text().splitlines(), 1) if "opnai" in text)
        assert found.returncode == 1
        assert f"gateway.yaml:{line}:" in found.stderr
        assert "NF201" in found.stderr
        assert "openai" in found.stderr
        assert found.stdout == ""

    def test_json_is_one_object_a_line(self, typo: Path) -> None:
        found = nexusflow("check", "--format", "json", root=typo)
        assert found.returncode == 1
        objects = [json.loads(line) for line in found.stdout.splitlines()]
        assert "NF201" in {one["code"] for one in objects}
        assert found.stderr == ""

    def test_github_annotations(self, typo: Path) -> None:
        found = nexusflow("check", "--format", "github", root=typo)
        assert found.returncode == 1
        pattern = r"::(error|warning|notice) file=gateway\.yaml,line=\d+,[^\n]*::[^\n]+"
        assert all(re.fullmatch(pattern, line) for line in found.stdout.splitlines())
        assert "NF201" in found.stdout

    def test_sarif(self, typo: Path) -> None:
        """What GitHub's code scanning requires of SARIF 2.1.0."""
        found = nexusflow("check", "--format", "sarif", root=typo)
        assert found.returncode == 1
        log = json.loads(found.stdout)
        assert log["version"] == "2.1.0"
        [run] = log["runs"]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        assert "NF201" in {result["ruleId"] for result in run["results"]}
        for result in run["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]
            assert result["message"]["text"]
            assert result["level"] in ("error", "warning", "note")
            place = result["locations"][0]["physicalLocation"]
            assert place["artifactLocation"]["uri"] == "gateway.yaml"
            assert place["region"]["startLine"] >= 1

    def test_fix_mends_the_typo(self, typo: Path) -> None:
        mended = nexusflow("check", "--fix", root=typo)
        assert mended.returncode == 0, mended.stderr
        assert "opnai" not in (typo / "gateway.yaml").read_text()
        assert nexusflow("check", root=typo).returncode == 0

    def test_wrong_usage_is_exit_code_2(self, typo: Path) -> None:
        assert nexusflow("check", "--format", "xml", root=typo).returncode == 2
        assert nexusflow("chekc", root=typo).returncode == 2

    def test_a_missing_file_is_a_finding(self, tmp_path: Path) -> None:
        found = nexusflow("check", root=tmp_path)
        assert found.returncode == 1
        assert "gateway.yaml" in found.stderr
        assert "Traceback" not in found.stderr


def test_build_check_compares_the_lock(folder: Path) -> None:
    assert nexusflow("build", "--check", root=folder).returncode == 1, "there is no lock yet"
    assert nexusflow("build", "--quiet", root=folder).stdout == ""
    assert nexusflow("build", "--check", root=folder).returncode == 0
    edit(folder, "max_output_tokens: 16384", "max_output_tokens: 16000")
    before = (folder / "gateway.lock").read_text()
    stale = nexusflow("build", "--check", root=folder)
    assert stale.returncode == 1
    assert "run `nexusflow build`" in stale.stderr
    assert (folder / "gateway.lock").read_text() == before


def test_explain(tmp_path: Path) -> None:
    page = nexusflow("explain", "NF201", root=tmp_path)
    assert page.returncode == 0
    assert "NF201" in page.stdout
    every = nexusflow("explain", root=tmp_path)
    assert len(re.findall(r"^NF\d{3} ", every.stdout, re.MULTILINE)) > 30
    unknown = nexusflow("explain", "NF210", root=tmp_path)
    assert unknown.returncode == 2
    assert re.search(r"Did you mean NF\d{3}", unknown.stderr)


def test_demo_streams_from_the_simulated_provider_and_says_so(folder: Path) -> None:
    shown = nexusflow("demo", "--once", "--port", str(free_port()), root=folder, environ=NO_KEYS)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"[1-9]\d* tokens in, [1-9]\d* out, request \w{26}\. The provider is simulated\.", shown.stdout)
    assert "sk-air-" in shown.stdout


def test_demo_names_a_model_that_it_cannot_use(folder: Path) -> None:
    shown = nexusflow("demo", "--once", "--model", "nobody", root=folder, environ=NO_KEYS)
    assert shown.returncode == 1
    assert "nobody" in shown.stderr


@contextmanager
def developing(folder: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """`nexusflow dev --mock` while the block runs; its output goes to `dev.log`."""
    command = [sys.executable, "-P", "-m", "nexusflow", "dev", "--mock", "--port", str(port)]
    with (folder / "dev.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **NO_KEYS, "PYTHONUNBUFFERED": "1"}, stdout=output, stderr=output
        )
    try:
        wait_for(port, "/readyz", process)
        yield process
    finally:
        stop(process)


def test_dev_follows_good_edits_and_explains_bad_ones(folder: Path) -> None:
    key = nexusflow("keys", "create", "--name", "dev", "--quiet", root=folder).stdout.strip()
    port = free_port()

    def status(model: str) -> int:
        with Connection(f"http://127.0.0.1:{port}") as connection:
            connection.send(request(key, chat(model)))
            return connection.answer().status

    with developing(folder, port) as process:
        assert status("simulator/chat") == 200
        edit(folder, "  simulator/chat:\n", "  simulator/other:\n")
        assert wait_until(lambda: status("simulator/other") == 200)
        assert status("simulator/chat") == 404
        good = edit(folder, "        model: chat\n", "        modle: chat\n")
        log = folder / "dev.log"
        assert wait_until(lambda: "the last good artifact keeps serving" in log.read_text())
        assert re.search(r"gateway\.yaml:\d+:\d+: error\[NF101\]", log.read_text())
        assert status("simulator/other") == 200
        (folder / "gateway.yaml").write_text(good.replace("simulator/other", "simulator/third"))
        assert wait_until(lambda: status("simulator/third") == 200)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert "Traceback" not in log.read_text()
