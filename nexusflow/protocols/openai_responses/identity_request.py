"""A client's Responses request: checked against the model's struct, then rewritten for the lane that serves it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.parameters import spelled
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.protocols.common import checks
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.common.fees import check_tool
from nexusflow.protocols.openai_responses.tables import ORIGIN
from nexusflow.protocols.openai_responses.wire import PART_MODALITIES, InputItem, ResponsesRequest
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(ResponsesRequest.__struct_fields__)
# Fields that decide what a call costs or where it goes: twice in one body is refused, not guessed (C-14).
MONEY_FIELDS = ("model", "max_output_tokens", "max_tool_calls", "stream", "service_tier", "background")
_NESTED = {"reasoning_effort": "reasoning.effort", "verbosity": "text.verbosity"}


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> ResponsesRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    request: ResponsesRequest = checks.decode(body, decoder, model)
    if isinstance(request.input, list):
        if len(request.input) > bounds.max_messages:
            raise checks.too_many("input", len(request.input), bounds.max_messages)
        _check_parts(request.input, model, bounds)
    if request.tools is not None and len(request.tools) > bounds.max_tools:
        raise checks.too_many("tools", len(request.tools), bounds.max_tools)
    unpriced = model.unpriced.get(ORIGIN)
    for at, tool in enumerate(request.tools or ()) if unpriced else ():
        check_tool(tool.type, f"tools[{at}]", model, unpriced or ())
    for name, values in model.allowed.items():
        _check_value(name, values, request, model)
    if model.response_formats:
        _check_format(request, model)
    return request


def demand(request: ResponsesRequest) -> Demand:
    """What the request may cost."""
    items = request.input if isinstance(request.input, list) else []
    media = sum(1 for _ in _media(items))
    return Demand(request.max_output_tokens, 1, media, request.safety_identifier or request.user)


def prepare(fields: Fields, model: Model, upstream_model: Raw, *, stream: bool, usage: StreamUsage) -> bytes:
    """The body for the provider: its own model name and our defaults; all else byte for byte.

    `fields` is changed in place; a second attempt passes through here again and overwrites the same keys. Usage
    needs no asking: the terminal event of every stream carries it (protocols 1.3).
    """
    fields["model"] = upstream_model
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    for name, value in model.defaults.items():
        top, _, inner = _own(name).partition(".")
        if not inner and top:
            fields.setdefault(top, value)
        elif top:
            fields[top] = _with_default(fields.get(top), inner, value)
    return jsonedit.join(fields)


def _own(name: str) -> str:
    """This protocol's spelling of a parameter that the catalogue names as Chat does; empty when it has none."""
    return _NESTED.get(name) or spelled("openai/responses", name) or ""


def _with_default(found: Raw | None, inner: str, value: Raw) -> Raw:
    if found is None or bytes(found) == b"null":
        return Raw(jsonedit.join({inner: value}))
    members = jsonedit.split(bytes(found))
    members.setdefault(inner, value)
    return Raw(jsonedit.join(members))


def _check_value(name: str, values: tuple[str, ...], request: ResponsesRequest, model: Model) -> None:
    """Refuse a value outside the list that the catalogue gives for its parameter (422)."""
    own = _own(name)
    top, _, inner = own.partition(".")
    value = getattr(request, top, None)
    if inner and value is not None:
        value = getattr(value, inner, None)
    if value is not None and value not in values:
        message = f"`{own}` of `{model.id}` must be one of: {', '.join(values)}"
        raise refuse(Kind.PARAM, message, param=own, status=422)


def _check_parts(items: list[InputItem], model: Model, bounds: RequestBounds) -> None:
    """Media only where the model takes it, and not too many images (C-18)."""
    images = 0
    for path, modality in _media(items):
        if modality not in model.input:
            raise checks.no_modality(modality, path, model)
        images += modality == "image"
    if images > bounds.max_images:
        raise checks.too_many("images", images, bounds.max_images)


def _media(items: list[InputItem]) -> Iterator[tuple[str, str]]:
    """Where the input holds pictures and files, and of which kind."""
    for at, item in enumerate(items):
        for member, content in (("content", item.content), ("output", item.output)):
            if not isinstance(content, list):
                continue
            for index, part in enumerate(content):
                kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
                modality = PART_MODALITIES.get(kind) if isinstance(kind, str) else None
                if modality is not None:
                    yield f"input[{at}].{member}[{index}]", modality


def _check_format(request: ResponsesRequest, model: Model) -> None:
    wanted = request.text.format.type if request.text is not None and request.text.format is not None else None
    if wanted is not None and wanted not in model.response_formats:
        raise refuse(
            Kind.PARAM,
            f"`text.format.type` of `{model.id}` must be one of: {', '.join(model.response_formats)}",
            param="text.format",
            code="unsupported_parameter",
        )
