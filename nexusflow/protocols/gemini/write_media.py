"""Images, sound, video and files for a Gemini provider (protocols 2.1.2)."""

import mimetypes
from typing import Any
from urllib.parse import urlsplit

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Data, FileRef, Media, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import media
from nexusflow.protocols.common.places import Places
from nexusflow.protocols.gemini.tables import ORIGIN

_YOUTUBE = ("youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be")
_LEVELS = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "original": "ULTRA_HIGH"}


class MediaWriter:
    """Writes media parts for one destination."""

    def __init__(self, places: Places, to: Destination, losses: Losses) -> None:
        self._places = places
        self._to = to
        self._losses = losses

    def write(self, found: Media) -> dict[str, Any]:
        """The part. Raises `RequestRefused` for what the model does not take."""
        caps = self._to.capabilities
        if found.kind not in caps.input and not (found.kind == "file" and caps.pdf):
            raise self._refused(
                found, f"this model does not take {found.kind} input; it takes: {', '.join(caps.input)}"
            )
        part = self.bare(found)
        if found.detail in _LEVELS:
            if caps.reasoning.shape == "level":  # the models that take it for each part
                part["mediaResolution"] = {"level": f"MEDIA_RESOLUTION_{_LEVELS[found.detail]}"}
            else:
                self._losses.drop(self._places.detail(found))
        return part

    def bare(self, found: Media) -> dict[str, Any]:
        """The data or address alone, as function responses have it too."""
        source = found.source
        if isinstance(source, Data):
            return {"inlineData": {"mimeType": source.mime, "data": media.standard_base64(source.base64)}}
        if isinstance(source, FileRef):
            if source.origin != ORIGIN:
                raise self._refused(found, "a file kept by another vendor cannot be read by this model")
            return {"fileData": _file(source.id, source.mime)}
        return {"fileData": self._address(found, source)}

    def _address(self, found: Media, source: Url) -> dict[str, Any]:
        if urlsplit(source.url).hostname in _YOUTUBE:
            return _file(source.url, source.mime or "video/mp4")
        if not self._to.capabilities.image_url:
            raise self._refused(found, "this model does not fetch addresses; send the data itself")
        return _file(source.url, source.mime or mimetypes.guess_type(urlsplit(source.url).path)[0])

    def _refused(self, found: Media, message: str) -> RequestRefused:
        path = self._places.media(found)
        return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_content")


def _file(uri: str, mime: str | None) -> dict[str, Any]:
    return {"fileUri": uri, **({"mimeType": mime} if mime else {})}
