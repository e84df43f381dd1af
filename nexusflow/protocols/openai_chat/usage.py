"""Usage of Chat Completions, to and from the canonical record (protocols 1.2.5, 4.2, 4.3).

`prompt_tokens` includes cache reads and writes, `completion_tokens` includes reasoning, says the protocol. Compatible
providers leave out any member, and some count reasoning beside the completion; the total tells.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.usage import Usage


class _InputDetails(Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None


class _OutputDetails(Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class _ToolUse(Struct, frozen=True, gc=False):
    web_search_requests: int | None = None


class _WireUsage(Struct, frozen=True, gc=False):
    """`cached_tokens`, `num_cached_tokens` and `prompt_cache_hit_tokens` at the top are dialects of the detail."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    server_tool_use_details: _ToolUse | None = None


class _Groq(Struct, frozen=True, gc=False):
    usage: Raw = Raw(b"null")


class _Choice(Struct, frozen=True, gc=False):
    usage: Raw = Raw(b"null")


class _Metered(Struct, frozen=True):
    usage: Raw = Raw(b"null")
    service_tier: Any = None
    x_groq: _Groq | None = None
    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_WireUsage, strict=False).decode
_decode_metered = msgspec.json.Decoder(_Metered).decode
_NO_INPUT = _InputDetails()
_NO_OUTPUT = _OutputDetails()
_INPUT_MEDIA = ("audio", "image", "video")
_OUTPUT_MEDIA = ("audio", "image")


def read(raw: Mapping[str, Any] | bytes, *, tier: str | None = None) -> Usage:
    """The canonical record of one wire object; an empty one where it says nothing that can be understood.

    `tier` is the `service_tier` that stands beside it in the answer.
    """
    body = raw if isinstance(raw, bytes) else msgspec.json.encode(raw)
    try:
        wire = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        wire = _WireUsage()
    if not wire.prompt_tokens and not wire.completion_tokens:
        return Usage(
            input_text=wire.prompt_tokens, output_text=wire.completion_tokens, tier=tier or None, raw=Raw(body)
        )
    found: dict[str, Any] = {}
    odd_input = _read_input(wire, found)
    odd_output = _read_output(wire, found)
    if wire.server_tool_use_details is not None:
        found["n_web_search"] = wire.server_tool_use_details.web_search_requests
    return Usage(**found, tier=tier or None, inconsistent=odd_input or odd_output, raw=Raw(body))


def find(answer: bytes, *, zeros: bool = False) -> Usage | None:
    """The record of a whole answer or a chunk, in whichever of the known places it stands.

    Zeros say nothing in a stream (T49); in a whole answer (`zeros`) they are a report like any other (B-06).
    """
    try:
        wire = _decode_metered(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    tier = wire.service_tier if isinstance(wire.service_tier, str) else None
    places = [wire.usage, *(one.usage for one in wire.choices or ())]
    if wire.x_groq is not None:
        places.append(wire.x_groq.usage)
    return first(places, tier=tier, zeros=zeros)


def first(places: Iterable[Raw], *, tier: str | None, zeros: bool = False) -> Usage | None:
    """The record of the first of several wire objects that says anything; those that are absent are empty or null."""
    zero: Usage | None = None
    for place in places:
        text = bytes(place)
        if text and text != b"null":
            record = read(text, tier=tier)
            if record.total or record.inconsistent:
                return record
            if zeros and record.input_text is not None and record.output_text is not None:
                zero = record
    return zero


def _read_input(wire: _WireUsage, found: dict[str, Any]) -> bool:
    """Fill in the input classes. True when a subtraction had to be clipped."""
    details = wire.prompt_tokens_details or _NO_INPUT
    reads = _first(details.cached_tokens, wire.prompt_cache_hit_tokens, wire.cached_tokens, wire.num_cached_tokens)
    writes = _first(details.cache_write_tokens, wire.cache_creation_input_tokens)
    uncached = (wire.prompt_tokens or 0) - (reads or 0) - (writes or 0)
    clipped, left = uncached < 0, max(0, uncached)
    for medium in _INPUT_MEDIA if details is not _NO_INPUT else ():
        tokens = getattr(details, f"{medium}_tokens")
        if tokens is not None:
            found[f"input_{medium}"] = min(tokens, left)
            left -= min(tokens, left)
    found["input_text"] = left
    found["cache_read_text"] = reads
    found["cache_write_30m"] = writes
    return clipped


def _read_output(wire: _WireUsage, found: dict[str, Any]) -> bool:
    """Fill in the output classes. True when they do not add up."""
    details = wire.completion_tokens_details or _NO_OUTPUT
    completion = wire.completion_tokens or 0
    reasoning = _first(details.reasoning_tokens, wire.reasoning_tokens)
    beside = (wire.total_tokens or 0) - (wire.prompt_tokens or 0) - completion
    within, odd = reasoning or 0, False
    if beside > 0 and not reasoning:
        # Google's compatible endpoint counts thoughts in the total alone.
        reasoning, within, odd = beside, 0, True
    elif reasoning and (beside == reasoning or reasoning > completion):
        within, odd = 0, beside != reasoning
    left = completion - within
    for medium in _OUTPUT_MEDIA if details is not _NO_OUTPUT else ():
        tokens = getattr(details, f"{medium}_tokens")
        if tokens is not None:
            found[f"output_{medium}"] = min(tokens, max(0, left))
            left -= tokens
    found["output_text"] = max(0, left)
    found["output_reasoning"] = reasoning
    found["pred_accepted"] = details.accepted_prediction_tokens
    found["pred_rejected"] = details.rejected_prediction_tokens
    return odd or left < 0


def _first(*counts: int | None) -> int | None:
    """The first that says something; a zero only when no other is larger."""
    found: int | None = None
    for count in counts:
        if count:
            return count
        found = count if found is None else found
    return found


def write(usage: Usage) -> dict[str, Any]:
    """The wire object. A detail that the provider did not speak of is left out (T45)."""
    inputs: dict[str, Any] = {}
    _put(
        inputs,
        "cached_tokens",
        usage.cache_read_text,
        usage.cache_read_audio,
        usage.cache_read_image,
        usage.cache_read_video,
    )
    _put(
        inputs,
        "cache_write_tokens",
        usage.cache_write_5m,
        usage.cache_write_30m,
        usage.cache_write_1h,
        usage.cache_write_12h,
    )
    _put(inputs, "audio_tokens", usage.input_audio, usage.cache_read_audio)
    _put(inputs, "image_tokens", usage.input_image, usage.cache_read_image)
    _put(inputs, "video_tokens", usage.input_video, usage.cache_read_video)
    outputs: dict[str, Any] = {}
    _put(outputs, "reasoning_tokens", usage.output_reasoning)
    _put(outputs, "audio_tokens", usage.output_audio)
    _put(outputs, "image_tokens", usage.output_image)
    _put(outputs, "accepted_prediction_tokens", usage.pred_accepted)
    _put(outputs, "rejected_prediction_tokens", usage.pred_rejected)
    written: dict[str, Any] = {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total,
    }
    if inputs:
        written["prompt_tokens_details"] = inputs
    if outputs:
        written["completion_tokens_details"] = outputs
    return written


def _put(target: dict[str, Any], name: str, *counts: int | None) -> None:
    if any(count is not None for count in counts):
        target[name] = sum(count or 0 for count in counts)
