"""How a key lies in the database."""

from collections.abc import Sequence

import msgspec

from nexusflow.keys.model import Key
from nexusflow.keys.scopes import OPEN, Scopes
from nexusflow.store import StoreError, Value

COLUMNS = (
    "id, name, prefix, last4, created_ms, expires_ms, revoked_ms, org, team, owner, plan, rpm, priority, scopes, "
    "replaced_by"
)


def key_of(row: Sequence[Value]) -> Key:
    """The key in one row of COLUMNS. Raises StoreError when its scopes cannot be read: nobody may use it unbounded."""
    found: dict[str, object] = dict(zip(Key.__struct_fields__, row, strict=True))
    try:
        scopes = str(found["scopes"])
        found["scopes"] = OPEN if scopes == "{}" else msgspec.json.decode(scopes, type=Scopes)
    except msgspec.DecodeError as error:
        raise StoreError(f"The scopes of the key {found['id']} are damaged.", "Restore them from a backup.") from error
    return msgspec.convert(found, Key)
