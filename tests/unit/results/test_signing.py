"""Signed links to results (contract 2.8): they end, and nobody can make or change one."""

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.results.names import KINDS, check, is_name, mime_of, name_of
from nexusflow.results.signing import results_key, sign, signed_url, verified

TASK = "task_0192f0c4-7d3a-7cc1-8a55-0123456789ab"
NAME = f"{TASK}/0.png"
KEY = results_key(b"p" * 32)
END = 1_800_000_000


def test_a_link_holds_until_its_end_and_not_a_moment_longer() -> None:
    signature = sign(KEY, NAME, END)
    assert verified(KEY, NAME, str(END), signature, END - 0.001) == END
    assert verified(KEY, NAME, str(END), signature, END) is None


def test_the_signature_is_an_hmac_with_a_key_that_is_not_the_pepper() -> None:
    key = hmac.new(b"p" * 32, b"results", hashlib.sha256).digest()
    assert sign(KEY, NAME, END) == hmac.new(key, f"{NAME}\n{END}".encode(), hashlib.sha256).hexdigest()
    assert sign(KEY, NAME, END) != sign(b"p" * 32, NAME, END)


def test_the_whole_link_is_what_verifies() -> None:
    parts = urlsplit(signed_url(KEY, "https://gateway.example/base/", NAME, END))
    assert (parts.netloc, parts.path) == ("gateway.example", f"/base/v1/results/{NAME}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert set(query) == {"expires", "signature"}
    assert verified(KEY, NAME, query["expires"], query["signature"], 0) == END


@pytest.mark.parametrize(
    ("name", "expires", "signature"),
    [
        (f"{TASK}/1.png", str(END), sign(KEY, NAME, END)),
        (NAME, str(END + 1), sign(KEY, NAME, END)),
        (NAME, f"0{END}", sign(KEY, NAME, END)),
        (NAME, f"{END} ", sign(KEY, NAME, END)),
        (NAME, f"+{END}", sign(KEY, NAME, END)),
        (NAME, "\u0661" * 10, sign(KEY, NAME, END)),
        (NAME, "9" * 5000, sign(KEY, NAME, END)),
        (NAME, str(END), sign(KEY, NAME, END).upper()),
        (NAME, str(END), sign(KEY, NAME, END)[:-1]),
        (NAME, str(END), "\u00e9" * 64),
        (NAME, str(END), ""),
        (NAME, str(END), None),
        (NAME, None, sign(KEY, NAME, END)),
        (NAME, str(END), sign(results_key(b"q" * 32), NAME, END)),
    ],
)
def test_a_changed_link_does_not(name: str, expires: str | None, signature: str | None) -> None:
    assert verified(KEY, name, expires, signature, 0) is None


@given(st.text(), st.text(), st.text())
def test_no_text_is_a_link(name: str, expires: str, signature: str) -> None:
    assert verified(KEY, name, expires, signature, 0) is None


def test_a_name_says_what_the_file_is() -> None:
    assert name_of(TASK, 0, "image/png") == NAME
    assert name_of(TASK, 12, "Video/MP4; codecs=avc1") == f"{TASK}/12.mp4"
    assert name_of(TASK, 0, "image/jpg") == f"{TASK}/0.jpg"
    for end, mime in KINDS.items():
        assert name_of(TASK, 1, mime) == f"{TASK}/1.{end}"
        assert mime_of(f"{TASK}/1.{end}") == mime


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "application/xhtml+xml", "", "nonsense"])
def test_what_a_browser_would_run_is_only_bytes(mime: str) -> None:
    assert mime_of(name_of(TASK, 0, mime)) == "application/octet-stream"
    with pytest.raises(ValueError, match="not a name"):
        check(NAME, mime)


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "..", "../x", f"{TASK}", f"{TASK}/", f"{TASK}/../0.png", f"../{NAME}", f"/{NAME}", f"{NAME}\n",
        f"{TASK}/0.png/1.png", f"{TASK}/0.exe", f"{TASK}/-1.png", f"{TASK}//0.png", f"{TASK}\\0.png", f"{NAME}\0",
        f"{TASK.upper()}/0.png", "task_x/0.png", f"{TASK}/0.png%00", ".partial/x", f"{TASK}/\u0661.png",
    ],
)  # fmt: skip
def test_nothing_else_is_a_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValueError, match="not a name"):
        check(name, "image/png")


def test_only_ids_of_tasks_have_names() -> None:
    with pytest.raises(ValueError, match="not the id of a task"):
        name_of("../etc", 0, "image/png")
