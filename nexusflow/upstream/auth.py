"""Provider credentials: resolved from the environment or a file, never printable, never in the artifact."""

import os
from collections.abc import Mapping
from pathlib import Path

from nexusflow.ir.plan import Auth, CredentialRef


class Secret:
    """A string that shows itself to no log, traceback or encoder (SEC-62)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one header that carries it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def resolve(reference: CredentialRef, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret that `reference` names, or None when it is absent, empty or unfit for a header (SEC-64, SEC-72)."""
    if reference.source == "env":
        value = environ.get(reference.name, "").strip()
    else:
        try:
            value = Path(reference.name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
    return Secret(value) if value and value.isascii() and value.isprintable() else None


def headers(auth: Auth, secret: Secret | None) -> dict[str, str]:
    """The header that carries `secret` in the form `auth` names."""
    if secret is None or auth == "none":
        return {}
    if auth == "bearer":
        return {"authorization": f"Bearer {secret.reveal()}"}
    return {auth: secret.reveal()}
