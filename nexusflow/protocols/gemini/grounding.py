"""Sources of an answer: Google's grounding by byte offsets, ours as citations by characters, and back."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Citation
from nexusflow.protocols.gemini.tables import ORIGIN


class Source(Struct, frozen=True, gc=False):
    """A page, a place or a stored document."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None


class Chunk(Struct, frozen=True):
    """One source, by its kind."""

    web: Source | None = None
    maps: Source | None = None
    retrievedContext: Source | None = None
    image: Source | None = None


class Segment(Struct, frozen=True, gc=False):
    """Where in the answer: bytes of one part's UTF-8. Zero is left out."""

    partIndex: int = 0
    startIndex: int = 0
    endIndex: int = 0
    text: str | None = None


class Support(Struct, frozen=True):
    """A segment and what supports it."""

    segment: Segment | None = None
    groundingChunkIndices: list[int] | None = None


class Metadata(Struct, frozen=True):
    """`groundingMetadata`."""

    groundingChunks: list[Chunk] | None = None
    groundingSupports: list[Support] | None = None
    webSearchQueries: list[str] | None = None


class _Recited(Struct, frozen=True, gc=False):
    startIndex: int = 0
    endIndex: int = 0
    uri: str | None = None
    title: str | None = None


class _CitationMetadata(Struct, frozen=True):
    citations: list[_Recited] | None = None


class Placed(Struct, frozen=True):
    """A citation, and which of the answer's texts it stands in (an index into those that were given)."""

    text: int
    citation: Citation


_decode = msgspec.json.Decoder(Metadata).decode
_decode_citations = msgspec.json.Decoder(_CitationMetadata).decode


def parse(raw: Raw | None) -> Metadata:
    """The metadata, or an empty one where there is none that can be read."""
    try:
        return _decode(raw) if raw is not None else Metadata()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Metadata()


def read(metadata: Metadata, recited: Raw | None, texts: Sequence[tuple[int, str]]) -> list[Placed]:
    """All citations of an answer. `texts` are its visible texts with the index of the part each stands in."""
    if not texts:
        return []
    placed: list[Placed] = []
    chunks = metadata.groundingChunks or []
    cited: set[int] = set()
    for support in metadata.groundingSupports or ():
        segment = support.segment or Segment()
        at, start, end = _locate(segment, texts)
        for index in support.groundingChunkIndices or ():
            if 0 <= index < len(chunks):
                cited.add(index)
                placed.append(Placed(at, _citation(chunks[index], start, end)))
    uncited = [chunk for index, chunk in enumerate(chunks) if index not in cited]
    placed += [Placed(len(texts) - 1, _citation(chunk, None, None)) for chunk in uncited]
    return placed + _recitations(recited, texts)


def _recitations(raw: Raw | None, texts: Sequence[tuple[int, str]]) -> list[Placed]:
    """`citationMetadata`: passages that stand elsewhere too."""
    try:
        found = _decode_citations(raw).citations if raw is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    placed = []
    for one in found or ():
        at, start, end = _locate(Segment(startIndex=one.startIndex, endIndex=one.endIndex), texts)
        placed.append(Placed(at, Citation(url=one.uri, title=one.title, start=start, end=end, origin=ORIGIN)))
    return placed


def _citation(chunk: Chunk, start: int | None, end: int | None) -> Citation:
    document = chunk.retrievedContext
    source = document or chunk.web or chunk.maps or chunk.image or Source()
    return Citation(
        kind="document" if document is not None else "url",
        url=source.uri,
        title=source.title,
        cited_text=source.text if document is not None else None,
        start=start,
        end=end,
        origin=ORIGIN,
    )


def _locate(segment: Segment, texts: Sequence[tuple[int, str]]) -> tuple[int, int | None, int | None]:
    """Which text a segment is in, and where, in characters.

    Google counts parts in different ways (with or without thoughts, within a frame or the whole answer), so the
    segment's own words decide where it gives them.
    """
    order = sorted(range(len(texts)), key=lambda at: texts[at][0] != segment.partIndex)
    for at in order:
        span = _characters(texts[at][1], segment)
        if span is not None:
            return at, *span
    if segment.text:
        for at in order:
            start = texts[at][1].find(segment.text)
            if start >= 0:
                return at, start, start + len(segment.text)
    return len(texts) - 1, None, None


def _characters(text: str, segment: Segment) -> tuple[int, int] | None:
    raw = text.encode("utf-8", "surrogatepass")
    start, end = segment.startIndex, segment.endIndex
    if not 0 <= start < end <= len(raw):
        return None
    before, within = (raw[a:b].decode("utf-8", "replace") for a, b in ((0, start), (start, end)))
    if segment.text is not None and within != segment.text:
        return None
    return len(before), len(before) + len(within)


def write(texts: Sequence[tuple[int, str, Sequence[Citation]]]) -> dict[str, Any] | None:
    """The `groundingMetadata` of an answer's texts (index of the part, text, its citations); None without sources."""
    chunks: dict[tuple[str, str | None, str | None], int] = {}
    supports: dict[tuple[int, int, int], tuple[str, list[int]]] = {}
    for part, text, citations in texts:
        for citation in citations:
            number = chunks.setdefault((citation.kind, citation.url, citation.title), len(chunks))
            start, end = citation.start, citation.end
            if start is None or end is None or not 0 <= start < end <= len(text):
                continue
            first, within = len(text[:start].encode()), text[start:end]
            place = (part, first, first + len(within.encode()))
            numbers = supports.setdefault(place, (within, []))[1]
            if number not in numbers:
                numbers.append(number)
    if not chunks:
        return None
    return {
        "groundingChunks": [_chunk(*source) for source in chunks],
        "groundingSupports": [_support(place, *found) for place, found in supports.items()],
    }


def _chunk(kind: str, url: str | None, title: str | None) -> dict[str, Any]:
    source = {name: value for name, value in (("uri", url), ("title", title)) if value is not None}
    return {"web" if kind == "url" else "retrievedContext": source}


def _support(place: tuple[int, int, int], text: str, chunks: list[int]) -> dict[str, Any]:
    part, start, end = place
    segment: dict[str, Any] = {"startIndex": start, "endIndex": end, "text": text}
    if part:
        segment["partIndex"] = part
    return {"segment": segment, "groundingChunkIndices": chunks}
