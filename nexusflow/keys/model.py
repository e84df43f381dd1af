"""What a customer key is, once its secret is gone."""

import time
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from nexusflow.ir.account import DEFAULT_ORG
from nexusflow.keys.scopes import OPEN, Scopes

Priority = Literal["critical", "default", "sheddable"]
"""Whose calls go first when a worker has too much to do (R-31): the sheddable ones are refused first."""


class Key(Struct, frozen=True, kw_only=True):
    """A customer key without its secret. Times are milliseconds since 1970, UTC.

    `prefix` (11 characters) and `last4` are all of the secret that is ever shown again (SEC-53). `org` pays, `team` and
    `owner` (a user's id) are parts of it. `plan` names limits, `rpm` is the key's own bound on requests per minute,
    `priority` says whose calls are refused first under overload.

    A rotated key keeps its id, for its new secret. The secret before is a row of its own until its grace is over, with
    `replaced_by` the id of the key; a call with it is a call of that key.
    """

    id: str
    name: str
    prefix: str
    last4: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    org: str = DEFAULT_ORG
    team: str | None = None
    owner: str | None = None
    plan: str | None = None
    rpm: int | None = None
    priority: Priority = "default"
    scopes: Scopes = OPEN
    replaced_by: str | None = None

    @property
    def masked(self) -> str:
        """The secret as lists and logs may show it."""
        return f"{self.prefix}…{self.last4}"

    def status(self, now_ms: int) -> str:
        """`active`, `expired` or `revoked` at `now_ms`."""
        if self.revoked_ms is not None:
            return "revoked"
        return "active" if self.expires_ms is None or now_ms < self.expires_ms else "expired"


class Changes(Struct, frozen=True, kw_only=True):
    """What `KeyTable.update` is to change; what is not given stays. None takes a bound away."""

    name: str | UnsetType = UNSET
    expires_ms: int | UnsetType | None = UNSET
    team: str | UnsetType | None = UNSET
    owner: str | UnsetType | None = UNSET
    plan: str | UnsetType | None = UNSET
    rpm: int | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET


class KeyUse(Struct, frozen=True):
    """How often and when a key was last used, as far as the ledger has been posted."""

    calls: int
    last_used_ms: int


class KeyProblem(Exception):
    """A key command cannot be done; the message is fit to show. `field` is the argument that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class KeyUnknown(KeyProblem):
    """No key has this id, name or prefix."""


class KeyAmbiguous(KeyProblem):
    """Several keys answer to this name or prefix."""


class KeyInvalid(KeyProblem, ValueError):
    """Something asked for, such as the name, the expiry or a scope, is not acceptable."""


class PepperProblem(KeyProblem):
    """The pepper file is unusable, or is not the one that the database was made with."""


def wall_ms() -> int:
    """Milliseconds since 1970, UTC, by this machine's clock."""
    return time.time_ns() // 1_000_000
