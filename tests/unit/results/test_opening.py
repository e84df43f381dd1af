"""From the plan's words to a place for results."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexusflow.ir.plan import CredentialRef, ResultsAt
from nexusflow.results.opening import open_results
from nexusflow.results.results import ResultsError
from nexusflow.results.signing import results_key, signed_url

NAME = "task_0192f0c4-7d3a-7cc1-8a55-0123456789ab/0.png"
PEPPER = b"p" * 32
FAR = 4_000_000_000_000
BUCKET = ResultsAt(
    kind="s3",
    bucket="results",
    region="eu-west-1",
    access_key=CredentialRef("env", "ACCESS"),
    secret_key=CredentialRef("env", "SECRET"),
    prefix="media/",
)


async def pieces() -> AsyncIterator[bytes]:
    yield b"x"


def test_a_folder_below_the_project_with_links_signed_by_its_pepper(tmp_path: Path) -> None:
    results = open_results(ResultsAt(path="data/results"), tmp_path, PEPPER)
    assert asyncio.run(results.put(NAME, pieces(), "image/png")) == 1
    assert (tmp_path / "data/results" / NAME).read_bytes() == b"x"
    assert results.url(NAME, FAR, "https://x.example") == signed_url(
        results_key(PEPPER), "https://x.example", NAME, FAR // 1000
    )


@pytest.mark.parametrize(
    ("endpoint", "begin"),
    [
        (None, f"https://results.s3.eu-west-1.amazonaws.com/media/{NAME}?"),
        ("http://127.0.0.1:9000", f"http://127.0.0.1:9000/results/media/{NAME}?"),
    ],
)
def test_a_bucket_with_its_keys(tmp_path: Path, endpoint: str | None, begin: str) -> None:
    at = ResultsAt(**{field: getattr(BUCKET, field) for field in BUCKET.__struct_fields__} | {"endpoint": endpoint})
    url = open_results(at, tmp_path, PEPPER, {"ACCESS": "AKID", "SECRET": "s"}).url(NAME, FAR, "")
    assert url.startswith(begin)
    assert "X-Amz-Credential=AKID%2F" in url
    assert "%2Feu-west-1%2Fs3%2F" in url


@pytest.mark.parametrize(("environ", "field"), [({}, "access_key"), ({"ACCESS": "a", "SECRET": " "}, "secret_key")])
def test_a_missing_key_is_told_by_its_name(tmp_path: Path, environ: dict[str, str], field: str) -> None:
    with pytest.raises(ResultsError, match=rf"stores.results.{field} is empty or missing \(env {field[:6].upper()}\)"):
        open_results(BUCKET, tmp_path, PEPPER, environ)
