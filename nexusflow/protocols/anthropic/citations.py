"""Citations of text blocks, both directions (protocols 1.4.2, 2.2).

A citation covers the whole text block that carries it; the positions in it are positions in the cited document.
"""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Citation
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_WEB = "web_search_result_location"
_TITLES = ("title", "document_title")


def read(fields: Fields) -> Citation:
    """One citation. All that only this provider can make sense of is kept in `ext`, its type included."""
    kind = _text(fields, "type")
    web = kind == _WEB
    if web and not _text(fields, "encrypted_index"):
        # Made by us of another protocol's source: there is no index, so it is nothing to this provider.
        return Citation(url=_text(fields, "url"), title=_text(fields, "title"), cited_text=_text(fields, "cited_text"))
    kept = {name: value for name, value in fields.items() if name not in ("cited_text", "url", *_TITLES)}
    return Citation(
        kind="url" if web else "document",
        url=_text(fields, "url"),
        title=_text(fields, "title") or _text(fields, "document_title"),
        cited_text=_text(fields, "cited_text"),
        origin=ORIGIN,
        ext=kept,
    )


def write_native(citation: Citation) -> dict[str, Any] | None:
    """A citation as this provider made it; None for one that it did not make and would refuse."""
    if citation.origin != ORIGIN or citation.ext is None:
        return None
    found: dict[str, Any] = dict(citation.ext)
    kind = jsonedit.as_text(citation.ext.get("type", Raw(b"null"))) or ""
    found["cited_text"] = citation.cited_text or ""
    if kind in (_WEB, "search_result_location"):
        found["title"] = citation.title
    else:
        found["document_title"] = citation.title
    if citation.url is not None:
        found["url"] = citation.url
    return found


def write(citation: Citation) -> dict[str, Any] | None:
    """A citation for a client of this protocol; None for one that has no address to show.

    A source from another protocol becomes a web result with an empty index, which cannot be invented: clients can
    show it, and `read` knows it again.
    """
    native = write_native(citation)
    if native is not None or citation.url is None:
        return native
    return {
        "type": _WEB,
        "cited_text": citation.cited_text or "",
        "url": citation.url,
        "title": citation.title,
        "encrypted_index": "",
    }


def encoded(citation: Citation) -> bytes | None:
    """`write` as JSON text."""
    found = write(citation)
    return None if found is None else msgspec.json.encode(found)


def _text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else jsonedit.as_text(value)
