"""`usageMetadata` to disjoint classes and back (protocols 4.2, 4.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini.tables import TRAFFIC_TIERS


class ModalityCount(Struct, frozen=True, gc=False):
    """Tokens of one modality. Zero may be left out."""

    modality: str = "TEXT"
    tokenCount: int = 0


Details = list[ModalityCount]
_NULL = Raw(b"null")


class UsageMark(Struct, frozen=True, gc=False):
    """The least of it: whether it speaks of tokens, which Vertex's does only at the end (T42, T49).

    An answer is not refused for a count that is no whole number; only its report is not believed (B-08).
    """

    totalTokenCount: Raw = _NULL
    promptTokenCount: Raw = _NULL
    candidatesTokenCount: Raw = _NULL
    thoughtsTokenCount: Raw = _NULL

    @property
    def counts(self) -> bool:
        """Whether there is any count."""
        told = (self.totalTokenCount, self.promptTokenCount, self.candidatesTokenCount, self.thoughtsTokenCount)
        return any(bytes(count) != b"null" for count in told)


class UsageMetadata(Struct, frozen=True):
    """Google's usage object; every field may be missing."""

    totalTokenCount: int | None = None
    promptTokenCount: int | None = None
    candidatesTokenCount: int | None = None
    thoughtsTokenCount: int | None = None
    cachedContentTokenCount: int | None = None
    toolUsePromptTokenCount: int | None = None
    promptTokensDetails: Details | None = None
    cacheTokensDetails: Details | None = None
    candidatesTokensDetails: Details | None = None
    trafficType: str | None = None
    serviceTier: str | None = None


class _Holder(Struct, frozen=True):
    usageMetadata: Raw = Raw(b"{}")


_decode = msgspec.json.Decoder(UsageMetadata).decode
_decode_mark = msgspec.json.Decoder(UsageMark).decode
_decode_holder = msgspec.json.Decoder(_Holder).decode
_TRAFFIC: dict[str | None, str] = {tier: traffic for traffic, tier in TRAFFIC_TIERS.items()}
"""The one of the two fields for the tier that Google's own SDK knows."""
_CLASSES = {"IMAGE": "image", "VIDEO": "video", "AUDIO": "audio"}  # a document counts as text


class _Ledger:
    """Subtractions that may not fall below zero, and the memory of one that would have."""

    def __init__(self) -> None:
        self.clipped = False

    def less(self, whole: int, part: int) -> int:
        if part > whole:
            self.clipped = True
            return 0
        return whole - part


def read(usage: Mapping[str, Any] | Raw | bytes, *, queries: int | None = None, maps: bool = False) -> Usage:
    """Disjoint counts of a `usageMetadata` object.

    `queries` is the number of web searches of a grounded answer, `maps` whether a map was asked. Where there were any,
    tokens of tool use are not charged as input: the searches are (T50). Raises `msgspec.DecodeError` (or its
    `ValidationError`) for an odd object.
    """
    raw = bytes(usage) if isinstance(usage, Raw | bytes) else msgspec.json.encode(usage)
    found = _decode(raw)
    ledger = _Ledger()
    cached, prompt = _input(found, ledger)
    reasoning, output = _output(found, ledger)
    tool = found.toolUsePromptTokenCount
    return Usage(
        input_text=prompt.get("text"),
        input_image=prompt.get("image"),
        input_video=prompt.get("video"),
        input_audio=prompt.get("audio"),
        cache_read_text=cached.get("text"),
        cache_read_image=cached.get("image"),
        cache_read_video=cached.get("video"),
        cache_read_audio=cached.get("audio"),
        tool_input=0 if (queries or maps) and tool is not None else tool,
        output_reasoning=reasoning,
        output_text=output.get("text"),
        output_image=output.get("image"),
        output_audio=output.get("audio"),
        n_grounding=queries,
        n_maps=1 if maps else None,
        tier=found.serviceTier or TRAFFIC_TIERS.get(found.trafficType or ""),
        inconsistent=ledger.clipped,
        raw=Raw(raw),
    )


def reported(answer: bytes | None, *, queries: int | None, maps: bool) -> Usage | None:
    """What an answer or a frame with a `usageMetadata` reports; None without one that speaks of tokens."""
    if answer is None:
        return None
    try:
        raw = _decode_holder(answer).usageMetadata
        return read(raw, queries=queries, maps=maps) if _decode_mark(raw).counts else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def summed(records: Sequence[Usage]) -> Usage:
    """Several pieces of one answer as one record, with the last one's tier; none of them is the whole's own report."""
    counts: dict[str, Any] = {}
    for record in records:
        for name in Usage.__struct_fields__:
            value = getattr(record, name)
            if type(value) is int:
                counts[name] = counts.get(name, 0) + value
    return Usage(**counts, tier=records[-1].tier, inconsistent=any(record.inconsistent for record in records))


