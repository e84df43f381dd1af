"""Keys as the admin API takes and shows them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar.params import KwargDefinition
from msgspec import UNSET, Meta, Struct, UnsetType

from nexusflow.admin.words import Listed, Reference
from nexusflow.ir.account import DEFAULT_ORG
from nexusflow.ir.plan import Protocol
from nexusflow.keys import Changes, Key, KeyUse, Scopes
from nexusflow.keys.model import Priority, wall_ms
from nexusflow.keys.scopes import Admin, Endpoint
from nexusflow.reports.words import moment

Instant = Annotated[datetime, Meta(tz=True, description="An instant with its offset, such as 2027-01-01T00:00:00Z.")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KeyScopes(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a key may be used for; an empty list bounds nothing.

    In `models`, `*` stands for anything. `ips` are addresses or networks. A key with an `admin` right calls no models.
    """

    models: list[str] = []
    protocols: list[Protocol] = []
    endpoints: list[Endpoint] = []
    admin: Admin = "none"
    ips: list[str] = []


class NewKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A key to make. `org` (which pays), `team` and `owner` (a user) are ids or names."""

    name: Reference
    org: Reference = DEFAULT_ORG
    team: Reference | None = None
    owner: Reference | None = None
    plan: Reference | None = None
    rpm: int | None = None
    priority: Priority = "default"
    expires_at: Instant | None = None
    scopes: KeyScopes = msgspec.field(default_factory=KeyScopes)


class KeyChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is not given stays, and null takes a bound away. `scopes` are replaced as a whole."""

    name: Reference | UnsetType = UNSET
    team: Reference | UnsetType | None = UNSET
    owner: Reference | UnsetType | None = UNSET
    plan: Reference | UnsetType | None = UNSET
    rpm: int | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    expires_at: Instant | UnsetType | None = UNSET
    scopes: KeyScopes | UnsetType = UNSET


class Rotation(Struct, forbid_unknown_fields=True, kw_only=True):
    """How long the secret before works beside the new one."""

    grace_seconds: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 86_400


class ApiKey(Struct, kw_only=True):
    """A key without its secret; `key` is all of that which is ever shown again.

    After a rotation the former secret is an entry of its own until it ends, with `replaced_by` the id of the key.
    """

    object: Literal["key"] = "key"
    id: str
    name: str
    key: str
    status: str
    org: str
    team: str | None
    owner: str | None
    plan: str | None
    rpm: int | None
    priority: Priority
    scopes: KeyScopes
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    replaced_by: str | None
    calls: int
    last_used_at: str | None


ApiKeyList = Annotated[Listed[ApiKey], KwargDefinition(schema_component_key="ApiKeyList")]


class NewSecret(ApiKey, kw_only=True):
    """A key with its secret, which is shown this once."""

    secret: str


def shown(key: Key, use: KeyUse | None) -> ApiKey:
    """The key, and how it was used as far as the ledger has been posted."""
    return ApiKey(
        id=key.id,
        name=key.name,
        key=key.masked,
        status=key.status(wall_ms()),
        org=key.org,
        team=key.team,
        owner=key.owner,
        plan=key.plan,
        rpm=key.rpm,
        priority=key.priority,
        scopes=msgspec.convert(key.scopes, KeyScopes, from_attributes=True),
        created_at=moment(key.created_ms),
        expires_at=_moment(key.expires_ms),
        revoked_at=_moment(key.revoked_ms),
        replaced_by=key.replaced_by,
        calls=0 if use is None else use.calls,
        last_used_at=None if use is None else moment(use.last_used_ms),
    )


def changes_of(data: KeyChange) -> Changes:
    """As the table takes them."""
    ends = data.expires_at
    return Changes(
        name=data.name,
        team=data.team,
        owner=data.owner,
        plan=data.plan,
        rpm=data.rpm,
        priority=data.priority,
        expires_ms=ends if isinstance(ends, UnsetType) else millis(ends),
        scopes=data.scopes if isinstance(data.scopes, UnsetType) else scopes_of(data.scopes),
    )


def scopes_of(given: KeyScopes) -> Scopes:
    """As the table takes them."""
    return msgspec.convert(given, Scopes, from_attributes=True)


def millis(instant: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if instant is None else int((instant - _EPOCH).total_seconds() * 1000)


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else moment(at_ms)
