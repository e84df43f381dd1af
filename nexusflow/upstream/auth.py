"""Provider credentials: resolved from the environment or a file, never printable, never in the artifact."""

import os
from collections.abc import Mapping

from nexusflow.ir.plan import Auth, CredentialRef
from nexusflow.ir.secret import Secret, read_secret

_SCHEMES: dict[Auth, str] = {"bearer": "Bearer", "key": "Key"}


def resolve(reference: CredentialRef, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret that `reference` names, or None when it is absent, empty or unfit for a header (SEC-64, SEC-72)."""
    secret = read_secret(reference, environ)
    fit = secret is not None and secret.reveal().isascii() and secret.reveal().isprintable()
    return secret if fit else None


def headers(auth: Auth, secret: Secret | None) -> dict[str, str]:
    """The header that carries `secret` in the form `auth` names."""
    if secret is None or auth == "none":
        return {}
    if auth in _SCHEMES:
        return {"authorization": f"{_SCHEMES[auth]} {secret.reveal()}"}
    return {auth: secret.reveal()}
