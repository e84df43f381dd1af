"""What the resources of the admin API share: amounts, times, references and pages."""

from collections.abc import Sequence
from typing import Annotated, Generic, Literal, TypeVar

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.money import as_nano

T = TypeVar("T")

MOST = 500
"""Entries of one page at most."""
USUAL = 50

Amount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$",
        description="A decimal in the gateway's currency, with at most nine decimals, such as 12.50.",
    ),
]
Change = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$",
        description="A decimal that may be negative, with at most nine decimals.",
    ),
]
Reference = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="How many entries to show.")]
After = Annotated[str | None, QueryParameter(max_length=200, description="The id of the last entry before.")]
ByOrg = Annotated[str | None, QueryParameter(max_length=200, description="Only of this organisation (id or name).")]

Id = Annotated[str, PathParameter(max_length=200, description="An id.")]
Org = Annotated[str, PathParameter(max_length=200, description="The id or name of an organisation.")]


class Listed(Struct, Generic[T], kw_only=True):
    """A page of a list. Where there are more entries, ask again with `after`, the id of the last one here."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool


def listed(rows: Sequence[T], limit: int) -> Listed[T]:
    """A page from the rows of a query for one row more than `limit`."""
    return Listed(data=list(rows[:limit]), has_more=len(rows) > limit)


def nano(amount: str, field: str) -> int:
    """Nano-units of an amount. Raises `RequestRefused` (400) naming `field` for one that no ledger holds."""
    try:
        return as_nano(amount)
    except ValueError as error:
        raise invalid(field, f"{error}.") from error


def invalid(field: str | None, message: str) -> RequestRefused:
    """400 for one field."""
    return refuse(Kind.PARAM, message if field is None else f"`{field}`: {message}", param=field)
