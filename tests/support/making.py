"""What the tests of makers share: destinations, pictures, answers of any JSON."""

import base64
from typing import Any

import msgspec
from hypothesis import strategies as st

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.errors import Problem, RequestRefused
from nexusflow.ir.task import Brief, Progress
from nexusflow.protocols.makers.maker import Answer, Maker, Request

PNG_DATA = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PNG = f"data:image/png;base64,{PNG_DATA}"
JPEG_DATA = "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQE="
JPEG = f"data:image/jpeg;base64,{JPEG_DATA}"
REFERENCE = "task_00000000-0000-0000-0000-000000000001"

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def destination(model: str) -> Destination:
    """A lane to this model."""
    return Destination(model=model, family=model, capabilities=Capabilities())


def image(prompt: str = "A cat", **wishes: Any) -> Brief:
    """A brief for an image."""
    return Brief(type="image", prompt=prompt, **wishes)


def video(prompt: str = "A cat runs", **wishes: Any) -> Brief:
    """A brief for a video."""
    return Brief(type="video", prompt=prompt, **wishes)


def asked(maker: Maker, brief: Brief, model: str) -> Request:
    """The only request that starts `brief`."""
    (request,) = maker.submit(brief, destination(model), REFERENCE)
    return request


def refused(maker: Maker, brief: Brief, model: str) -> Problem:
    """Why `brief` cannot be started; fails where it can."""
    try:
        maker.submit(brief, destination(model), REFERENCE)
    except RequestRefused as error:
        return error.problem
    raise AssertionError("the maker refused nothing")


def answer(body: Any, status: int = 200) -> Answer:
    """An answer with this JSON."""
    return Answer(body=msgspec.json.encode(body), status=status)


def any_json(*names: str, values: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Objects that have some of `names`, to any depth, with any value or one of `values`."""
    leaves = _scalars | (st.sampled_from(values) if values else st.nothing())
    keys = st.sampled_from(names) | st.text(max_size=4)
    inner = st.recursive(
        leaves, lambda child: st.lists(child, max_size=3) | st.dictionaries(keys, child, max_size=5), max_leaves=20
    )
    return st.dictionaries(keys, inner, max_size=6) | inner


def reads_or_raises(maker: Maker, brief: Brief, handle: str, found: Answer) -> list[Progress]:
    """What the maker reads in `found`, as the answer to a submission and to a poll; refusing it is no failure."""
    read: list[Progress] = []
    for reader in (lambda: maker.submitted(brief, [found]), lambda: maker.polled(brief, handle, found)):
        try:
            read.append(reader())
        except (ValueError, msgspec.MsgspecError):
            continue
    return read


def base64_bytes(data_url: str) -> bytes:
    """The bytes of a data URL."""
    return base64.b64decode(data_url.partition(",")[2])
