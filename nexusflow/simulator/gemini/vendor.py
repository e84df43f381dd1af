"""Google's errors (protocols 1.10.1, 1.10.2)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from nexusflow.simulator.failure import Class, Failure, Vendor
from nexusflow.simulator.shape import Misfit, bracketed

# Status and gRPC status. A wrong key is a 400 here.
CLASSES: dict[Class, tuple[int, str]] = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "context": (400, "INVALID_ARGUMENT"),
    "policy": (400, "INVALID_ARGUMENT"),
    "auth": (400, "INVALID_ARGUMENT"),
    "billing": (400, "FAILED_PRECONDITION"),
    "permission": (403, "PERMISSION_DENIED"),
    "model": (404, "NOT_FOUND"),
    "route": (404, "NOT_FOUND"),
    "large": (413, "INVALID_ARGUMENT"),
    "rate": (429, "RESOURCE_EXHAUSTED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "internal": (500, "INTERNAL"),
    "gateway": (502, "UNAVAILABLE"),
    "unavailable": (503, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "overloaded": (503, "UNAVAILABLE"),
}
WORDS: dict[Class, str] = {
    "context": "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    "policy": "The prompt was blocked.",
    "auth": "API key not valid. Please pass a valid API key: sk-simulated-secret.",
    "billing": "Billing is not enabled for this project.",
    "permission": "The caller does not have permission.",
    "model": "models/simulated is not found for API version v1beta.",
    "large": "Request payload size exceeds the limit.",
    "rate": "Resource exhausted. Please try again later.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
    "internal": "An internal error has occurred in simulated_secret_module.",
    "gateway": "Bad gateway.",
    "unavailable": "The model is overloaded. Please try again later.",
    "timeout": "The request timed out. Please try again.",
    "overloaded": "The model is overloaded. Please try again later.",
}
_TYPE = "type.googleapis.com/google.rpc."


class Gemini(Vendor):
    """The vendor of generateContent."""

    words: ClassVar[Mapping[Class, str]] = WORDS

    def misfit(self, misfit: Misfit) -> Failure:
        if misfit.kind == "unknown":
            where = bracketed(misfit.place[:-1])
            at = f" at '{where}'" if where else ""
            said = f'Invalid JSON payload received. Unknown name "{misfit.name}"{at}: Cannot find field.'
            return Failure("invalid", said)
        if misfit.kind == "missing":
            return Failure("invalid", f"* GenerateContentRequest.{misfit.bracketed}: {misfit.name} is not specified")
        return Failure("invalid", f"Invalid value at '{misfit.bracketed}': {misfit.said}")

    def no_model(self, name: str, method: str) -> Failure:
        said = f"models/{name} is not found for API version v1beta, or is not supported for {method}."
        return Failure(
            "model", f"{said} Call ListModels to see the list of available models and their supported methods."
        )

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        code, status = CLASSES[failure.kind]
        error: dict[str, Any] = {"code": code, "message": failure.message, "status": status}
        details = list(_details(failure))
        return code, {"error": {**error, "details": details} if details else error}

    def headers(self, identity: str) -> dict[str, str]:
        return {"server-timing": "gfet4t7; dur=1"}

    def hints(self, failure: Failure) -> dict[str, str]:
        return {}  # when to come again stands in the body


def _details(failure: Failure) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if failure.kind == "auth":
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        details.append({"@type": f"{_TYPE}ErrorInfo", **info})
    if failure.kind == "quota":
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "20"}
        details.append({"@type": f"{_TYPE}QuotaFailure", "violations": [violation]})
    if failure.retry is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{failure.retry}s"})
    return details


GEMINI = Gemini()


def invalid(message: str) -> Failure:
    """A refusal of a request that is wrong."""
    return Failure("invalid", message)
