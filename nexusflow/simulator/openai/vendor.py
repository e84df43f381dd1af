"""OpenAI's errors and headers (protocols 1.10.1, 1.10.2, 1.10.5)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from nexusflow.simulator.failure import Class, Failure, Vendor
from nexusflow.simulator.shape import Misfit, bracketed

# Status, type and code.
CLASSES: dict[Class, tuple[int, str, str | None]] = {
    "invalid": (400, "invalid_request_error", None),
    "context": (400, "invalid_request_error", "context_length_exceeded"),
    "policy": (400, "invalid_request_error", "content_policy_violation"),
    "auth": (401, "invalid_request_error", "invalid_api_key"),
    "billing": (429, "insufficient_quota", "insufficient_quota"),
    "permission": (403, "permission_error", None),
    "model": (404, "invalid_request_error", "model_not_found"),
    "route": (404, "invalid_request_error", "not_found"),
    "large": (413, "invalid_request_error", "request_too_large"),
    "rate": (429, "requests", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "internal": (500, "server_error", None),
    "gateway": (502, "server_error", None),
    "unavailable": (503, "server_error", "overloaded"),
    "timeout": (504, "server_error", "timeout"),
    "overloaded": (503, "server_error", "overloaded"),
}
WORDS: dict[Class, str] = {
    "context": "This model's maximum context length is 8 tokens.",
    "policy": "Your request was rejected as a result of our safety system.",
    "auth": "Incorrect API key provided: sk-simulated-secret.",
    "billing": "You exceeded your current quota, please check your plan and billing details.",
    "permission": "You do not have access to this model.",
    "model": "The model does not exist.",
    "large": "The request is too large.",
    "rate": "Rate limit reached.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
    "internal": "The server had an error in simulated_secret_module.",
    "gateway": "Bad gateway.",
    "unavailable": "The server is overloaded.",
    "timeout": "The request timed out.",
    "overloaded": "The server is overloaded.",
}


class OpenAI(Vendor):
    """The vendor of Chat Completions, Responses and `/v1/embeddings`."""

    words: ClassVar[Mapping[Class, str]] = WORDS

    def misfit(self, misfit: Misfit) -> Failure:
        param = misfit.bracketed or None
        if misfit.kind == "unknown":
            return Failure("invalid", f"Unknown parameter: '{param}'.", "unknown_parameter", param)
        if misfit.kind == "missing":
            return Failure("invalid", f"Missing required parameter: '{param}'.", "missing_required_parameter", param)
        code = "invalid_value" if misfit.kind == "choice" else _code(misfit.said)
        what = "type" if code == "invalid_type" else "value"
        return Failure("invalid", f"Invalid {what} for '{param}': {misfit.said}.", code, param)

    def no_model(self, name: str, method: str) -> Failure:
        if method == "responses":
            said = f"The requested model '{name}' does not exist."
            return Failure("invalid", said, "model_not_found", "model")
        said = f"The model `{name}` does not exist or you do not have access to it."
        return Failure("model", said, param="model")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status, kind, code = CLASSES[failure.kind]
        error = {"message": failure.message, "type": kind, "param": failure.param, "code": failure.code or code}
        return status, {"error": error}

    def headers(self, identity: str) -> dict[str, str]:
        return {
            "x-request-id": f"req_sim{identity}",
            "openai-version": "2020-10-01",
            "openai-processing-ms": "1",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "6ms",
        }


OPENAI = OpenAI()


def _code(said: str) -> str:
    """The code of a value that is of the right type or not, and beyond its bounds or not."""
    number = "decimal" if "float" in said else "integer"
    codes = {
        "length >=": "empty_array" if "array" in said else "string_below_min_length",
        "length <=": "array_above_max_length" if "array" in said else "string_above_max_length",
        "regex": "invalid_value",
        ">=": f"{number}_below_min_value",
        "<=": f"{number}_above_max_value",
    }
    return next((code for sign, code in codes.items() if sign in said), "invalid_type")


def invalid(message: str, *place: str | int, code: str | None = None) -> Failure:
    """A refusal of a request whose parameter at `place` is wrong."""
    return Failure("invalid", message, code, bracketed(place) or None)


def unsupported(name: str) -> Failure:
    """A refusal of a parameter that this model does not take."""
    said = f"Unsupported parameter: '{name}' is not supported with this model."
    return Failure("invalid", said, "unsupported_parameter", name)


def beyond(name: str, value: object, allowed: str, *, code: str = "unsupported_value") -> Failure:
    """A refusal of a value that this model, or any, does not take."""
    said = f"Unsupported value: '{name}' does not support {value!r} with this model. Supported values are: {allowed}."
    return Failure("invalid", said, code, name)
