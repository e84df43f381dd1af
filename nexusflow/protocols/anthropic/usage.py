"""Anthropic's usage object and the canonical record (protocols 1.4.4, 4.2, 4.3).

`input_tokens` excludes both cache counts. In a stream `message_delta` is cumulative: each of its fields that is not
null replaces that of `message_start`, and a field that it does not have keeps its value (T35, T36, T37).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.usage import Usage
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_TIERS = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}
_NULL = b"null"


class _Creation(Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _ServerTools(Struct, frozen=True, gc=False):
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class _OutputDetails(Struct, frozen=True, gc=False):
    thinking_tokens: int | None = None


class _Wire(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    server_tool_use: _ServerTools | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


_decode = msgspec.json.Decoder(_Wire, strict=False).decode
_encode = msgspec.json.encode


def merged(start: bytes, deltas: Iterable[bytes]) -> bytes:
    """The usage object that a stream's parts amount to. Parts that are no object count as absent."""
    fields = _fields(start)
    for delta in deltas:
        fields.update((name, value) for name, value in _fields(delta).items() if bytes(value) != _NULL)
    return jsonedit.join(fields)


def read(raw: Mapping[str, Any] | bytes) -> Usage:
    """The canonical record of a usage object; without any counts for one that reports none."""
    text = bytes(raw) if isinstance(raw, bytes | Raw) else _encode(raw)
    return reported(text) or Usage(raw=Raw(text))


def reported(raw: bytes) -> Usage | None:
    """The canonical record; None for what is not a usage object or has no counts."""
    try:
        wire = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if wire.input_tokens is None and wire.output_tokens is None:
        return None
    return _canonical(wire, raw)


def write(usage: Usage) -> dict[str, Any]:
    """The wire object: what `read` was given, if it was consistent. Counts that nobody reported are left out."""
    found: dict[str, Any] = {"input_tokens": usage.uncached + (usage.tool_input or 0)}
    minutes = _total(usage.cache_write_5m, usage.cache_write_30m)
    hours = _total(usage.cache_write_1h, usage.cache_write_12h)
    if minutes is not None or hours is not None:
        found["cache_creation_input_tokens"] = (minutes or 0) + (hours or 0)
    reads = (usage.cache_read_text, usage.cache_read_audio, usage.cache_read_image, usage.cache_read_video)
    if any(count is not None for count in reads):
        found["cache_read_input_tokens"] = usage.cache_read
    if hours is not None:
        found["cache_creation"] = {"ephemeral_5m_input_tokens": minutes or 0, "ephemeral_1h_input_tokens": hours}
    found["output_tokens"] = usage.total_output
    if usage.output_reasoning is not None:
        found["output_tokens_details"] = {"thinking_tokens": usage.output_reasoning}
    tools = {"web_search_requests": usage.n_web_search, "web_fetch_requests": usage.n_web_fetch}
    if any(count is not None for count in tools.values()):
        found["server_tool_use"] = {name: count or 0 for name, count in tools.items()}
    if (tier := _TIERS.get(usage.tier or "")) is not None:
        found["service_tier"] = tier
    if usage.speed is not None:
        found["speed"] = usage.speed
    if usage.geo is not None:
        found["inference_geo"] = usage.geo
    return found


def complete(usage: Usage | None) -> dict[str, Any]:
    """The wire object with every count that clients rely on, 0 where nothing was reported (protocols 2.3)."""
    found = write(usage) if usage is not None else {"input_tokens": 0, "output_tokens": 0}
    found.setdefault("cache_creation_input_tokens", 0)
    found.setdefault("cache_read_input_tokens", 0)
    return found


def _canonical(wire: _Wire, raw: bytes) -> Usage:
    created, minutes, hours = wire.cache_creation_input_tokens, None, None
    clipped = any(count is not None and count < 0 for count in _told(wire))  # never a credit (U-31)
    if wire.cache_creation is not None:
        hours = _count(wire.cache_creation.ephemeral_1h_input_tokens)
        minutes = _count(wire.cache_creation.ephemeral_5m_input_tokens)
        if created is not None and (minutes is not None or hours is not None):
            rest = created - (minutes or 0) - (hours or 0)
            clipped = clipped or rest < 0
            minutes = (minutes or 0) + max(0, rest)
    if minutes is None and hours is None:
        minutes = _count(created)
    output = _count(wire.output_tokens)
    thought = _count(wire.output_tokens_details.thinking_tokens if wire.output_tokens_details else None)
    if thought is not None:
        clipped = clipped or thought > (output or 0)
        thought = min(thought, output or 0)
    tools = wire.server_tool_use or _ServerTools()
    return Usage(
        input_text=_count(wire.input_tokens),
        cache_read_text=_count(wire.cache_read_input_tokens),
        cache_write_5m=minutes,
        cache_write_1h=hours,
        output_text=output if output is None or thought is None else output - thought,
        output_reasoning=thought,
        n_web_search=_count(tools.web_search_requests),
        n_web_fetch=_count(tools.web_fetch_requests),
        tier=wire.service_tier,
        speed=wire.speed,
        geo=wire.inference_geo,
        inconsistent=clipped,
        raw=Raw(raw),
    )


def _told(wire: _Wire) -> tuple[int | None, ...]:
    return (
        wire.input_tokens,
        wire.output_tokens,
        wire.cache_read_input_tokens,
        wire.cache_creation_input_tokens,
    )


def _count(value: int | None) -> int | None:
    return None if value is None else max(0, value)


def _total(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _fields(raw: bytes) -> Fields:
    try:
        return jsonedit.split(raw)
    except jsonedit.InvalidJSON:
        return {}
