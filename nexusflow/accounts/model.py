"""Accounts as values. Times are milliseconds since 1970, UTC; amounts integer nano-units of the ledger's currency."""

import base64
import secrets
from typing import Literal

from msgspec import Struct

Status = Literal["active", "suspended"]

NAME_LENGTH = 100  # characters
ORGANISATION_ID, TEAM_ID, MEMBER_ID = "org_", "team_", "usr_"
_SCHEMES = (ORGANISATION_ID, TEAM_ID, MEMBER_ID)


class Organisation(Struct, frozen=True, kw_only=True):
    """Who pays: it has one wallet. `plan` names a set of limits."""

    id: str
    name: str
    plan: str | None
    status: Status
    created_ms: int


class Team(Struct, frozen=True, kw_only=True):
    """A part of an organisation that keys can belong to."""

    id: str
    org: str
    name: str
    status: Status
    created_ms: int


class Member(Struct, frozen=True, kw_only=True):
    """A person or service of an organisation that can own keys."""

    id: str
    org: str
    name: str
    status: Status
    created_ms: int


Account = Organisation | Team | Member


class Wallet(Struct, frozen=True, kw_only=True):
    """The money of one organisation. `held` is reserved for calls under way; no `floor`: it may spend without bound."""

    org: str
    credited: int
    spent: int
    held: int
    floor: int | None

    @property
    def balance(self) -> int:
        """What was paid in and not yet spent; negative where a credit line is in use."""
        return self.credited - self.spent

    @property
    def available(self) -> int | None:
        """What new calls may spend, or None for no bound."""
        return None if self.floor is None else self.balance - self.held - self.floor

    @property
    def credit_line(self) -> int | None:
        """How far the balance may fall below zero, or None for no bound."""
        return None if self.floor is None else -self.floor


class AccountProblem(Exception):
    """A command on accounts cannot be done; the message is fit to show. `field` is the argument that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class AccountUnknown(AccountProblem):
    """Nothing has this id or name."""


class AccountAmbiguous(AccountProblem):
    """A team and a user have this name."""


class AccountTaken(AccountProblem):
    """There is one like this already."""


class AccountInvalid(AccountProblem, ValueError):
    """A name, an amount or a combination that is not acceptable."""


def new_id(scheme: str) -> str:
    """A random id: `scheme` and 16 characters."""
    return scheme + base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()


def check_text(text: str, what: str, field: str) -> str:
    """`text`, if it is 1 to 100 printable characters. Raises AccountInvalid, which calls it `what`."""
    if not 1 <= len(text) <= NAME_LENGTH or not text.isprintable() or text.isspace():
        raise AccountInvalid(f"{what} has 1 to {NAME_LENGTH} printable characters.", field)
    return text


def check_name(text: str) -> str:
    """A name that can stand beside ids on a command line. Raises AccountInvalid."""
    check_text(text, "A name", "name")
    if "/" in text or text.startswith(_SCHEMES):
        raise AccountInvalid(f"A name has no slash and does not begin with {', '.join(_SCHEMES)}.", "name")
    return text
