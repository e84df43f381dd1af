"""Media in one spelling (protocols 0.10, 2.1.2)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.chat import Data, Url
from nexusflow.ir.errors import RequestRefused
from nexusflow.protocols.common import media

PATH = "messages[0].content[1].image_url.url"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("given_mime", "mime"),
    [
        ("image/png", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("IMAGE/JPG", "image/jpeg"),
        (" image/pjpeg ; q=1", "image/jpeg"),
        ("audio/x-wav", "audio/wav"),
        ("audio/mpeg", "audio/mp3"),
        ("application/x-pdf", "application/pdf"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("", ""),
    ],
)
def test_T79_odd_types_get_their_usual_name(given_mime: str, mime: str) -> None:
    assert media.normal_mime(given_mime) == mime


@given(st.binary())
def test_either_alphabet_with_or_without_padding_is_the_same(data: bytes) -> None:
    standard = coded(data)
    url_safe = base64.urlsafe_b64encode(data).decode()
    lines = "\r\n".join(url_safe[at : at + 5] for at in range(0, len(url_safe), 5))
    for text in (standard, standard.rstrip("="), url_safe, url_safe.rstrip("="), lines):
        assert media.standard_base64(text) == standard


@given(st.binary(min_size=1), st.sampled_from(["image/png", "application/pdf", "audio/wav"]))
def test_a_data_url_comes_back_as_its_bytes(data: bytes, mime: str) -> None:
    assert media.from_url(media.data_url(mime, coded(data)), PATH) == Data(mime, coded(data))


@pytest.mark.parametrize(
    ("url", "mime"),
    [
        (f"data:image/jpg;base64,{PNG}", "image/jpeg"),
        (f"DATA:IMAGE/PNG;BASE64,{PNG}", "image/png"),
        (f"data:image/png;charset=x;base64,{PNG}", "image/png"),
        (f"data:;base64,{PNG}", "image/png"),
        (f"data:;base64,{coded(b'%PDF-1.7')}", "application/pdf"),
        (f"data:;base64,{coded(b'what')}", "application/octet-stream"),
        ("data:image/png;base64,iVBORw0KGgo%3D", "image/png"),
        ("data:image/png;base64,", "image/png"),
    ],
)
def test_T79_odd_data_urls_are_read(url: str, mime: str) -> None:
    found = media.from_url(url, PATH)
    assert isinstance(found, Data)
    assert found.mime == mime
    base64.b64decode(found.base64, validate=True)


@pytest.mark.parametrize("url", ["https://x.example/a.png", "HTTP://x.example"])
def test_an_address_stays_an_address(url: str) -> None:
    assert media.from_url(url, PATH) == Url(url)


BAD = ("", "x.png", "file:///etc/passwd", "ftp://x", "gs://b/o", "data:", "data:image/png,abc", "data:image/png;base64")
BAD_BASE64 = ("data:image/png;base64,a", "data:image/png;base64,é", "data:image/png;base64,a=b", "data:;base64,a*bc")


@pytest.mark.parametrize("url", [*BAD, *BAD_BASE64])
def test_T79_others_are_refused_by_their_path(url: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        media.from_url(url, PATH)
    assert refused.value.problem.param == PATH


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"data:{text}", f"data:image/png;base64,{text}"):
        try:
            found = media.from_url(url, PATH)
        except RequestRefused:
            continue
        if isinstance(found, Data):
            base64.b64decode(found.base64, validate=True)


@pytest.mark.parametrize(
    ("start", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0AVI LIST", "application/octet-stream"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3\x04", "audio/mp3"),
        (b"\xff\xfb\x90", "audio/mp3"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"hello", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_T79_the_bytes_show_their_type(start: bytes, mime: str) -> None:
    assert media.sniff(coded(start)) == mime
    assert media.sniff(coded(start + b"\0" * 100)) == mime


def test_what_is_no_base64_has_no_type() -> None:
    assert media.sniff("***") == media.sniff("é") == media.UNKNOWN
