"""The name of a price list: a digest of what it says, so that a ledger line can be computed again years later."""

import hashlib

import msgspec

from nexusflow.ir.plan import Price

LENGTH = 16


def price_id(price: Price) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(canonical(price)).hexdigest()[:LENGTH]


def canonical(price: Price) -> bytes:
    """The one JSON spelling of a price list, as the ledger's table `price` keeps it."""
    return msgspec.json.encode(price, order="deterministic")
