"""`GET /v1/models` and `GET /v1/models/{id}` in OpenAI's shape, with what a client may want to know (L39 … L41)."""

from typing import Any
from urllib.parse import unquote

import msgspec

from nexusflow.endpoints import respond
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit
from nexusflow.flow.client import answer
from nexusflow.flow.served import readiness
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.plan import Model, Plan, Provider
from nexusflow.protocols.openai_chat import errors
from nexusflow.runtime import Runtime
from nexusflow.wire.head import inspect

PREFIX = "/v1/models"

_METHOD = Problem(kind=Kind.METHOD, message="This address takes GET only.", allow="GET, HEAD")


class ModelList(Surface):
    """The model catalogue of one artifact; its answers are encoded once, when it goes live."""

    errors = errors

    def __init__(self, artifact: Artifact) -> None:
        self._plan = artifact.plan
        self._all = b""
        self._one: dict[str, bytes] = {}

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`."""
        super().bind(runtime)
        cards = [card(model, self._plan) for model in self._plan.models]
        self._all = msgspec.json.encode({"object": "list", "data": cards})
        for model, found in zip(self._plan.models, cards, strict=True):
            for name in (model.id, *model.aliases):
                self._one[name] = msgspec.json.encode(found)

    async def serve(self, call: Call) -> None:
        """List all models, or one by id or alias; ids may contain slashes, encoded or not."""
        if call.scope.get("method") not in ("GET", "HEAD"):
            raise RequestRefused(_METHOD)
        head = inspect(call.scope["headers"], self._plan.server.request.max_headers)
        admit(head.credential, self.runtime.keys)
        path = call.scope["raw_path"].partition(b"?")[0].decode("latin-1")
        name = unquote(path.removeprefix(PREFIX))
        if not path.startswith(PREFIX) or (name and not name.startswith("/")):
            raise refuse(Kind.ROUTE, "There is nothing at this address.")
        name = name.removeprefix("/")
        body = self._one.get(name) if name else self._all
        if body is None:
            raise refuse(Kind.MODEL, "The model does not exist. GET /v1/models lists the models.", param="model")
        await answer(call.send, 200, body, respond.base_headers(call.exchange.request_id))


def card(model: Model, plan: Plan) -> dict[str, Any]:
    """One model as shown to clients. `available` says whether a call can be served now, `reason` why not."""
    providers = {provider.id: provider for provider in plan.providers}
    reasons = [readiness(lane, providers[lane.provider]) for lane in model.lanes]
    available = any(reason is None for reason in reasons)
    shown: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.owner,
        "title": model.title,
        "description": model.description,
        "category": model.category,
        "tags": model.tags or None,
        "aliases": model.aliases or None,
        "supported_protocols": model.protocols,
        "context_length": model.context_tokens,
        "max_input_tokens": model.max_input_tokens,
        "max_output_tokens": model.max_output_tokens,
        "input_modalities": model.input,
        "output_modalities": model.output,
        "deprecated": model.deprecated,
        "available": available,
        "unavailable_reason": None if available else "; ".join(dict.fromkeys(filter(None, reasons))),
        "simulated": True if _simulated(model, providers) else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _simulated(model: Model, providers: dict[str, Provider]) -> bool:
    return any(providers[lane.provider].simulated for lane in model.lanes)
