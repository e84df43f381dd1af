"""Whether somebody may do what a page is asked to."""

from nexusflow.operators import Operator, Right


class NotAllowed(Exception):
    """The role does not include it."""


def require(who: Operator, right: Right) -> str:
    """The actor for the audit log. Raises `NotAllowed`."""
    if not who.may(right):
        raise NotAllowed(f"A {who.role} may not do that. Ask somebody whose role allows it.")
    return f"operator:{who.name}"
