"""A client's chat request: checked against the model's struct, then rewritten for the lane that serves it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.protocols.common import checks
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.common.fees import check_tool
from nexusflow.protocols.openai_chat.wire import PART_MODALITIES, ChatRequest, Tool
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

CHAT = "openai/chat-completions"
KNOWN = frozenset(ChatRequest.__struct_fields__)
MONEY_FIELDS = ("model", "max_tokens", "max_completion_tokens", "n", "stream", "service_tier")

_TRUE = Raw(b"true")
_WITH_USAGE = Raw(b'{"include_usage":true}')


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> ChatRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    request: ChatRequest = checks.decode(body, decoder, model)
    if len(request.messages) > bounds.max_messages:
        raise checks.too_many("messages", len(request.messages), bounds.max_messages)
    if request.tools is not None and len(request.tools) > bounds.max_tools:
        raise checks.too_many("tools", len(request.tools), bounds.max_tools)
    if request.tools is not None and model.unpriced:
        _check_fees(request.tools, model)
    _check_parts(request, model, bounds)
    if model.allowed:
        checks.check_allowed(request, model)
    if model.response_formats and request.response_format is not None:
        _check_response_format(request.response_format, model)
    return request


def demand(request: ChatRequest) -> Demand:
    """What the request may cost. Given both bounds, the newer one holds."""
    bound = request.max_completion_tokens or request.max_tokens
    return Demand(bound, request.n or 1, sum(1 for _ in _media(request)), request.user)


def prepare(fields: Fields, model: Model, upstream_model: Raw, *, stream: bool, usage: StreamUsage) -> bytes:
    """The body for the provider: its own model name, our defaults, usage asked for; all else byte for byte.

    `fields` is changed in place; a second attempt passes through here again and overwrites the same keys.
    """
    fields["model"] = upstream_model
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    for name, value in model.defaults.items():
        fields.setdefault(name, value)
    if model.max_tokens_field is not None:
        _rename_max_tokens(fields, model.max_tokens_field)
    if stream and usage == "option":
        fields["stream_options"] = _ask_for_usage(fields.get("stream_options"))
    return jsonedit.join(fields)


def _rename_max_tokens(fields: Fields, wanted: str) -> None:
    """Some providers take only one of the two spellings; given both, the newer one wins."""
    newer, older = fields.get("max_completion_tokens"), fields.get("max_tokens")
    value = newer if newer is not None else older
    if value is not None:
        fields.pop("max_completion_tokens", None)
        fields.pop("max_tokens", None)
        fields[wanted] = value


def _ask_for_usage(options: Raw | None) -> Raw:
    if options is None or bytes(options) == b"null":
        return _WITH_USAGE
    merged = jsonedit.split(bytes(options))
    merged["include_usage"] = _TRUE
    return Raw(jsonedit.join(merged))


def _check_fees(tools: list[Tool], model: Model) -> None:
    """No tool that costs extra without a price. Moonshot names its own ones as built-in functions."""
    unpriced = model.unpriced.get(CHAT)
    if unpriced is None:
        return
    for at, tool in enumerate(tools):
        built_in = tool.type == "builtin_function" and tool.function is not None
        check_tool(tool.function.name if built_in and tool.function else tool.type, f"tools[{at}]", model, unpriced)


def _check_parts(request: ChatRequest, model: Model, bounds: RequestBounds) -> None:
    """Media only where the model takes it, and not too many images (C-18)."""
    images = 0
    for path, modality in _media(request):
        if modality not in model.input:
            raise checks.no_modality(modality, path, model)
        images += modality == "image"
    if images > bounds.max_images:
        raise checks.too_many("images", images, bounds.max_images)


def _media(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """Where the request holds pictures and files, and of which kind."""
    for at, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for index, part in enumerate(message.content):
                modality = PART_MODALITIES.get(part.type)
                if modality is not None:
                    yield f"messages[{at}].content[{index}]", modality


def _check_response_format(wanted: Fields, model: Model) -> None:
    kind = jsonedit.as_text(wanted.get("type", Raw(b"null")))
    if kind not in model.response_formats:
        raise refuse(
            Kind.PARAM,
            f"`response_format.type` of `{model.id}` must be one of: {', '.join(model.response_formats)}",
            param="response_format",
            code="unsupported_parameter",
        )
