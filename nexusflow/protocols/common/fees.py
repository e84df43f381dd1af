"""Tools that a provider runs by itself for a fee beside the tokens: refused where no price covers them (B-13)."""

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.plan import Model

_KINDS = {
    "web_search": "web_search",
    "$web_search": "web_search",
    "google_search": "web_search",
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "enterpriseWebSearch": "web_search",
    "googleMaps": "maps",
    "web_fetch": "web_fetch",
    "code_execution": "code_execution",
    "code_interpreter": "code_execution",
    "file_search": "file_search",
    "retrieval": "file_search",
    "image_generation": "image_generation",
}
_PREFIXES = ("web_search_", "web_fetch_", "code_execution_")
"""Names that go on with a date."""


def check_tool(name: str | None, path: str, model: Model, unpriced: tuple[str, ...]) -> None:
    """Raises `RequestRefused` for a tool whose kind is among `unpriced`. `name` is its type, as the protocol has it."""
    if name is None:
        return
    kind = _KINDS.get(name)
    if kind is None and name.startswith(_PREFIXES):
        kind = "_".join(name.split("_", 2)[:2])
    if kind in unpriced:
        raise unpriceable(name, path, model)


def unpriceable(what: str, path: str, model: Model) -> RequestRefused:
    """The caller asks for what costs extra, and the operator has set no price for it."""
    message = f"`{what}` costs extra, and `{model.id}` has no price for it here"
    return refuse(Kind.PARAM, message, param=path, code="unsupported_parameter")
