"""The price lists of gateway.yaml held against a published catalogue. It proposes edits; it never makes them."""

from codegen.catalogue.listed import Listing, find
from codegen.catalogue.proposal import Proposal, propose

__all__ = ["Listing", "Proposal", "find", "propose"]
