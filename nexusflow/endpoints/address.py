"""Where a request may go: its address, its method, and the model it names."""

from msgspec import Raw

from nexusflow.endpoints.surface import Call
from nexusflow.flow.served import ByName, ServedModel
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.wire import jsonedit

_METHOD = Problem(kind=Kind.METHOD, message="This address takes POST only.", allow="POST")


def path_of(call: Call) -> bytes:
    """The path as the client wrote it, without the query and a trailing slash."""
    path: bytes = call.scope["raw_path"].partition(b"?")[0]
    return path.removesuffix(b"/")


def nowhere() -> RequestRefused:
    """E-ROUTE."""
    return refuse(Kind.ROUTE, "There is nothing at this address.")


def require_post(call: Call, paths: frozenset[bytes]) -> None:
    """Raise unless the request is a POST to one of `paths`.

    The router also takes encoded and doubled slashes, which a proxy's rules may read otherwise (C-23).
    """
    if path_of(call) not in paths:
        raise nowhere()
    if call.scope.get("method") != "POST":
        raise RequestRefused(_METHOD)


def find_model(models: ByName, raw: Raw | None) -> ServedModel:
    """The model by the raw bytes of its name; a name spelled with escapes is decoded first."""
    if raw is None:
        raise refuse(Kind.PARAM, "`model` is required", param="model", code="missing_required_parameter")
    served = models.get(bytes(raw))
    if served is None:
        name = jsonedit.as_text(raw)
        if name is None:
            raise refuse(Kind.PARAM, "`model` must be a string", param="model", code="invalid_type")
        served = models.get(bytes(jsonedit.text(name)))
    if served is None:
        raise refuse(Kind.MODEL, "The model does not exist. GET /v1/models lists the models.", param="model")
    return served


def not_offered(served: ServedModel, protocol: str) -> RequestRefused:
    """The model exists, but not over this protocol: say over which."""
    offers = ", ".join(served.model.protocols)
    message = f"`{served.model.id}` is not offered over {protocol}; it is offered over: {offers}"
    return refuse(Kind.MODEL, message, param="model")
