"""Which database a command finds: `--data`, `--database`, the built artifact's, else `.nexusflow`."""

from pathlib import Path

import msgspec
import pytest
import rich_click as click
from click.testing import CliRunner, Result

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.keys import keys
from nexusflow.ir.plan import ABI, CredentialRef, DatabaseAt
from nexusflow.store import open_database

SQLITE = DatabaseAt(path="elsewhere/store.db")
POSTGRES = DatabaseAt(kind="postgres", url=CredentialRef("env", "STORE_URL"))


@click.command()
@data_option
def show(place: Place) -> None:
    """Tells the label of its database."""
    with opened_database(place, create=True) as (database, _):
        click.echo(database.label)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NEXUSFLOW_ROOT", "NEXUSFLOW_BUILD", "NEXUSFLOW_DATA", "NEXUSFLOW_PEPPER_FILE"):
        monkeypatch.delenv(name, raising=False)


def built(at: DatabaseAt, root: Path = Path(), abi: int = ABI) -> None:
    folder = root / "build" / "current"
    folder.mkdir(parents=True)
    catalog = {"abi": abi, "server": {"name": "test", "database": at}}
    (folder / "catalog.json").write_bytes(msgspec.json.encode(catalog))


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(show, arguments)


def test_without_an_artifact_it_is_the_data_folder_here(tmp_path: Path) -> None:
    assert run().stdout == ".nexusflow/nexusflow.db\n"
    assert {entry.name for entry in (tmp_path / ".nexusflow").iterdir()} >= {"nexusflow.db", "pepper"}


def test_with_an_artifact_it_is_the_one_that_is_served(tmp_path: Path) -> None:
    built(SQLITE)
    assert run().stdout == "elsewhere/store.db\n"
    assert {entry.name for entry in (tmp_path / "elsewhere").iterdir()} >= {"store.db", "pepper"}


def test_the_data_folder_wins_over_the_artifact(tmp_path: Path) -> None:
    built(SQLITE)
    assert run("--data", "mine").stdout == "mine/nexusflow.db\n"
    assert run(NEXUSFLOW_DATA="yours").stdout == "yours/nexusflow.db\n"
    assert not (tmp_path / "elsewhere").exists()


def test_the_artifact_may_lie_where_serve_looks_for_it(tmp_path: Path) -> None:
    built(SQLITE, tmp_path / "there")
    assert run(NEXUSFLOW_BUILD=str(tmp_path / "there" / "build")).stdout == f"{tmp_path}/there/elsewhere/store.db\n"
    assert run(NEXUSFLOW_ROOT=str(tmp_path / "there")).stdout == f"{tmp_path}/there/elsewhere/store.db\n"


def test_an_artifact_of_another_version_is_no_reason_to_use_another_database(tmp_path: Path) -> None:
    built(SQLITE, abi=ABI - 1)
    result = run()
    assert result.exit_code == 1
    assert "run `nexusflow build`" in result.stderr
    assert not (tmp_path / ".nexusflow").exists()


def test_a_damaged_artifact_is_no_reason_to_use_another_database(tmp_path: Path) -> None:
    built(SQLITE)
    (tmp_path / "build" / "current" / "catalog.json").write_text("{")
    result = run()
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert not (tmp_path / ".nexusflow").exists()


def test_the_postgres_database_of_the_artifact_is_found(tmp_path: Path, postgres_url: str) -> None:
    built(POSTGRES)
    assert run(STORE_URL=postgres_url).stdout.startswith("postgres://127.0.0.1:")
    assert (tmp_path / ".nexusflow" / "pepper").is_file()
    missing = run()
    assert missing.exit_code == 1
    assert "STORE_URL" in missing.stderr


def test_a_postgres_database_may_be_named_by_the_variable_of_its_url(tmp_path: Path, postgres_url: str) -> None:
    built(SQLITE)
    arguments = ("--database", "MY_URL")
    assert run(*arguments, "--data", "mine", MY_URL=postgres_url).stdout.startswith("postgres://127.0.0.1:")
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["pepper"]
    second = run(*arguments, MY_URL=postgres_url)
    assert second.exit_code == 1
    assert "pepper file .nexusflow/pepper is missing" in second.stderr
    pepper = str(tmp_path / "mine" / "pepper")
    assert run(*arguments, MY_URL=postgres_url, NEXUSFLOW_PEPPER_FILE=pepper).exit_code == 0


def test_keys_are_made_and_listed_in_postgres(postgres_url: str) -> None:
    built(POSTGRES)
    runner = CliRunner(env={"STORE_URL": postgres_url})
    assert runner.invoke(keys, ["create", "--name", "ci"]).exit_code == 0
    assert "ci" in runner.invoke(keys, ["list"]).stdout
    assert runner.invoke(keys, ["revoke", "ci"]).exit_code == 0
    assert "revoked" in runner.invoke(keys, ["list"]).stdout


def test_a_command_that_only_looks_makes_no_database(tmp_path: Path) -> None:
    built(SQLITE)
    result = CliRunner().invoke(keys, ["list"])
    assert result.exit_code == 1
    assert "There is no database elsewhere/store.db" in result.stderr
    open_database(tmp_path / "elsewhere" / "store.db").close()
    assert CliRunner().invoke(keys, ["list"]).exit_code == 0
