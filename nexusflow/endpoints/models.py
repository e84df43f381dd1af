"""`GET /v1/models`, `GET /v1beta/models` and one model below them, in the shape of whoever asks (L39 … L42)."""

from urllib.parse import unquote

from nexusflow.endpoints import respond
from nexusflow.endpoints.address import nowhere
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit, client_address, permit
from nexusflow.flow.client import answer
from nexusflow.flow.served import readiness
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.plan import Model, Plan
from nexusflow.keys.scopes import Scopes
from nexusflow.protocols.anthropic import errors as anthropic_errors
from nexusflow.protocols.dialect import Errors
from nexusflow.protocols.gemini import errors as gemini_errors
from nexusflow.protocols.model_lists.callers import Shape, which
from nexusflow.protocols.model_lists.card import Card
from nexusflow.protocols.model_lists.catalogue import Catalogue
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.runtime import Runtime
from nexusflow.tasks.lanes import media_readiness, media_type
from nexusflow.wire.head import gemini_credential, inspect

PREFIX = "/v1/models"
GEMINI_PREFIX = "/v1beta/models"
MOST_PARTS = 256
"""How many different sets of models that keys are limited to are kept encoded."""

_ERRORS: dict[Shape, Errors] = {
    "openai": openai_errors,
    "union": openai_errors,
    "anthropic": anthropic_errors,
    "gemini": gemini_errors,
}
_METHOD = Problem(kind=Kind.METHOD, message="This address takes GET only.", allow="GET, HEAD")


class ModelList(Surface):
    """The model catalogue of one artifact; models are encoded once, when it goes live."""

    errors = openai_errors

    def __init__(self, artifact: Artifact) -> None:
        self._plan = artifact.plan
        self._cards: list[Card] = []
        self._whole = Catalogue(())
        self._parts: dict[tuple[str, ...], Catalogue] = {}

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`."""
        super().bind(runtime)
        self._cards = [card(model, self._plan) for model in self._plan.models]
        self._whole = Catalogue(self._cards)

    async def serve(self, call: Call) -> None:
        """List the models, or one by id or alias; ids may contain slashes, encoded or not."""
        path = _path(call)
        prefix = GEMINI_PREFIX if path.startswith(GEMINI_PREFIX) else PREFIX
        name = unquote(path.removeprefix(prefix))
        if not path.startswith(prefix) or (name and not name.startswith("/")):
            raise nowhere()
        if call.scope.get("method") not in ("GET", "HEAD"):
            raise RequestRefused(_METHOD)
        shape, server = _shape(call), self._plan.server
        head = inspect(call.scope["headers"], server.request.max_headers)
        credential = gemini_credential(head, call.scope, server) if shape == "gemini" else head.credential
        key = admit(credential, self.runtime.keys)
        permit(key, None, None, "models", client_address(call.scope))
        catalogue = self._catalogue(key.scopes)
        name = name.removeprefix("/")
        query: bytes = call.scope.get("query_string", b"")
        body = catalogue.one(shape, name) if name else catalogue.listed(shape, query)
        if body is None:
            raise refuse(Kind.MODEL, "The model does not exist. GET /v1/models lists the models.", param="model")
        await answer(call.send, 200, body, _headers(call, shape))

    def _catalogue(self, scopes: Scopes) -> Catalogue:
        """What a key may see: the models that it may call (SEC-54)."""
        if not scopes.models:
            return self._whole
        found = self._parts.get(scopes.models)
        if found is None:
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            cards = [card for card in self._cards if scopes.allows_model(card.model.id)]
            found = self._parts[scopes.models] = Catalogue(cards)
        return found

    async def _fail(self, call: Call, problem: Problem) -> None:
        """In the form of the protocol that the caller speaks."""
        shape = _shape(call)
        await respond.refuse(call.send, _ERRORS[shape], problem, call.exchange.request_id, _headers(call, shape))


def card(model: Model, plan: Plan) -> Card:
    """One model as the lists show it. It can be served now when one of its lanes can."""
    providers = {provider.id: provider for provider in plan.providers}
    kind = media_type(model)
    reasons = [
        media_readiness(providers[lane.provider], kind)
        if kind is not None
        else readiness(lane, providers[lane.provider])
        for lane in model.lanes
    ]
    lacking = [reason for reason in reasons if reason is not None]
    return Card(
        model=model,
        reason="; ".join(dict.fromkeys(lacking)) if len(lacking) == len(reasons) else None,
        simulated=any(providers[lane.provider].simulated for lane in model.lanes),
    )


def _path(call: Call) -> str:
    raw: bytes = call.scope["raw_path"].partition(b"?")[0]
    return raw.decode("latin-1")


def _shape(call: Call) -> Shape:
    if _path(call).startswith(GEMINI_PREFIX):
        return "gemini"
    return which(call.scope["headers"], call.scope.get("query_string", b""))


def _headers(call: Call, shape: Shape) -> list[tuple[bytes, bytes]]:
    """Our id, also under the name by which Anthropic's SDKs read it (L55)."""
    headers = respond.base_headers(call.exchange.request_id)
    return [*headers, (b"request-id", call.exchange.request_id.encode())] if shape == "anthropic" else headers
