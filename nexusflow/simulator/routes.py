"""Which wire form each path speaks, and how a request in it is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from nexusflow.simulator.anthropic import request as messages_request
from nexusflow.simulator.anthropic.body import Body, Counted
from nexusflow.simulator.anthropic.messages import Counting, Messages
from nexusflow.simulator.anthropic.vendor import ANTHROPIC
from nexusflow.simulator.asked import Asked
from nexusflow.simulator.failure import Refused, Vendor
from nexusflow.simulator.form import Form
from nexusflow.simulator.gemini import others
from nexusflow.simulator.gemini import request as gemini_request
from nexusflow.simulator.gemini.generate import Generate
from nexusflow.simulator.gemini.vendor import GEMINI
from nexusflow.simulator.http import Request
from nexusflow.simulator.openai import chat_request, embeddings, responses_request
from nexusflow.simulator.openai.chat import Chat
from nexusflow.simulator.openai.counting import InputTokens
from nexusflow.simulator.openai.kept import Kept
from nexusflow.simulator.openai.responses import Responses
from nexusflow.simulator.openai.vendor import OPENAI, invalid
from nexusflow.simulator.shape import Misfit
from nexusflow.simulator.traits import Traits

Data = dict[str, Any]
Read = Callable[[Data, Traits], tuple[Asked, Form]]

_GEMINI = re.compile(r"/v1(?:beta)?/(?:models|tunedModels)/(?P<model>.+):(?P<method>\w+)")


@dataclass(frozen=True, slots=True)
class Route:
    """One request's way: whose it is, what the vendor calls it, and how to read it.

    `model` is the model's name where the path has it; else the body does.
    """

    vendor: Vendor
    method: str
    read: Read
    embeds: bool = False
    model: str | None = None

    def name(self, data: Data) -> str:
        """The name of the model that is asked. Raises `Misfit` where there is none."""
        if self.model is not None:
            return self.model
        name = data.get("model")
        if name is None:
            raise Misfit("missing", ("model",), "Object missing required field `model`")
        if not isinstance(name, str):
            raise Misfit("wrong", ("model",), f"Expected `str`, got `{type(name).__name__}`")
        return name


def vendor_of(request: Request) -> Vendor:
    """Whose client this is, by its path or, where the vendors share one, by its headers (protocols 1.8)."""
    path, headers = request.path, request.headers
    google = "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in request.query
    if path.startswith("/v1beta/") or _GEMINI.fullmatch(path) or (path.startswith("/v1/models") and google):
        return GEMINI
    return ANTHROPIC if path.startswith("/v1/messages") or "anthropic-version" in headers else OPENAI


def find_route(request: Request, kept: Kept) -> Route | None:
    """The way of a POST request, None where there is none."""
    found = _GEMINI.fullmatch(request.path)
    if found:
        return _gemini(unquote(found["model"]), found["method"], request)
    routes: dict[str, tuple[Vendor, str, Read]] = {
        "/v1/chat/completions": (OPENAI, "chat", _read_chat),
        "/v1/responses": (OPENAI, "responses", lambda data, traits: _read_response(data, traits, kept)),
        "/v1/responses/input_tokens": (OPENAI, "responses", lambda data, traits: _count_input(data, traits, kept)),
        "/v1/embeddings": (OPENAI, "embeddings", lambda data, traits: embeddings.read(data)),
        "/v1/messages": (ANTHROPIC, "messages", lambda data, traits: _read_message(data, traits, request)),
        "/v1/messages/count_tokens": (ANTHROPIC, "count", lambda data, traits: _count(data, traits, request)),
    }
    vendor, method, read = routes.get(request.path, (None, "", None))
    return Route(vendor, method, read, embeds=method == "embeddings") if vendor and read else None


def _gemini(model: str, method: str, request: Request) -> Route | None:
    def generate(data: Data, traits: Traits) -> tuple[Asked, Form]:
        streams = method == "streamGenerateContent"
        form = Generate(sse=request.query.get("alt") == "sse")
        return gemini_request.read(data, traits, stream=streams), form

    reads: dict[str, Read] = {
        "generateContent": generate,
        "streamGenerateContent": generate,
        "countTokens": others.read_count,
        "embedContent": lambda data, traits: others.read_embed(data, model, batch=False),
        "batchEmbedContents": lambda data, traits: others.read_embed(data, model, batch=True),
    }
    read = reads.get(method)
    return Route(GEMINI, method, read, embeds="mbed" in method, model=model) if read else None


def _read_chat(data: Data, traits: Traits) -> tuple[Asked, Form]:
    asked, body = chat_request.read(data, traits)
    return asked, Chat(body)


def _read_response(data: Data, traits: Traits, kept: Kept) -> tuple[Asked, Form]:
    before = _before(data, kept)
    asked, body = responses_request.read(data, traits, before)
    return asked, Responses(body, data, before, kept)


def _count_input(data: Data, traits: Traits, kept: Kept) -> tuple[Asked, Form]:
    asked, _ = responses_request.read(data, traits, _before(data, kept))
    return asked, InputTokens()


def _before(data: Data, kept: Kept) -> list[Any]:
    """The items that a request goes on from."""
    id_ = data.get("previous_response_id")
    if id_ is None:
        return []
    items = kept.items(str(id_))
    if items is None:
        said = f"Previous response with id '{id_}' not found."
        raise Refused(invalid(said, "previous_response_id", code="previous_response_not_found"))
    return items


def _read_message(data: Data, traits: Traits, request: Request) -> tuple[Asked, Form]:
    version, beta = request.headers.get("anthropic-version"), bool(request.headers.get("anthropic-beta"))
    asked, _ = messages_request.read(data, Body, traits, version, beta=beta)
    return asked, Messages()


def _count(data: Data, traits: Traits, request: Request) -> tuple[Asked, Form]:
    version, beta = request.headers.get("anthropic-version"), bool(request.headers.get("anthropic-beta"))
    asked, _ = messages_request.read(data, Counted, traits, version, beta=beta)
    return asked, Counting()
