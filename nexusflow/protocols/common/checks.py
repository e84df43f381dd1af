"""What every protocol checks of a client's body in the same way: JSON, types and ranges, names, media.

Each refusal names the field in the caller's spelling (contract 3 row 10).
"""

import re
from typing import TypeVar

import msgspec

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.plan import Model
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_ERROR = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `([^`]+)`")
_RANGE = re.compile(r"`(?:int|float)` [<>]|of length|out of range")
_NOT_A_NUMBER = re.compile(rb'"(\w{1,64})"\s*:\s*-?(?=NaN|Infinity)')

T = TypeVar("T")


def parse(body: bytes, money_fields: tuple[str, ...]) -> Fields:
    """The top-level fields of a body.

    `money_fields` decide what a call costs or where it goes: twice in one body is refused, not guessed (C-14).
    Raises `RequestRefused` (E-PARSE, or E-PARAM for a repeated money field).
    """
    try:
        fields = jsonedit.split(body)
        if not body.isascii():
            body.decode()  # the parser looks only at what it decodes, and would pass the rest on (C-13)
    except jsonedit.InvalidJSON as error:
        raise _unparsable(body, error) from None
    except UnicodeDecodeError:
        raise refuse(Kind.PARSE, "the body is not valid UTF-8") from None
    repeated = jsonedit.repeated_keys(body, jsonedit.join(fields), money_fields)
    if repeated is not None:
        raise refuse(Kind.PARAM, f"`{repeated}` is given twice", param=repeated, code="duplicate_key")
    return fields


def decode(body: bytes, decoder: msgspec.json.Decoder[T], model: Model) -> T:
    """Decode with the model's own struct. Raises `RequestRefused` naming the field that does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise explain(str(error), model) from None
    except UnicodeDecodeError:
        raise refuse(Kind.PARSE, "the body is not valid UTF-8") from None
    except RecursionError:
        raise refuse(Kind.PARSE, "the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise refuse(Kind.PARSE, f"the body is not valid JSON: {error}") from None


def check_names(fields: Fields, known: frozenset[str], model: Model) -> None:
    """Refuse parameters that the model's struct cannot: those it names, and unknown ones where it takes none.

    Raises `RequestRefused` naming the first such field.
    """
    for name in model.refused:
        if name in fields:
            raise unsupported(name, model)
    unknown = fields.keys() - known if model.unknown_params == "reject" else None
    if unknown:
        name = min(unknown)
        raise refuse(Kind.PARAM, f"`{name}` is not a parameter of `{model.id}`", param=name, code="unknown_parameter")


def check_allowed(request: object, model: Model) -> None:
    """Refuse a value outside the list that the catalogue gives for its parameter (422)."""
    for name, values in model.allowed.items():
        value = getattr(request, name, None)
        if value is not None and value not in values:
            raise refuse(
                Kind.PARAM,
                f"`{name}` of `{model.id}` must be one of: {', '.join(values)}",
                param=name,
                status=422,
            )


def explain(error: str, model: Model | None = None) -> RequestRefused:
    """The decoder's words as a 400 (shape, type) or 422 (range), naming the field (contract 3 row 10).

    `model` is whose struct it was, where it was a model's: what that does not take has the type null.
    """
    match = _ERROR.match(error)
    what, path = (match["what"], match["path"]) if match else (error, None)
    missing = _MISSING.search(what)
    if missing:
        name = f"{path}.{missing[1]}" if path else missing[1]
        return refuse(Kind.PARAM, f"`{name}` is required", param=name, code="missing_required_parameter")
    if model is not None and what.startswith("Expected `null`") and path:
        return unsupported(path, model)
    ranged = _RANGE.search(what) is not None
    return refuse(
        Kind.PARAM,
        f"`{path or 'body'}`: {what[0].lower()}{what[1:]}",
        param=path,
        code="value_out_of_range" if ranged else "invalid_type",
        status=422 if ranged else 400,
    )


def unsupported(name: str, model: Model) -> RequestRefused:
    """The model does not take this parameter."""
    return refuse(Kind.PARAM, f"`{model.id}` does not take `{name}`", param=name, code="unsupported_parameter")


def no_modality(modality: str, path: str, model: Model) -> RequestRefused:
    """The model does not take this kind of media."""
    return refuse(
        Kind.PARAM,
        f"`{model.id}` does not take {modality} input; it takes: {', '.join(model.input)}",
        param=path,
        code="unsupported_content",
    )


def too_many(what: str, count: int, most: int) -> RequestRefused:
    """More of something than one request may carry (C-18)."""
    return refuse(Kind.PARAM, f"{count} {what}, at most {most} are accepted", param=what, code="too_many_items")


def _unparsable(body: bytes, error: jsonedit.InvalidJSON) -> RequestRefused:
    """E-PARSE, but for NaN and Infinity, which some encoders write: then the field is named (C-16)."""
    around = body[max(0, error.at - 80) : error.at + 8] if error.at is not None else b""
    found = _NOT_A_NUMBER.search(around)
    if found is None:
        return refuse(Kind.PARSE, str(error))
    name = found[1].decode("utf-8", "replace")
    return refuse(Kind.PARAM, f"`{name}` is not a number that JSON can hold", param=name)
