"""Models that stand in for the one a caller wants, where all its providers fail (contract 2.12, R-24).

The caller names them in `models`, in order; without that, `fallbacks` of gateway.yaml names them.
"""

from collections.abc import Container, Sequence

import msgspec

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import Model
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

FIELD = "models"
MOST = 5
"""Models that one request may name; the documentation advises one or two."""
_decode = msgspec.json.Decoder(list[str]).decode


def take(fields: Fields, models: Container[bytes]) -> Sequence[str] | None:
    """What the request names, which no provider is to see; None without it. Raises `RequestRefused`.

    A list without any of our `models` is the provider's own, and stays: some are gateways themselves.
    """
    raw = fields.get(FIELD)
    if raw is None:
        return None
    try:
        names = _decode(raw)
    except msgspec.DecodeError:
        message = f"`{FIELD}` must be a list of model names, to be tried in order."
        raise refuse(Kind.PARAM, message, param=FIELD, code="invalid_type") from None
    if len(names) > MOST:
        raise refuse(Kind.PARAM, f"`{FIELD}` names at most {MOST} models.", param=FIELD, code="too_many")
    if not any(bytes(jsonedit.text(name)) in models for name in names):
        return None
    del fields[FIELD]
    return names


def backups(model: Model, named: Sequence[str] | None) -> Sequence[str]:
    """The names of those that stand in for `model`."""
    return model.fallbacks if named is None else named