def _input(found: UsageMetadata, ledger: _Ledger) -> tuple[dict[str, int], dict[str, int]]:
    """Cache reads and uncached input by modality; what the details leave over is text."""
    cached: dict[str, int] = {}
    prompt: dict[str, int] = {}
    if found.cachedContentTokenCount is not None:
        cached = _split(found.cachedContentTokenCount, found.cacheTokensDetails, ledger)
    if found.promptTokenCount is not None:
        whole = _split(found.promptTokenCount, found.promptTokensDetails, ledger)
        prompt = {name: ledger.less(tokens, cached.get(name, 0)) for name, tokens in whole.items()}
    return cached, prompt


def _split(total: int, details: Details | None, ledger: _Ledger) -> dict[str, int]:
    by_class = _by_class(details)
    media = {name: tokens for name, tokens in by_class.items() if name != "text"}
    return {"text": ledger.less(total, sum(media.values())), **media}


def _output(found: UsageMetadata, ledger: _Ledger) -> tuple[int | None, dict[str, int]]:
    """Reasoning, and the other output by modality. Some backends count thoughts among the candidates (T41)."""
    thoughts, candidates = found.thoughtsTokenCount, found.candidatesTokenCount
    total = found.totalTokenCount
    known = (found.promptTokenCount or 0) + (candidates or 0) + (found.toolUsePromptTokenCount or 0)
    inclusive = bool(thoughts) and total == known
    excess = (total or 0) - known - (0 if inclusive else thoughts or 0)
    if total is not None and found.promptTokenCount is not None and excess > 0:
        thoughts = (thoughts or 0) + excess
        ledger.clipped = True
    output: dict[str, int] = {}
    if candidates is None:
        return thoughts, output
    by_class = _by_class(found.candidatesTokensDetails)
    for name in ("image", "audio"):
        if name in by_class:
            output[name] = by_class[name]
    spoken_for = sum(output.values()) + (thoughts or 0 if inclusive else 0)
    output["text"] = ledger.less(candidates, spoken_for)
    return thoughts, output


def _by_class(details: Details | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in details or ():
        name = _CLASSES.get(entry.modality, "text")
        found[name] = found.get(name, 0) + entry.tokenCount
    return found


def write(usage: Usage) -> dict[str, Any]:
    """The `usageMetadata` of a record. Counts that nobody reported are left out."""
    prompt = usage.total_input - (usage.tool_input or 0)
    written: dict[str, Any] = {"promptTokenCount": prompt}
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    output = usage.total_output - (usage.output_reasoning or 0)
    if output or usage.output_text is not None:
        written["candidatesTokenCount"] = output
    if usage.tool_input:
        written["toolUsePromptTokenCount"] = usage.tool_input
    if usage.output_reasoning:
        written["thoughtsTokenCount"] = usage.output_reasoning
    written["totalTokenCount"] = usage.total
    _put_details(written, usage)
    if usage.tier in _TRAFFIC:
        written["trafficType"] = _TRAFFIC[usage.tier]
    return written


def _put_details(written: dict[str, Any], usage: Usage) -> None:
    """The splits by modality. Writes to a cache are of text, and a text-only answer needs no split."""
    cached_text, written_text = usage.cache_read_text or 0, usage.cache_write
    prompt = {
        "TEXT": (usage.input_text or 0) + cached_text + written_text,
        "IMAGE": (usage.input_image or 0) + (usage.cache_read_image or 0),
        "VIDEO": (usage.input_video or 0) + (usage.cache_read_video or 0),
        "AUDIO": (usage.input_audio or 0) + (usage.cache_read_audio or 0),
    }
    cache = {
        "TEXT": cached_text,
        "IMAGE": usage.cache_read_image or 0,
        "VIDEO": usage.cache_read_video or 0,
        "AUDIO": usage.cache_read_audio or 0,
    }
    for key, counts in (("promptTokensDetails", prompt), ("cacheTokensDetails", cache)):
        if any(counts.values()):
            written[key] = _details(counts)
    if usage.output_image or usage.output_audio:
        output = {"TEXT": usage.output_text, "IMAGE": usage.output_image, "AUDIO": usage.output_audio}
        written["candidatesTokensDetails"] = _details({name: count or 0 for name, count in output.items()})


def _details(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]
