"""A client's chat request as the canonical call (protocols 1.2.1, 2.2, 2.4).

The body has passed the request's struct; what that leaves open is checked here, where it matters.
"""

from typing import TypeVar

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import ChatCall, Ext, OutputFormat, Reasoning, Sampling
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import raw
from nexusflow.protocols.openai_chat import read_messages, read_reasoning, read_tools
from nexusflow.protocols.openai_chat.tables import CHAT, SEARCH
from nexusflow.protocols.openai_chat.write_parts import LEGACY

T = TypeVar("T")
_SAMPLING = frozenset(Sampling.__struct_fields__)
_KNOWN = (
    _SAMPLING
    | read_reasoning.FIELDS
    | {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stop",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
        "response_format",
        "verbosity",
        "modalities",
        "service_tier",
        "store",
        "metadata",
        "user",
        "safety_identifier",
        SEARCH,
    }
)
_NAMES = {
    "parallel_tools": "parallel_tool_calls",
    "format": "response_format",
    "tier": "service_tier",
    "reasoning": "reasoning_effort",
}
"""Canonical fields that this protocol spells otherwise."""


def read(body: bytes, *, model: str, stream: bool) -> ChatCall:
    """The call in `body`; `model` is the public name. Raises `RequestRefused` naming the field that does not fit."""
    fields = raw.obj(Raw(body), "body")
    names = dict(_NAMES)
    ext = raw.rest(fields, _KNOWN) or {}
    reasoning = _reasoning(fields, ext)
    max_tokens = _either(fields, names, "max_tokens", ("max_completion_tokens", "max_tokens"), int)
    if raw.optional(fields, LEGACY) is not None and raw.optional(fields, "tools") is None:
        names |= {"tools": LEGACY, "tool_choice": "function_call"}
    _check_moderation(ext)
    return ChatCall(
        origin=CHAT,
        model=model,
        turns=read_messages.read(raw.items(fields.get("messages", Raw(b"null")), "messages")),
        tools=read_tools.read(fields),
        tool_choice=read_tools.choice(fields),
        parallel_tools=False if names.get("tools") == LEGACY else _get(fields, "parallel_tool_calls", bool),
        max_tokens=max_tokens,
        sampling=_sampling(fields),
        stop=_stop(fields),
        n=_get(fields, "n", int),
        reasoning=reasoning,
        format=_format(fields),
        verbosity=_get(fields, "verbosity", str),
        modalities=tuple(_get(fields, "modalities", list[str]) or ()),
        tier=_tier(fields),
        user=_either(fields, names, "user", ("safety_identifier", "user"), str),
        metadata=_get(fields, "metadata", dict[str, str]),
        store=_get(fields, "store", bool),
        stream=stream,
        include_usage=_wants_usage(fields),
        names=names,
        ext=ext or None,
    )


def _get(fields: dict[str, Raw], name: str, kind: type[T]) -> T | None:
    given = raw.optional(fields, name)
    return None if given is None else raw.value(given, kind, name, _WORDS.get(kind, "of another type"))


_WORDS: dict[object, str] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
    list[str]: "a list of strings",
    dict[str, str]: "an object of strings",
    dict[str, float]: "an object of numbers",
}


def _either(fields: dict[str, Raw], names: dict[str, str], to: str, ways: tuple[str, str], kind: type[T]) -> T | None:
    """The value of the first spelling that is given; `names` learns which it was."""
    for name in ways:
        value = _get(fields, name, kind)
        if value is not None:
            names[to] = name
            return value
    return None


def _sampling(fields: dict[str, Raw]) -> Sampling:
    return Sampling(
        temperature=_get(fields, "temperature", float),
        top_p=_get(fields, "top_p", float),
        top_k=_get(fields, "top_k", int),
        frequency_penalty=_get(fields, "frequency_penalty", float),
        presence_penalty=_get(fields, "presence_penalty", float),
        logit_bias=_get(fields, "logit_bias", dict[str, float]),
        seed=_get(fields, "seed", int),
        logprobs=_get(fields, "logprobs", bool),
        top_logprobs=_get(fields, "top_logprobs", int),
    )


def _stop(fields: dict[str, Raw]) -> tuple[str, ...]:
    """One sequence or several (T72)."""
    given = raw.optional(fields, "stop")
    if given is None:
        return ()
    if bytes(given).startswith(b'"'):
        return (raw.string(given, "stop"),)
    return tuple(raw.value(given, list[str], "stop", "a string or a list of strings"))


def _tier(fields: dict[str, Raw]) -> str | None:
    word = _get(fields, "service_tier", str)
    return None if word == "auto" else word


def _wants_usage(fields: dict[str, Raw]) -> bool:
    given = raw.optional(fields, "stream_options")
    if given is None:
        return False
    wanted = raw.optional(raw.obj(given, "stream_options"), "include_usage")
    return wanted is not None and raw.boolean(wanted, "stream_options.include_usage")


def _format(fields: dict[str, Raw]) -> OutputFormat | None:
    given = raw.optional(fields, "response_format")
    if given is None:
        return None
    inner = raw.obj(given, "response_format")
    kind = raw.string(inner.get("type", Raw(b'"text"')), "response_format.type")
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat(kind="json_object", path="response_format")
    path = "response_format.json_schema"
    if kind != "json_schema":
        message = "`response_format.type` must be text, json_object or json_schema"
        raise refuse(Kind.PARAM, message, param="response_format.type", code="invalid_value")
    wanted = raw.obj(inner.get("json_schema", Raw(b"null")), path)
    named = {name: raw.optional(wanted, name) for name in ("name", "description", "schema", "strict")}
    return OutputFormat(
        kind="json_schema",
        name=raw.string(named["name"], f"{path}.name") if named["name"] is not None else None,
        description=raw.string(named["description"], f"{path}.description") if named["description"] else None,
        schema=named["schema"],
        strict=raw.boolean(named["strict"], f"{path}.strict") if named["strict"] is not None else None,
        path="response_format",
    )


def _reasoning(fields: dict[str, Raw], ext: Ext) -> Reasoning:
    """The caller's wish, also where Google's clients put it; what else they put there stays in `ext` (2.4)."""
    found = read_reasoning.read(fields)
    for name in ("google", "extra_body"):
        given = ext.get(name)
        path, holder = name, raw.obj(given, name) if given is not None else {}
        if name == "extra_body" and "google" in holder:
            path, holder = "extra_body.google", raw.obj(holder["google"], "extra_body.google")
        config = holder.pop("thinking_config", None)
        if config is None:
            continue
        found = read_reasoning.of_google(config, f"{path}.thinking_config")
        ext[name] = Raw(msgspec.json.encode({"google": holder} if name == "extra_body" else holder))
        if not holder:
            del ext[name]
    return found


def _check_moderation(ext: Ext) -> None:
    """A moderation that shall block cannot be left out; one that only scores can (2.2)."""
    given = ext.get("moderation")
    if given is not None and b'"block"' in bytes(given):
        raise refuse(
            Kind.PARAM,
            "`moderation` in block mode is not available for this model",
            param="moderation",
            code="unsupported_parameter",
        )
