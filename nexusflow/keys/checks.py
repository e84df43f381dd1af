"""What a key may be given: names, ends, bounds, scopes, and a place among the accounts."""

import re
from ipaddress import ip_network
from typing import get_args

from nexusflow.accounts.model import AccountInvalid, Member, Team, check_text
from nexusflow.accounts.table import find_organisation
from nexusflow.ir.plan import Protocol
from nexusflow.keys.model import Key, KeyInvalid, Priority
from nexusflow.keys.scopes import Admin, Endpoint, Scopes
from nexusflow.store import Database

HIGHEST_RPM = 1_000_000
MOST = 200  # entries of one scope
LATEST_MS = 253_402_300_799_000
"""The end of the year 9999, beyond which no calendar goes."""
_PATTERN = re.compile(r"[\w.:/@*?\[\]!+-]{1,200}", re.ASCII)


def check_name(name: str, what: str = "A key's name", field: str = "name") -> str:
    """`name`, if it is 1 to 100 printable characters. Raises KeyInvalid."""
    try:
        return check_text(name, what, field)
    except AccountInvalid as error:
        raise KeyInvalid(str(error), field) from error


def check_end(expires_ms: int | None, now_ms: int) -> int | None:
    """An end in the future that has a date, or None for none. Raises KeyInvalid."""
    if expires_ms is not None and expires_ms <= now_ms:
        raise KeyInvalid("A key's expiry must lie in the future.", "expires_ms")
    if expires_ms is not None and expires_ms > LATEST_MS:
        raise KeyInvalid("A key's expiry is in the year 9999 at the latest.", "expires_ms")
    return expires_ms


def check_rpm(rpm: int | None) -> int | None:
    """Requests per minute, or None for no bound of the key's own. Raises KeyInvalid."""
    if rpm is not None and not 1 <= rpm <= HIGHEST_RPM:
        raise KeyInvalid(f"A key's requests per minute are 1 to {HIGHEST_RPM}.", "rpm")
    return rpm


def check_priority(priority: str) -> str:
    """`priority`, if it is one. Raises KeyInvalid."""
    known = get_args(Priority)
    if priority not in known:
        raise KeyInvalid(f"{priority!r} is not one of: {', '.join(known)}.", "priority")
    return priority


def check_scopes(scopes: Scopes) -> Scopes:
    """`scopes`, if all entries mean something. Raises KeyInvalid naming the first that does not."""
    for field in ("models", "protocols", "endpoints", "ips"):
        if len(getattr(scopes, field)) > MOST:
            raise KeyInvalid(f"A scope has at most {MOST} entries.", f"scopes.{field}")
    for pattern in scopes.models:
        if _PATTERN.fullmatch(pattern) is None:
            raise KeyInvalid(f"{pattern!r} is neither a model id nor a pattern like `qwen*`.", "scopes.models")
    _check_known("protocols", scopes.protocols, get_args(Protocol))
    _check_known("endpoints", scopes.endpoints, get_args(Endpoint))
    _check_known("admin", (scopes.admin,), get_args(Admin))
    for network in scopes.ips:
        try:
            ip_network(network)
        except ValueError as error:
            raise KeyInvalid(
                f"{network!r} is neither an IP address nor a network like 192.0.2.0/24.", "scopes.ips"
            ) from error
    return scopes


def placed(database: Database, org: str, team: str | None, owner: str | None) -> tuple[str, str | None, str | None]:
    """The ids that a key's organisation, team and owner (ids or names) have.

    Raises KeyInvalid when the team or the user is not one of the organisation, and AccountUnknown.
    """
    org_id = find_organisation(database, org).id
    return org_id, _part(database, Team, org_id, team), _part(database, Member, org_id, owner)


def check_whole(key: Key, now_ms: int) -> Key:
    """`key`, if all that a caller chose about it is acceptable. Raises KeyInvalid."""
    check_name(key.name)
    check_end(key.expires_ms, now_ms)
    if key.plan is not None:
        check_name(key.plan, "A plan", "plan")
    check_rpm(key.rpm)
    check_priority(key.priority)
    check_scopes(key.scopes)
    return key


def _part(database: Database, kind: type[Team | Member], org: str, handle: str | None) -> str | None:
    if handle is None:
        return None
    table = "team" if kind is Team else "member"
    rows = database.execute(
        f"SELECT id FROM {table} WHERE org = $1 AND (id = $2 OR name = $2)",  # noqa: S608
        (org, handle),
    )
    if not rows:
        word, field = ("team", "team") if kind is Team else ("user", "owner")
        raise KeyInvalid(f"{handle} is not a {word} of the key's organisation.", field)
    return str(rows[0][0])


def _check_known(field: str, entries: tuple[str, ...], known: tuple[str, ...]) -> None:
    for entry in entries:
        if entry not in known:
            raise KeyInvalid(f"{entry!r} is not one of: {', '.join(known)}.", f"scopes.{field}")
