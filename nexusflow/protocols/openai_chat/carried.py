"""Content of another protocol that a Chat client cannot see but must bring back: CARRY of protocols 2.0.3 and 2.2.

`message.provider_content` holds blocks that only their maker understands, such as a server tool's call and result;
`message.citations` the sources of a stretch of text with the members that `annotations` has no place for. `at` and
`to` count characters of `content`, so that the blocks return to their places and the text is parted as it was.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Citation, Origin, Part, Text, Unknown


class Block(Struct, frozen=True):
    """One element of `provider_content`."""

    index: int
    origin: Origin
    type: str
    at: int
    block: Raw


class Cited(Struct, frozen=True):
    """One element of `citations`: what the text from `at` to `to` rests on."""

    index: int
    at: int
    to: int
    citation: Citation


class Carry:
    """Collects what one message carries."""

    __slots__ = ("blocks", "cited")

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.cited: list[Cited] = []

    def block(self, part: Unknown, at: int) -> None:
        """A foreign block that stands after `at` characters of text."""
        self.blocks.append(Block(len(self.blocks), part.origin, part.type, at, part.raw))

    def text(self, citations: Sequence[Citation], at: int, to: int) -> None:
        """The sources of one text part; those that an annotation says in full are left to it."""
        for citation in citations:
            if citation.kind == "document" or citation.ext is not None:
                self.cited.append(Cited(len(self.cited), at, to, citation))

    def members(self) -> dict[str, Any]:
        """The message's extra members."""
        found: dict[str, Any] = {"provider_content": self.blocks, "citations": self.cited}
        return {name: value for name, value in found.items() if value}


def annotation(citation: Citation, start: int, end: int) -> dict[str, Any] | None:
    """`citation` of the text from `start` to `end` as a client's annotation; None for what has no address.

    The bounds of that text are used where the citation names none.
    """
    if citation.kind != "url" or citation.url is None:
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": start if citation.start is None else start + citation.start,
            "end_index": end if citation.end is None else start + citation.end,
            "title": citation.title or "",
            "url": citation.url,
        },
    }


_read_blocks = msgspec.json.Decoder(list[Block]).decode
_read_cited = msgspec.json.Decoder(list[Cited]).decode


def restore(text: str, blocks: Raw | None, cited: Raw | None) -> list[Part]:
    """The parts that a message was made of. Carried members that are not ours are ignored: anything may be sent."""
    try:
        foreign = _read_blocks(blocks) if blocks is not None else []
    except msgspec.DecodeError:
        foreign = []
    try:
        sources = _read_cited(cited) if cited is not None else []
    except msgspec.DecodeError:
        sources = []
    cuts = {0, len(text)} | {block.at for block in foreign} | {edge for one in sources for edge in (one.at, one.to)}
    edges = sorted(cut for cut in cuts if 0 <= cut <= len(text))
    parts: list[Part] = []
    for start, end in zip(edges, [*edges[1:], None], strict=True):
        parts += [Unknown(origin=one.origin, type=one.type, raw=one.block) for one in foreign if one.at == start]
        if end is not None:
            found = tuple(one.citation for one in sources if one.at <= start and end <= one.to)
            parts.append(Text(text=text[start:end], citations=found))
    return parts
