"""Usage of the Responses protocol, to and from the canonical record (protocols 4.2, 4.3).

`input_tokens` includes cache reads and writes, `output_tokens` includes reasoning. Every member is optional here:
compatible providers leave out any of them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.usage import Usage


class _WriteDetails(Struct, frozen=True, gc=False):
    ttl_30m_tokens: int | None = None
    ttl_12h_tokens: int | None = None


class _InputDetails(Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WriteDetails | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _WireUsage(Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


_decode = msgspec.json.Decoder(_WireUsage, strict=False).decode
_NO_INPUT = _InputDetails()
_NO_OUTPUT = _OutputDetails()


def read(usage: Mapping[str, Any] | bytes, *, tier: str | None = None, web_searches: int = 0) -> Usage:
    """The canonical record of one wire object; without any counts when it reports none.

    `tier` is the `service_tier` that stands beside it in the response; `web_searches` counts completed
    `web_search_call` items, which are billed by the piece.
    """
    raw = usage if isinstance(usage, bytes) else msgspec.json.encode(usage)
    try:
        wire = _decode(raw)
    except msgspec.DecodeError:
        wire = _WireUsage()
    if wire.input_tokens is None and wire.output_tokens is None:
        return Usage(tier=tier, raw=Raw(raw))
    found: dict[str, Any] = {}
    clipped = _read_input(wire, found) | _read_output(wire, found)
    if web_searches:
        found["n_web_search"] = web_searches
    return Usage(**found, tier=tier, inconsistent=clipped, raw=Raw(raw))


def _read_input(wire: _WireUsage, found: dict[str, Any]) -> bool:
    details = wire.input_tokens_details or _NO_INPUT
    reads, writes = details.cached_tokens, details.cache_write_tokens
    uncached = (wire.input_tokens or 0) - (reads or 0) - (writes or 0)
    clipped = uncached < 0
    uncached = max(0, uncached)
    audio = min(details.audio_tokens or 0, uncached)
    image = min(details.image_tokens or 0, uncached - audio)
    found["input_text"] = uncached - audio - image
    if details.audio_tokens is not None:
        found["input_audio"] = audio
    if details.image_tokens is not None:
        found["input_image"] = image
    if reads is not None:
        found["cache_read_text"] = reads
    if writes is not None:
        split = details.cache_write_tokens_details
        half_day = min(split.ttl_12h_tokens or 0, writes) if split is not None else 0
        found["cache_write_30m"] = writes - half_day
        if split is not None:
            found["cache_write_12h"] = half_day
    return clipped


def _read_output(wire: _WireUsage, found: dict[str, Any]) -> bool:
    details = wire.output_tokens_details or _NO_OUTPUT
    output, reasoning = wire.output_tokens or 0, details.reasoning_tokens
    media = (details.audio_tokens or 0) + (details.image_tokens or 0)
    if reasoning is not None:
        found["output_reasoning"] = reasoning
    if details.audio_tokens is not None:
        found["output_audio"] = details.audio_tokens
    if details.image_tokens is not None:
        found["output_image"] = details.image_tokens
    if (reasoning or 0) + media > output:
        # Some compatible servers count reasoning beside the output, not in it.
        found["output_text"] = max(0, output - media)
        return True
    found["output_text"] = output - (reasoning or 0) - media
    return False


def write(usage: Usage) -> dict[str, Any]:
    """The wire object. The three detail counts that the official type requires are always there."""
    inputs: dict[str, Any] = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    long_writes = (usage.cache_write_1h or 0) + (usage.cache_write_12h or 0)
    if usage.cache_write_12h is not None or long_writes:
        inputs["cache_write_tokens_details"] = {
            "ttl_30m_tokens": usage.cache_write - long_writes,
            "ttl_12h_tokens": long_writes,
        }
    _put(inputs, "audio_tokens", usage.input_audio, usage.cache_read_audio)
    _put(inputs, "image_tokens", usage.input_image, usage.cache_read_image)
    outputs: dict[str, Any] = {"reasoning_tokens": usage.output_reasoning or 0}
    _put(outputs, "audio_tokens", usage.output_audio)
    _put(outputs, "image_tokens", usage.output_image)
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": inputs,
        "output_tokens": usage.total_output,
        "output_tokens_details": outputs,
        "total_tokens": usage.total,
    }


def _put(target: dict[str, Any], name: str, *counts: int | None) -> None:
    if any(count is not None for count in counts):
        target[name] = sum(count or 0 for count in counts)
