"""A client's Messages request: checked against the model's struct, then rewritten for the lane that serves it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.parameters import spelled
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.wire import MEDIA_BLOCKS, Block, MessagesRequest, PromptRequest, Source, Tool
from nexusflow.protocols.common import checks
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.common.fees import check_tool
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(MessagesRequest.__struct_fields__)
# Fields that decide what a call costs or where it goes: twice in one body is refused, not guessed (C-14).
MONEY_FIELDS = ("model", "max_tokens", "stream", "service_tier", "speed", "thinking")

_LISTS = frozenset(("stop_sequences",))
_blocks = msgspec.json.Decoder(list[Block]).decode


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> MessagesRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    request: MessagesRequest = checks.decode(body, decoder, model)
    check_prompt(request, model, bounds)
    unpriced = model.unpriced.get(ORIGIN)
    for at, tool in enumerate(request.tools or ()) if unpriced else ():
        check_tool(tool.type, f"tools[{at}]", model, unpriced or ())
    if model.allowed:
        checks.check_allowed(request, model)
    wanted = request.output_config.format if request.output_config is not None else None
    if model.response_formats and wanted is not None:
        _check_format(wanted, model)
    return request


def check_prompt(request: PromptRequest, model: Model, bounds: RequestBounds) -> None:
    """What a request to answer and one to count have in common. Raises `RequestRefused`."""
    if len(request.messages) > bounds.max_messages:
        raise checks.too_many("messages", len(request.messages), bounds.max_messages)
    if request.tools is not None:
        if len(request.tools) > bounds.max_tools:
            raise checks.too_many("tools", len(request.tools), bounds.max_tools)
        _check_tools(request.tools)
    choice = request.tool_choice
    if choice is not None and choice.type == "tool" and not choice.name:
        raise _missing("tool_choice.name")
    _check_media(request, model, bounds)


def demand(request: MessagesRequest) -> Demand:
    """What the request may cost."""
    user = request.metadata.get("user_id") if request.metadata else None
    media = sum(1 for _ in _media(request))
    return Demand(request.max_tokens, 1, media, jsonedit.as_text(user) if user is not None else None)


def prepare(fields: Fields, model: Model, upstream_model: Raw, *, stream: bool, usage: StreamUsage) -> bytes:
    """The body for the provider: its own model name and our defaults; all else byte for byte.

    The defaults are named as Chat does. `fields` is changed in place; a second attempt passes through here again and
    overwrites the same keys. Usage is part of every answer of this protocol: `stream` and `usage` decide nothing here.
    """
    fields["model"] = upstream_model
    if model.unknown_params == "drop":
        for name in fields.keys() - KNOWN:
            del fields[name]
    for name, value in model.defaults.items():
        own = spelled(ORIGIN, name)
        if own is not None:
            fields.setdefault(own, Raw(b"[%b]" % value) if own in _LISTS and bytes(value)[:1] == b'"' else value)
    return jsonedit.join(fields)


def _check_tools(tools: list[Tool]) -> None:
    """The caller's own tools have a name and a schema; the provider judges those that it defines."""
    for at, tool in enumerate(tools):
        if tool.type in (None, "custom"):
            if tool.name is None:
                raise _missing(f"tools[{at}].name")
            if tool.input_schema is None:
                raise _missing(f"tools[{at}].input_schema")


def _check_media(request: PromptRequest, model: Model, bounds: RequestBounds) -> None:
    """Media only where the model takes it, and not too many images (C-18)."""
    images = 0
    for path, modality in _media(request):
        if modality not in model.input:
            raise checks.no_modality(modality, path, model)
        images += modality == "image"
    if images > bounds.max_images:
        raise checks.too_many("images", images, bounds.max_images)


def _media(request: PromptRequest) -> Iterator[tuple[str, str]]:
    """Where the request holds pictures and files, and of which kind; a document that is text is none."""
    for at, message in enumerate(request.messages):
        if not isinstance(message.content, list):
            continue
        for path, block in _walk(message.content, f"messages[{at}].content"):
            modality = MEDIA_BLOCKS.get(block.type)
            if modality == "file" and isinstance(block.source, Source) and block.source.type in ("text", "content"):
                continue
            if modality is not None:
                yield path, modality


def _walk(blocks: list[Block], path: str) -> Iterator[tuple[str, Block]]:
    """Every block with its path, those inside tool results included."""
    for index, block in enumerate(blocks):
        here = f"{path}[{index}]"
        yield here, block
        if block.type == "tool_result" and bytes(block.content).startswith(b"["):
            try:
                inner = _blocks(block.content)
            except msgspec.ValidationError:
                message = f"`{here}.content` must be a string or a list of blocks"
                raise refuse(Kind.PARAM, message, param=f"{here}.content", code="invalid_type") from None
            for at, part in enumerate(inner):
                yield f"{here}.content[{at}]", part


def _check_format(wanted: Fields, model: Model) -> None:
    kind = jsonedit.as_text(wanted.get("type", Raw(b"null")))
    if kind not in model.response_formats:
        raise refuse(
            Kind.PARAM,
            f"`output_config.format.type` of `{model.id}` must be one of: {', '.join(model.response_formats)}",
            param="output_config.format",
            code="unsupported_parameter",
        )


def _missing(path: str) -> Exception:
    return refuse(Kind.PARAM, f"`{path}` is required", param=path, code="missing_required_parameter")
