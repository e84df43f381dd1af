"""How a client's stream is spelled: numbered frames, annotations, log-probabilities."""

from collections.abc import Sequence
from typing import Any

import msgspec

from nexusflow.ir.chat import Citation, Logprob

encode = msgspec.json.Encoder().encode


class Frames:
    """Numbers the frames of one stream from 0 on, without a gap."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def spell(self, type_: bytes, **members: Any) -> bytes:
        """One frame of few: any members, encoded as they are."""
        return self.splice(type_, encode(members)[1:-1])

    def splice(self, type_: bytes, members: bytes) -> bytes:
        """One frame around members that are JSON already."""
        number = self.number
        self.number = number + 1
        return b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (type_, type_, members, number)

    def close(self, opened: bytes, text: str, tail: bytes) -> bytes:
        """One frame of many: only `text` and the number are encoded anew."""
        number = self.number
        self.number = number + 1
        return b"%b%b%b%d}\n\n" % (opened, encode(text), tail, number)


def delta_head(type_: str, members: dict[str, Any]) -> bytes:
    """The beginning of every delta frame of one part, up to the text."""
    return f"event: {type_}\ndata: ".encode() + encode({"type": type_, **members})[:-1] + b',"delta":'


def annotation(citation: Citation, length: int) -> dict[str, Any] | None:
    """A citation as this protocol's annotation, or None when it has none for it.

    A source without a place covers the text so far, `length` characters: the type demands both ends.
    """
    if citation.ext is not None and citation.origin == "openai/responses":
        return {name: msgspec.json.decode(value) for name, value in citation.ext.items()}
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "start_index": citation.start if citation.start is not None else 0,
        "end_index": citation.end if citation.end is not None else length,
        "url": citation.url,
        "title": citation.title or "",
    }


def quoted(citation: Citation) -> dict[str, Any]:
    """A citation of a document, which the protocol cannot express: the extension member `citations` carries it."""
    members = {
        "title": citation.title,
        "cited_text": citation.cited_text,
        "start_index": citation.start,
        "end_index": citation.end,
    }
    return {"type": citation.kind, **{name: value for name, value in members.items() if value is not None}}


def logprobs(found: Sequence[Logprob]) -> list[dict[str, Any]]:
    """Log-probabilities as they stand in a text part and in its deltas."""
    return [{**_token(one), "top_logprobs": [_token(other) for other in one.top]} for one in found]


def _token(one: Logprob) -> dict[str, Any]:
    return {"token": one.token, "bytes": list(one.bytes or one.token.encode()), "logprob": one.logprob}
