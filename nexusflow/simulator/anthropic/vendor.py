"""Anthropic's errors and headers (protocols 1.10.1, 1.10.2, 1.10.5)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from nexusflow.simulator.failure import Class, Failure, Vendor
from nexusflow.simulator.shape import Misfit

# Status and type.
CLASSES: dict[Class, tuple[int, str]] = {
    "invalid": (400, "invalid_request_error"),
    "context": (400, "invalid_request_error"),
    "policy": (400, "invalid_request_error"),
    "auth": (401, "authentication_error"),
    "billing": (402, "billing_error"),
    "permission": (403, "permission_error"),
    "model": (404, "not_found_error"),
    "route": (404, "not_found_error"),
    "large": (413, "request_too_large"),
    "rate": (429, "rate_limit_error"),
    "quota": (429, "rate_limit_error"),
    "internal": (500, "api_error"),
    "gateway": (502, "api_error"),
    "unavailable": (503, "api_error"),
    "timeout": (504, "timeout_error"),
    "overloaded": (529, "overloaded_error"),
}
WORDS: dict[Class, str] = {
    "context": "prompt is too long: 200009 tokens > 200000 maximum",
    "policy": "Output blocked by content filtering policy",
    "auth": "invalid x-api-key: sk-simulated-secret",
    "billing": "Your credit balance is too low to access the API.",
    "permission": "Your API key does not have permission to use the specified resource.",
    "model": "model: simulated",
    "large": "Request exceeds the maximum size",
    "rate": "This request would exceed your organization's rate limit.",
    "quota": "This request would exceed your organization's monthly spend limit.",
    "internal": "Internal server error in simulated_secret_module",
    "gateway": "Bad gateway",
    "unavailable": "Service temporarily unavailable",
    "timeout": "Request timed out",
    "overloaded": "Overloaded",
}


class Anthropic(Vendor):
    """The vendor of Messages."""

    words: ClassVar[Mapping[Class, str]] = WORDS

    def misfit(self, misfit: Misfit) -> Failure:
        if misfit.kind == "unknown":
            return Failure("invalid", f"{misfit.dotted}: Extra inputs are not permitted")
        if misfit.kind == "missing":
            return Failure("invalid", f"{misfit.dotted}: Field required")
        return Failure("invalid", f"{misfit.dotted}: {misfit.said}" if misfit.place else misfit.said)

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", f"model: {name}")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status, kind = CLASSES[failure.kind]
        error: dict[str, Any] = {"type": kind, "message": failure.message}
        if failure.code is not None:
            error["details"] = {"error_code": failure.code}
        return status, {"type": "error", "error": error, "request_id": f"req_sim{identity}"}

    def headers(self, identity: str) -> dict[str, str]:
        return {
            "request-id": f"req_sim{identity}",
            "anthropic-ratelimit-requests-limit": "10000",
            "anthropic-ratelimit-requests-remaining": "9999",
            "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:00Z",
        }


ANTHROPIC = Anthropic()


def invalid(message: str) -> Failure:
    """A refusal of a request that is wrong."""
    return Failure("invalid", message)
