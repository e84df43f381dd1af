"""What a brief asks for, held against what a provider can do: refused by name, not left out unseen (protocols 1.7)."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Data, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.task import Brief
from nexusflow.protocols.common import media

HINTS = frozenset(("quality", "style", "background"))
"""Wishes about the looks, which a provider without such a notion leaves out (protocols 1.7)."""

_TAKEN_BY_ALL = frozenset(("type", "prompt", "n", "user", "partials", "extra"))
_BLANK = Brief(type="image", prompt="")
_FIELDS = tuple(name for name in Brief.__struct_fields__ if name not in _TAKEN_BY_ALL)


def given(brief: Brief, name: str) -> Any:
    """The field's value where it was given; None for a default, and for `auto`, which asks for one."""
    value = getattr(brief, name)
    return None if value in (getattr(_BLANK, name), "auto") else value


def check(brief: Brief, to: Destination, takes: Collection[str], most: int = 1) -> None:
    """Raises `RequestRefused` for the first field that is not among `takes`, and for more than `most` results."""
    for name in _FIELDS:
        if name not in takes and given(brief, name) is not None:
            raise unsupported(name, to)
    if brief.n > most:
        raise refuse(
            Kind.PARAM, f"`{to.model}` makes at most {most} at once", param="n", code="value_out_of_range", status=422
        )


def unsupported(name: str, to: Destination) -> RequestRefused:
    """The provider does not take this parameter."""
    return refuse(Kind.PARAM, f"`{to.model}` does not take `{name}`", param=name, code="unsupported_parameter")


def not_one_of(name: str, to: Destination, values: Collection[str]) -> RequestRefused:
    """The provider does not take this value."""
    return refuse(
        Kind.PARAM, f"`{name}` of `{to.model}` must be one of: {', '.join(values)}", param=name, code="invalid_value"
    )


def extras(brief: Brief, own: Collection[str]) -> dict[str, Raw]:
    """Parameters only the provider knows. Raises `RequestRefused` for one of `own`, which the brief decides: what a
    task costs is reckoned from the brief."""
    for name in brief.extra:
        if name in own:
            raise refuse(Kind.PARAM, f"`{name}` cannot be given as a parameter of the provider's", param=name)
    return dict(brief.extra)


def body(*groups: dict[str, Any]) -> bytes:
    """A JSON object of all members that have a value, in this order."""
    return msgspec.json.encode({name: value for group in groups for name, value in group.items() if value is not None})


def inline(url: str, name: str) -> Data:
    """The bytes behind a `data:` URL. Addresses are fetched before a maker with `wants_bytes` sees the brief.

    Raises `RequestRefused` naming the field for a broken data URL, and `ValueError` for an address: our own mistake.
    """
    found = media.from_url(url, name)
    if isinstance(found, Url):
        raise ValueError(f"`{name}` is still an address, but this provider has to be sent the bytes")
    return found
