"""What `nexusflow keys` takes on its command line: ends, grace periods, bounds and scopes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import rich_click as click

from nexusflow.ir.plan import Protocol

if TYPE_CHECKING:
    from nexusflow.keys import Scopes

ANY, NONE, NEVER = "any", "none", "never"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def expiry(value: str) -> int:
    """A span from now (`12h`, `30d`, `4w`) or a day (`2027-01-01`: its start in UTC), as milliseconds since 1970.

    Anything else is a usage error.
    """
    span = _span(value, "hdw")
    if span is not None:
        return int((datetime.now(UTC) + span).timestamp() * 1000)
    try:
        return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is neither a span like 12h, 30d or 4w nor a day like 2027-01-01."
        ) from error


def expiry_or_never(value: str) -> int | None:
    """The same, or `never` for None."""
    return None if value == NEVER else expiry(value)


def grace(value: str) -> int:
    """A span (`0m`, `30m`, `24h`, `7d`) in milliseconds. Anything else is a usage error."""
    span = _span(value, "mhdw")
    if span is None:
        raise click.BadParameter(f"{value!r} is no span like 30m, 24h or 7d.")
    return int(span.total_seconds() * 1000)


def rpm_or_none(value: str) -> int | None:
    """Requests per minute, or `none` for None."""
    if value != NONE and not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise click.BadParameter(f"{value!r} is neither a number nor `{NONE}`.")
    return None if value == NONE else int(value)


def text_or_none(value: str) -> str | None:
    """A text, or `none` for None."""
    return None if value == NONE else value


def bound_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives `command` the options for what a key may be used for; those not given are left out of its arguments."""
    from nexusflow.keys.model import Priority
    from nexusflow.keys.scopes import Admin, Endpoint

    options = (
        click.option("--team", type=text_or_none, help="Its team (id or name), or `none`."),
        click.option("--owner", type=text_or_none, help="The user (id or name) who owns it, or `none`."),
        click.option("--plan", type=text_or_none, help="The plan whose limits apply to it, or `none`."),
        click.option("--rpm", type=rpm_or_none, metavar="N", help="Its own bound on requests per minute, or `none`."),
        click.option(
            "--priority", type=click.Choice(get_args(Priority)), help="Whose calls are refused first under overload."
        ),
        click.option("--model", "models", multiple=True, help="A model, or a pattern like `qwen*`; repeatable."),
        click.option(
            "--protocol", "protocols", multiple=True, type=click.Choice([*get_args(Protocol), ANY]), help="Repeatable."
        ),
        click.option(
            "--endpoint", "endpoints", multiple=True, type=click.Choice([*get_args(Endpoint), ANY]), help="Repeatable."
        ),
        click.option("--ip", "ips", multiple=True, help="An address or network that may use it; repeatable."),
        click.option(
            "--admin", type=click.Choice(get_args(Admin)), help="A right on the admin API; such a key calls no models."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def was_given(option: str) -> bool:
    """Whether the running command line names the option, which is more than its value tells."""
    context = click.get_current_context(silent=False)
    assert context is not None
    source = context.get_parameter_source(option)
    return source is not None and source.name != "DEFAULT"


def bounds_of(before: "Scopes", given: dict[str, Any]) -> dict[str, Any]:
    """What the options of `bound_options` say, as arguments for the key table; scopes not given stay as `before`."""
    import msgspec

    scopes: dict[str, Any] = {
        name: () if ANY in given[name] else tuple(given[name])
        for name in ("models", "protocols", "endpoints", "ips")
        if was_given(name)
    }
    if was_given("admin"):
        scopes["admin"] = given["admin"]
    plain = {name: given[name] for name in ("team", "owner", "plan", "rpm", "priority") if was_given(name)}
    return plain | ({"scopes": msgspec.structs.replace(before, **scopes)} if scopes else {})


def _span(value: str, units: str) -> timedelta | None:
    found = re.fullmatch(rf"(\d{{1,4}})([{units}])", value, re.ASCII)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
