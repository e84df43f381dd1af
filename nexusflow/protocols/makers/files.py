"""Files in the answers of platforms that run anybody's model: addresses wherever the model put them."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from nexusflow.ir.chat import Data
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.task import Output
from nexusflow.protocols.common import media
from nexusflow.protocols.makers import reading

_DEPTH, _MOST = 4, 64
_MIMES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
}


def outputs(value: Any) -> tuple[Output, ...]:
    """Every file that `value` speaks of, in order: addresses, `data:` URLs, and objects with a `url` of either kind."""
    return tuple(found for found, _ in zip(_found(value, _DEPTH), range(_MOST), strict=False))


def _found(value: Any, depth: int) -> Iterator[Output]:
    if isinstance(value, str):
        output = _output(value, {})
        if output is not None:
            yield output
    elif isinstance(value, dict) and isinstance(value.get("url"), str):
        output = _output(value["url"], value)
        if output is not None:
            yield output
    elif isinstance(value, list | dict) and depth:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _found(part, depth - 1)


def _output(url: str, about: Mapping[str, Any]) -> Output | None:
    seconds = reading.seconds(about.get("duration"))
    if url[:5].lower() == "data:":
        try:
            data = media.from_url(url, "url")
        except RequestRefused:
            return None
        return Output(data=data.base64, mime=data.mime, seconds=seconds) if isinstance(data, Data) else None
    if reading.address(url) is None:
        return None
    return Output(url=url, mime=_mime(about.get("content_type"), url), seconds=seconds)


def _mime(said: object, url: str) -> str | None:
    """As the answer says, else as the name of the file does."""
    told = media.normal_mime(said) if isinstance(said, str) else ""
    if told and told != media.UNKNOWN:
        return told
    name = urlsplit(url).path.rpartition("/")[2]
    return _MIMES.get(name[name.rfind(".") :].lower()) if "." in name else None
