"""A client's Responses request in canonical form (protocols 1.3, 2.8)."""

from typing import get_args

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import ChatCall, Effort, Ext, OutputFormat, Reasoning, Sampling, Text, Turn
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_responses.identity_request import MONEY_FIELDS
from nexusflow.protocols.openai_responses.read_items import later_tools, turns
from nexusflow.protocols.openai_responses.read_tools import choice, distinct, listed, tools
from nexusflow.protocols.openai_responses.tables import NAMES, ORIGIN
from nexusflow.protocols.openai_responses.wire import ABSENT
from nexusflow.protocols.openai_responses.wire_items import formed, missing, raw_list
from nexusflow.protocols.openai_responses.write_response import DEFAULTS
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_EFFORTS: dict[str, Effort] = {word: word for word in get_args(Effort)}
_FORMATS = ("text", "json_object", "json_schema")
_NULL = b"null"
# Members without meaning for another protocol, when they say what is so anyway.
_SILENT = {
    "background": (b"false",),
    "truncation": (b'"disabled"',),
    "stream_options": None,
    "background_options": None,
}
_NO_EFFECT = frozenset((_NULL, b"[]", b"{}"))
_READ = frozenset(
    (
        *("model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "top_logprobs"),
        *("tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include", "store", "service_tier"),
        *("safety_identifier", "metadata", "user"),
    )
)


class _FormatForm(Struct, frozen=True):
    type: str = "text"
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class _TextForm(Struct, frozen=True):
    format: _FormatForm | None = None
    verbosity: str | None = None


class _ReasoningForm(Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _RequestForm(Struct, frozen=True):
    input: Raw = ABSENT
    instructions: Raw = ABSENT
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: Raw = ABSENT
    tool_choice: Raw = ABSENT
    parallel_tool_calls: bool | None = None
    text: _TextForm | None = None
    reasoning: _ReasoningForm | None = None
    include: list[str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None


_request_form = msgspec.json.Decoder(_RequestForm).decode


def read(
    body: bytes, *, model: str, stream: bool, previous_response_id: str | None = None, needs_input: bool = True
) -> ChatCall:
    """The canonical call.

    Stored state must have been put in its place before (`nexusflow.responses`); `previous_response_id` is then the
    response that the caller named, for the answer to name it again. Raises `RequestRefused` naming the field.
    """
    fields = checks.parse(body, MONEY_FIELDS)
    _refuse_stateful(fields)
    form = formed(_request_form, Raw(body), "")
    items = _items(form.input, needs_input)
    declared = distinct((*tools(listed(form.tools, "tools"), "tools"), *later_tools(items, "input")))
    reasoning = form.reasoning or _ReasoningForm()
    names = NAMES if form.safety_identifier is not None or form.user is None else {**NAMES, "user": "user"}
    text = form.text or _TextForm()
    return ChatCall(
        origin=ORIGIN,
        model=model,
        turns=(*_instructions(form.instructions), *turns(items, declared, "input")),
        tools=declared,
        tool_choice=choice(form.tool_choice, declared),
        parallel_tools=form.parallel_tool_calls,
        max_tokens=form.max_output_tokens,
        sampling=_sampling(form),
        reasoning=_reasoning(reasoning),
        format=_format(text.format),
        verbosity=text.verbosity,
        tier=None if form.service_tier == "auto" else form.service_tier,
        user=form.safety_identifier or form.user,
        metadata=form.metadata or None,
        store=False if form.store is False else None,  # the gateway itself keeps what is to be kept
        stream=stream,
        include_usage=True,
        names=names,
        ext=_ext(fields, form),
        echo=_echo(fields, previous_response_id),
    )


def _refuse_stateful(fields: Fields) -> None:
    """What needs state that nobody keeps here, or that changes how the answer comes."""
    for name in ("previous_response_id", "conversation", "prompt"):
        if bytes(fields.get(name, Raw(_NULL))) != _NULL:
            raise _not_here(name)
    if bytes(fields.get("background", Raw(_NULL))) == b"true":
        raise _not_here("background")
    moderation = bytes(fields.get("moderation", Raw(_NULL)))
    if b'"block"' in moderation:
        raise _not_here("moderation")


def _not_here(name: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{name}` is not available for this model", param=name, code="unsupported_parameter")


def _items(given: Raw, needed: bool) -> list[Raw]:
    """The items of `input`; a string is one message of the user."""
    if bytes(given) in (b"", _NULL):
        if needed:
            raise missing("input")
        return []
    text = jsonedit.as_text(given)
    if text is not None:
        return [Raw(jsonedit.join({"role": Raw(b'"user"'), "content": given}))]
    return formed(raw_list, given, "input")


def _instructions(given: Raw) -> tuple[Turn, ...]:
    if bytes(given) in (b"", _NULL):
        return ()
    text = jsonedit.as_text(given)
    if text is None:
        return turns(formed(raw_list, given, "instructions"), (), "instructions")
    return (Turn(role="system", parts=(Text(text=text),), path="instructions"),) if text else ()


def _sampling(form: _RequestForm) -> Sampling:
    top = form.top_logprobs or None
    wanted = LOGPROBS in (form.include or ()) or top is not None
    return Sampling(temperature=form.temperature, top_p=form.top_p, logprobs=True if wanted else None, top_logprobs=top)


def _reasoning(form: _ReasoningForm) -> Reasoning:
    effort = None
    if form.effort is not None:
        effort = _EFFORTS.get(form.effort)
        if effort is None:
            words = ", ".join(_EFFORTS)
            raise refuse(Kind.PARAM, f"`reasoning.effort` must be one of: {words}", param="reasoning.effort")
    shown = form.summary or form.generate_summary
    return Reasoning(effort=effort, expose=None if shown is None else "summary", path="reasoning.effort")


def _format(form: _FormatForm | None) -> OutputFormat | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return OutputFormat(kind="json_object", path="text.format")
    if form.type != "json_schema":
        words = ", ".join(_FORMATS)
        raise refuse(Kind.PARAM, f"`text.format.type` must be one of: {words}", param="text.format.type")
    if bytes(form.schema) in (b"", _NULL):
        raise missing("text.format.schema")
    return OutputFormat(
        kind="json_schema",
        name=form.name,
        description=form.description,
        schema=form.schema,
        strict=form.strict,
        path="text.format",
    )


def _ext(fields: Fields, form: _RequestForm) -> Ext | None:
    """What only this protocol has, but for what says nothing."""
    rest = {
        name: value
        for name, value in fields.items()
        if name not in _READ and bytes(value) not in _NO_EFFECT and not _is_silent(name, value)
    }
    include = [word for word in form.include or () if word not in (ENCRYPTED, LOGPROBS)]
    if include:
        rest["include"] = Raw(msgspec.json.encode(include))
    for name, known in (("reasoning", _ReasoningForm), ("text", _TextForm)):
        given = fields.get(name)
        if given is None or bytes(given) == _NULL:
            continue
        for member, value in jsonedit.split(bytes(given)).items():
            if member not in known.__struct_fields__ and bytes(value) not in _NO_EFFECT:
                rest[f"{name}.{member}"] = value
    return rest or None


def _is_silent(name: str, value: Raw) -> bool:
    silent = _SILENT.get(name, ())
    return silent is None or bytes(value) in silent


def _echo(fields: Fields, previous: str | None) -> Ext:
    """The members that the answer repeats, as the caller wrote them."""
    echo = {name: fields[name] for name in (*DEFAULTS, "service_tier") if name in fields}
    # On one line, because it stands in the data line of events.
    echo = {name: Raw(msgspec.json.format(value, indent=-1)) for name, value in echo.items() if bytes(value) != _NULL}
    text = echo.get("text")
    if text is not None:
        members = jsonedit.split(bytes(text))
        members.setdefault("format", Raw(b'{"type":"text"}'))
        echo["text"] = Raw(jsonedit.join(members))
    if previous is not None:
        echo["previous_response_id"] = jsonedit.text(previous)
    return echo
