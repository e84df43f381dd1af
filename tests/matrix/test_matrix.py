"""Every cell of the translation matrix is what its golden says: `python -m tests.matrix.update` rewrites them."""

import pytest

from tests.matrix import cases


def recorded(paths: dict[str, str]) -> dict[str, str | None]:
    """The goldens at the same paths, None where one is missing."""
    files = {path: cases.ROOT / path for path in paths}
    return {path: file.read_bytes().decode() if file.exists() else None for path, file in files.items()}


@pytest.mark.parametrize(("client", "case"), list(cases.requests()))
def test_a_request_is_translated_as_recorded(client: str, case: str) -> None:
    found = cases.translated(client, case)
    assert found == recorded(found)


@pytest.mark.parametrize(("provider", "case", "id_"), list(cases.replies()))
def test_an_answer_is_translated_as_recorded(provider: str, case: str, id_: str) -> None:
    found = cases.answered(provider, case, id_)
    assert found == recorded(found)


def test_no_golden_is_left_over() -> None:
    assert cases.on_disk() - cases.everything().keys() == set()
