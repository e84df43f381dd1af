"""Who an operator is, and what each role may do."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from nexusflow.accounts.model import AccountProblem

Role = Literal["owner", "operator", "finance", "viewer"]
Right = Literal["read", "keys", "limits", "tasks", "money", "accounts", "operators"]
"""What may be done: looking at everything, or changing one kind of thing."""
RIGHTS: Mapping[Role, frozenset[Right]] = {
    "viewer": frozenset(("read",)),
    "finance": frozenset(("read", "money")),
    "operator": frozenset(("read", "keys", "limits", "tasks", "accounts")),
    "owner": frozenset(("read", "keys", "limits", "tasks", "accounts", "money", "operators")),
}


class Operator(Struct, frozen=True, kw_only=True):
    """A person with a role. `created_ms` is milliseconds since 1970, UTC."""

    id: str
    name: str
    role: Role
    created_ms: int

    def may(self, right: Right) -> bool:
        """Whether the role allows it."""
        return right in RIGHTS[self.role]


class OperatorProblem(AccountProblem):
    """Something about operators cannot be done; the message is fit to show."""
