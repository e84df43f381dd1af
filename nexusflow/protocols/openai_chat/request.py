"""A client's chat request: checked against the model's struct, then rewritten for the lane that serves it."""

import re
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.protocols.openai_chat.wire import PART_MODALITIES, ChatRequest, Part
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

KNOWN = frozenset(ChatRequest.__struct_fields__)
# Fields that decide what a call costs or where it goes: twice in one body is refused, not guessed (C-14).
MONEY_FIELDS = ("model", "max_tokens", "max_completion_tokens", "n", "stream", "service_tier")

_ERROR = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `([^`]+)`")
_RANGE = re.compile(r"`(?:int|float)` [<>]|of length|out of range")
_NOT_A_NUMBER = re.compile(rb'"(\w{1,64})"\s*:\s*-?(?=NaN|Infinity)')
_TRUE = Raw(b"true")
_WITH_USAGE = Raw(b'{"include_usage":true}')


def parse(body: bytes) -> Fields:
    """The top-level fields of a body. Raises `RequestRefused` (E-PARSE, or E-PARAM for a repeated money field)."""
    try:
        fields = jsonedit.split(body)
        if not body.isascii():
            body.decode()  # the parser looks only at what it decodes, and would pass the rest on (C-13)
    except jsonedit.InvalidJSON as error:
        raise _unparsable(body, error) from None
    except UnicodeDecodeError:
        raise refuse(Kind.PARSE, "the body is not valid UTF-8") from None
    repeated = jsonedit.repeated_keys(body, jsonedit.join(fields), MONEY_FIELDS)
    if repeated is not None:
        raise refuse(Kind.PARAM, f"`{repeated}` is given twice", param=repeated, code="duplicate_key")
    return fields


def validate(body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> ChatRequest:
    """Decode with the model's own struct and check what types cannot say. Raises `RequestRefused`."""
    try:
        request: ChatRequest = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error), model) from None
    except UnicodeDecodeError:
        raise refuse(Kind.PARSE, "the body is not valid UTF-8") from None
    except RecursionError:
        raise refuse(Kind.PARSE, "the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise refuse(Kind.PARSE, f"the body is not valid JSON: {error}") from None
    if len(request.messages) > bounds.max_messages:
        raise _too_many("messages", len(request.messages), bounds.max_messages)
    if request.tools is not None and len(request.tools) > bounds.max_tools:
        raise _too_many("tools", len(request.tools), bounds.max_tools)
    _check_parts(request, model, bounds)
    if model.allowed:
        _check_allowed(request, model)
    if model.response_formats and request.response_format is not None:
        _check_response_format(request.response_format, model)
    return request


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


def check_names(fields: Fields, model: Model) -> None:
    """Refuse parameters that the model's struct cannot: those it names, and unknown ones where it takes none.

    Raises `RequestRefused` naming the first such field.
    """
    for name in model.refused:
        if name in fields:
            raise _unsupported(name, model)
    unknown = fields.keys() - KNOWN if model.unknown_params == "reject" else None
    if unknown:
        name = min(unknown)
        raise refuse(Kind.PARAM, f"`{name}` is not a parameter of `{model.id}`", param=name, code="unknown_parameter")


def _unparsable(body: bytes, error: jsonedit.InvalidJSON) -> RequestRefused:
    """E-PARSE, but for NaN and Infinity, which some encoders write: then the field is named (C-16)."""
    around = body[max(0, error.at - 80) : error.at + 8] if error.at is not None else b""
    found = _NOT_A_NUMBER.search(around)
    if found is None:
        return refuse(Kind.PARSE, str(error))
    name = found[1].decode("utf-8", "replace")
    return refuse(Kind.PARAM, f"`{name}` is not a number that JSON can hold", param=name)


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


def _check_parts(request: ChatRequest, model: Model, bounds: RequestBounds) -> None:
    """Media only where the model takes it, and not too many images (C-18)."""
    images = 0
    for at, message in enumerate(request.messages):
        if not isinstance(message.content, list):
            continue
        for index, part in enumerate(message.content):
            modality = PART_MODALITIES.get(part.type)
            if modality is None:
                continue
            if modality not in model.input:
                raise _no_modality(part, modality, f"messages[{at}].content[{index}]", model)
            images += modality == "image"
    if images > bounds.max_images:
        raise _too_many("images", images, bounds.max_images)


def _check_allowed(request: ChatRequest, model: Model) -> None:
    for name, values in model.allowed.items():
        value = getattr(request, name, None)
        if value is not None and value not in values:
            raise refuse(
                Kind.PARAM,
                f"`{name}` of `{model.id}` must be one of: {', '.join(values)}",
                param=name,
                status=422,
            )


def _check_response_format(wanted: Fields, model: Model) -> None:
    kind = jsonedit.as_text(wanted.get("type", Raw(b"null")))
    if kind not in model.response_formats:
        raise refuse(
            Kind.PARAM,
            f"`response_format.type` of `{model.id}` must be one of: {', '.join(model.response_formats)}",
            param="response_format",
            code="unsupported_parameter",
        )


def _unsupported(name: str, model: Model) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{model.id}` does not take `{name}`", param=name, code="unsupported_parameter")


def _no_modality(part: Part, modality: str, path: str, model: Model) -> RequestRefused:
    return refuse(
        Kind.PARAM,
        f"`{model.id}` does not take {modality} input; it takes: {', '.join(model.input)}",
        param=path,
        code="unsupported_content",
    )


def _too_many(what: str, count: int, most: int) -> RequestRefused:
    return refuse(Kind.PARAM, f"{count} {what}, at most {most} are accepted", param=what, code="too_many_items")


def _explain(error: str, model: Model) -> RequestRefused:
    """The decoder's words as a 400 (shape, type) or 422 (range), naming the field (contract 3 row 10)."""
    match = _ERROR.match(error)
    what, path = (match["what"], match["path"]) if match else (error, None)
    missing = _MISSING.search(what)
    if missing:
        name = f"{path}.{missing[1]}" if path else missing[1]
        return refuse(Kind.PARAM, f"`{name}` is required", param=name, code="missing_required_parameter")
    if what.startswith("Expected `null`") and path:
        return _unsupported(path, model)
    ranged = _RANGE.search(what) is not None
    return refuse(
        Kind.PARAM,
        f"`{path or 'body'}`: {what[0].lower()}{what[1:]}",
        param=path,
        code="value_out_of_range" if ranged else "invalid_type",
        status=422 if ranged else 400,
    )
