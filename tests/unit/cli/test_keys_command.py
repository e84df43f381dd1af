"""`nexusflow keys` as a user types it (SEC-51, SEC-53, SEC-55)."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nexusflow.cli.keys import keys
from nexusflow.keys import KeyCache, is_well_formed, load_pepper
from nexusflow.store import open_database

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(keys, [*arguments, "--data", str(folder)])

    return run


def listed(run: Run) -> list[dict[str, str | None]]:
    result = run("list", "--format", "json")
    assert result.exit_code == 0
    rows: list[dict[str, str | None]] = json.loads(result.stdout)
    return rows


def test_SEC53_create_shows_the_secret_once_and_says_so(run: Run) -> None:
    result = run("create", "--name", "ci")
    assert result.exit_code == 0
    [secret] = filter(is_well_formed, result.stdout.split())
    assert result.stdout.count(secret) == 1
    assert "will not be shown again" in result.stdout
    assert "OPENAI_API_KEY" in result.stdout
    for later in (run("list"), run("list", "--format", "json"), run("revoke", "ci")):
        assert later.exit_code == 0
        assert secret not in later.output
        assert secret[11:-4] not in later.output
    masked = f"{secret[:11]}…{secret[-4:]}"
    assert masked in run("list").stdout
    assert [row["key"] for row in listed(run)] == [masked]


def test_quiet_prints_a_secret_that_the_gateway_accepts_and_nothing_else(run: Run, folder: Path) -> None:
    result = run("create", "--name", "ci", "--quiet")
    assert is_well_formed(result.stdout.removesuffix("\n"))
    assert result.stderr == ""
    with open_database(folder / "nexusflow.db") as database:
        known = KeyCache(database, load_pepper(folder / "pepper"))
        key = known.lookup(result.stdout.strip())
        assert key is not None
        assert key.name == "ci"
        assert run("revoke", key.id).exit_code == 0
        assert known.refresh()
        assert known.lookup(result.stdout.strip()) is None
        known.close()


def test_list_tells_the_state_of_each_key(run: Run) -> None:
    run("create", "--name", "a")
    run("create", "--name", "b", "--expires", "2999-12-31")
    run("revoke", "a")
    a, b = listed(run)
    assert (a["name"], a["status"], a["expires"]) == ("a", "revoked", None)
    assert (b["name"], b["status"], b["expires"]) == ("b", "active", "2999-12-31T00:00:00Z")
    assert a["revoked"] is not None
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == [
        "ID",
        "NAME",
        "KEY",
        "STATUS",
        "ORG",
        "CALLS",
        "LAST_USED",
        "CREATED",
        "EXPIRES",
        "REVOKED",
    ]
    assert lines[2].split() == [
        b["id"],
        "b",
        b["key"],
        "active",
        "org_default",
        "0",
        "-",
        b["created"],
        b["expires"],
        "-",
    ]


@pytest.mark.parametrize(("span", "hours"), [("12h", 12), ("30d", 720), ("4w", 672)])
def test_an_expiry_may_be_a_span(run: Run, folder: Path, span: str, hours: int) -> None:
    from nexusflow.keys import KeyTable
    from nexusflow.keys.model import wall_ms

    before = wall_ms()
    assert run("create", "--name", "ci", "--expires", span).exit_code == 0
    with open_database(folder / "nexusflow.db") as database:
        [key] = KeyTable(database, load_pepper(folder / "pepper")).list()
    assert key.expires_ms is not None
    assert before <= key.expires_ms - hours * 3_600_000 <= wall_ms()


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--name", ""],
        ["create", "--name", "a\nb"],
        ["create", "--name", "ci", "--expires", "soon"],
        ["create", "--name", "ci", "--expires", "30"],
        ["create", "--name", "ci", "--expires", "2027-02-30"],
        ["create", "--name", "ci", "--expires", "2001-01-01"],
        ["list", "--format", "xml"],
        ["revoke"],
    ],
)
def test_a_wrong_command_line_exits_with_2_and_makes_no_key(run: Run, arguments: list[str]) -> None:
    run("create", "--name", "first")
    assert run(*arguments).exit_code == 2
    assert len(listed(run)) == 1


def test_an_unknown_or_ambiguous_key_exits_with_1(run: Run) -> None:
    run("create", "--name", "ci")
    run("create", "--name", "ci")
    unknown, ambiguous = run("revoke", "nobody"), run("revoke", "ci")
    assert (unknown.exit_code, ambiguous.exit_code) == (1, 1)
    assert "nexusflow keys list" in unknown.stderr
    assert re.search(r"2 keys match.*key_\w{16}, key_\w{16}", ambiguous.stderr)
    assert unknown.stdout == ambiguous.stdout == ""
    assert [row["status"] for row in listed(run)] == ["active", "active"]


def test_revoking_again_succeeds_and_says_so(run: Run) -> None:
    run("create", "--name", "ci")
    assert run("revoke", "ci").stdout.startswith("Revoked key_")
    again = run("revoke", "ci")
    assert again.exit_code == 0
    assert "was already revoked on" in again.stdout


@pytest.mark.parametrize("command", [["list"], ["revoke", "ci"]])
def test_a_mistyped_folder_is_told_and_not_created(run: Run, folder: Path, command: list[str]) -> None:
    result = run(*command)
    assert result.exit_code == 1
    assert "--data" in result.stderr
    assert not folder.exists()


def test_a_damaged_database_exits_with_1_and_a_remedy(run: Run, folder: Path) -> None:
    folder.mkdir()
    (folder / "nexusflow.db").write_bytes(b"not a database at all" * 100)
    result = run("create", "--name", "ci")
    assert result.exit_code == 1
    assert "is not a NexusFlow database" in result.stderr
    assert "Traceback" not in result.output


def test_an_empty_list_says_how_to_make_a_key(run: Run, folder: Path) -> None:
    open_database(folder / "nexusflow.db").close()
    assert "nexusflow keys create" in run("list").stdout
    assert listed(run) == []


def test_the_folder_may_come_from_the_environment(folder: Path) -> None:
    result = CliRunner(env={"NEXUSFLOW_DATA": str(folder)}).invoke(keys, ["create", "--name", "ci"])
    assert result.exit_code == 0
    assert (folder / "nexusflow.db").is_file()


@pytest.mark.parametrize("command", [[], ["create"], ["list"], ["revoke"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(keys, [*command, "--help"])
    assert result.exit_code == 0
    assert "key" in result.output
