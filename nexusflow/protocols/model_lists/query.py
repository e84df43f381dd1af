"""The query of a list request: paging parameters, each given once at most."""

from urllib.parse import parse_qs

from nexusflow.ir.errors import Kind, RequestRefused, refuse

MAX_FIELDS = 32

Query = dict[str, list[str]]


def parse(query: bytes) -> Query:
    """The parameters by name. Raises `RequestRefused` (400) for more of them than any client sends."""
    try:
        return parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise refuse(Kind.PARAM, f"the query has more than {MAX_FIELDS} parameters") from None


def text(query: Query, name: str) -> str | None:
    """A parameter that may be given once; empty counts as absent. Raises `RequestRefused` (400) when it is repeated."""
    values = query.get(name, [])
    if len(values) > 1:
        raise wrong(name, "is given twice")
    return values[0] if values and values[0] else None


def number(query: Query, name: str, least: int) -> int | None:
    """A whole number from `least` up. Raises `RequestRefused` (400) for anything else."""
    value = text(query, name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 9 or int(value) < least:
        raise wrong(name, f"must be a whole number of at least {least}")
    return int(value)


def wrong(name: str, what: str) -> RequestRefused:
    """E-PARAM about one parameter."""
    return refuse(Kind.PARAM, f"`{name}` {what}", param=name)
