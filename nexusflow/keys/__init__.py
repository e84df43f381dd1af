"""Customer keys: `sk-air-…` secrets, their digests in the store, and the table the hot path asks (SEC-50..SEC-57)."""

from nexusflow.keys.cache import KeyCache
from nexusflow.keys.model import Key, KeyAmbiguous, KeyInvalid, KeyProblem, KeyUnknown, PepperProblem
from nexusflow.keys.pepper import load_pepper
from nexusflow.keys.secret import is_well_formed, new_secret
from nexusflow.keys.table import KeyTable

__all__ = [
    "Key",
    "KeyAmbiguous",
    "KeyCache",
    "KeyInvalid",
    "KeyProblem",
    "KeyTable",
    "KeyUnknown",
    "PepperProblem",
    "is_well_formed",
    "load_pepper",
    "new_secret",
]
