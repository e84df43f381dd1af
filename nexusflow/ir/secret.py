"""Secrets as values: read where the plan says, shown to nobody."""

from collections.abc import Mapping
from pathlib import Path

from nexusflow.ir.plan import CredentialRef


class Secret:
    """A string that shows itself to no log, traceback or encoder (SEC-62)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def read_secret(reference: CredentialRef, environ: Mapping[str, str]) -> Secret | None:
    """The secret that `reference` names, without white space around it, or None when it is absent or empty."""
    if reference.source == "env":
        value = environ.get(reference.name, "").strip()
    else:
        try:
            value = Path(reference.name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
    return Secret(value) if value else None
