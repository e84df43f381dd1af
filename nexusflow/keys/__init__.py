"""Customer keys: `sk-air-…` secrets, their digests in the store, and the table the hot path asks (SEC-50..SEC-57)."""

from nexusflow.keys.cache import KeyCache
from nexusflow.keys.model import (
    Changes,
    Key,
    KeyAmbiguous,
    KeyInvalid,
    KeyProblem,
    KeyUnknown,
    KeyUse,
    PepperProblem,
)
from nexusflow.keys.pepper import load_pepper, pepper_of, pepper_path
from nexusflow.keys.scopes import Scopes
from nexusflow.keys.secret import is_well_formed, new_secret
from nexusflow.keys.table import KeyTable

__all__ = [
    "Changes",
    "Key",
    "KeyAmbiguous",
    "KeyCache",
    "KeyInvalid",
    "KeyProblem",
    "KeyTable",
    "KeyUnknown",
    "KeyUse",
    "PepperProblem",
    "Scopes",
    "is_well_formed",
    "load_pepper",
    "new_secret",
    "pepper_of",
    "pepper_path",
]
