"""Forms as any server reads them (RFC 7578)."""

from email import policy
from email.parser import BytesParser

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.protocols.makers import multipart
from nexusflow.protocols.makers.multipart import Part

_PARTS = st.lists(
    st.builds(
        Part,
        st.text("abcxyz[]_", min_size=1, max_size=12),
        st.binary(max_size=200),
        st.none() | st.just("image-1.png"),
        st.just("application/octet-stream"),
    ),
    min_size=1,
    max_size=5,
)


def read(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """Names and data of a form, by an independent reader."""
    boundary = content_type.partition("boundary=")[2].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    found = []
    for part in body.split(b"--" + boundary + b"\r\n")[1:]:
        head, _, data = part.removesuffix(b"--" + boundary + b"--\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesParser(policy=policy.HTTP).parsebytes(head + b"\r\n\r\n")
        found.append((str(headers["content-disposition"].params["name"]), data))
    return found


@given(_PARTS)
def test_any_bytes_arrive_as_they_were(parts: list[Part]) -> None:
    assert read(*multipart.form(parts)) == [(part.name, part.data) for part in parts]


def test_the_same_parts_are_the_same_bytes() -> None:
    parts = [multipart.text("a", "1"), multipart.text("b", "2")]
    assert multipart.form(parts) == multipart.form(list(parts))
    assert multipart.form(parts)[1] != multipart.form(parts[::-1])[1]


def test_a_value_cannot_end_its_part() -> None:
    """What looks like the boundary of an earlier form is not that of the form that holds it."""
    body, content_type = multipart.form([multipart.text("a", "x")])
    assert read(*multipart.form([multipart.text("a", body.decode())])) == [("a", body)]
    assert content_type != multipart.form([multipart.text("a", body.decode())])[1]


def test_a_name_cannot_end_its_header() -> None:
    body, _ = multipart.form([Part('a"\r\nx: y', b"", 'b"\r\n.png')])
    assert b'name="a%22%0D%0Ax: y"; filename="b%22%0D%0A.png"\r\n' in body


def test_json_values_are_plain_text() -> None:
    values = {"text": "é", "number": 5, "raw": Raw(b'"x"'), "list": Raw(b"[1, 2]")}
    parts = [multipart.plain(name, value) for name, value in values.items()]
    assert [part.data.decode() for part in parts] == ["é", "5", "x", "[1,2]"]
