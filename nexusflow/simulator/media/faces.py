"""What the faces of smaller vendors have in common: plain words for the classes of failure, and no headers."""

from collections.abc import Mapping
from typing import ClassVar

from nexusflow.simulator.failure import Class, Failure, Vendor
from nexusflow.simulator.shape import Misfit

WORDS: Mapping[Class, str] = {
    "context": "The prompt is too long.",
    "policy": "The content was flagged as sensitive.",
    "auth": "Invalid credentials.",
    "billing": "Insufficient balance.",
    "permission": "No permission.",
    "model": "The model does not exist.",
    "large": "The request is too large.",
    "rate": "Rate limit exceeded.",
    "quota": "Quota exceeded.",
    "internal": "Internal error.",
    "gateway": "Bad gateway.",
    "unavailable": "Service temporarily unavailable.",
    "timeout": "The request timed out.",
    "overloaded": "The server is overloaded.",
}
STATUS: Mapping[Class, int] = {
    "invalid": 400, "context": 400, "policy": 400, "auth": 401, "billing": 402, "permission": 403, "model": 404,
    "route": 404, "large": 413, "rate": 429, "quota": 429, "internal": 500, "gateway": 502, "unavailable": 503,
    "timeout": 504, "overloaded": 503,
}  # fmt: skip


class Face(Vendor):
    """A vendor's face; the form of its errors is its own."""

    words: ClassVar[Mapping[Class, str]] = WORDS

    def misfit(self, misfit: Misfit) -> Failure:
        return Failure("invalid", f"{misfit.dotted}: {misfit.said}", param=misfit.dotted)

    def no_model(self, name: str, method: str) -> Failure:
        return self.failure("model")

    def headers(self, identity: str) -> dict[str, str]:
        return {}


def is_link(text: str | None) -> bool:
    """Whether a picture is given by an address, or along with the request."""
    return text is None or text.startswith(("http://", "https://", "data:"))
