"""What a customer key is, once its secret is gone."""

import time

from msgspec import Struct


class Key(Struct, frozen=True, kw_only=True):
    """A customer key without its secret. Times are milliseconds since 1970, UTC.

    `prefix` (11 characters) and `last4` are all of the secret that is ever shown again (SEC-53).
    """

    id: str
    name: str
    prefix: str
    last4: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    @property
    def masked(self) -> str:
        """The secret as lists and logs may show it."""
        return f"{self.prefix}…{self.last4}"

    def status(self, now_ms: int) -> str:
        """`active`, `expired` or `revoked` at `now_ms`."""
        if self.revoked_ms is not None:
            return "revoked"
        return "active" if self.expires_ms is None or now_ms < self.expires_ms else "expired"


class KeyProblem(Exception):
    """A key command cannot be done; the message is fit to show."""


class KeyUnknown(KeyProblem):
    """No key has this id, name or prefix."""


class KeyAmbiguous(KeyProblem):
    """Several keys answer to this name or prefix."""


class KeyInvalid(KeyProblem, ValueError):
    """The name or the expiry asked for is not acceptable."""


class PepperProblem(KeyProblem):
    """The pepper file is unusable, or is not the one that the database was made with."""


def wall_ms() -> int:
    """Milliseconds since 1970, UTC, by this machine's clock."""
    return time.time_ns() // 1_000_000
