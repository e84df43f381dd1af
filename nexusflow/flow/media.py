"""Media given by URL for a provider that takes only bytes: fetched once, before the request is written (2.1.2)."""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import ChatCall, Data, Media, Origin, Part, ToolResult, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import media
from nexusflow.protocols.common.places import Places
from nexusflow.upstream.guard import NotFetched

YOUTUBE = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
"""Google watches these itself."""
MAX_TOTAL = 32 * 1024 * 1024
"""Bytes that may be fetched for one call: as many as its body could have held."""
_AT_ONCE = 4
_P = TypeVar("_P", bound=Part)


class Fetches(Protocol):
    """The part of the fetcher that is needed."""

    async def fetch(self, url: str) -> tuple[bytes, str]:
        """The bytes behind an address and their type as said there."""


class _Fetched(msgspec.Struct, frozen=True):
    """`said` is the type that the server said, `seen` the one that the bytes show."""

    base64: str
    seen: str
    said: str


async def resolve(call: ChatCall, flags: Capabilities, protocol: Origin, fetcher: Fetches) -> ChatCall:
    """`call` with the bytes of every address that the target cannot fetch; the same object when there is none.

    Raises `RequestRefused` naming the part whose media could not be had.
    """
    places = Places(call)
    wanted: dict[str, str] = {}
    for part in _media(call):
        if (url := _unfit(part, flags, protocol)) is not None and url not in wanted:
            wanted[url] = places.media(part)
    if not wanted:
        return call
    found = await _all(wanted, fetcher)
    turns = []
    for turn in call.turns:
        parts = tuple(_put(part, places, found) for part in turn.parts)
        turns.append(msgspec.structs.replace(turn, parts=parts))
    return msgspec.structs.replace(call, turns=tuple(turns))


def needed(call: ChatCall, flags: Capabilities, protocol: Origin) -> bool:
    """Whether the call has an address that the target cannot fetch."""
    return any(_unfit(part, flags, protocol) is not None for part in _media(call))


def _unfit(part: Media, flags: Capabilities, protocol: Origin) -> str | None:
    """The address that has to be fetched, if there is one."""
    if not isinstance(part.source, Url) or part.source.url.startswith("gs://"):
        return None
    if protocol == "google/generate-content":
        unfit = not part.source.url.startswith(YOUTUBE)
    elif part.kind == "image":
        unfit = not flags.image_url
    else:
        unfit = part.kind == "audio" or (part.kind == "file" and protocol == "openai/chat-completions")
    return part.source.url if unfit else None


def _media(call: ChatCall) -> Iterator[Media]:
    for turn in call.turns:
        for part in turn.parts:
            if isinstance(part, Media):
                yield part
            elif isinstance(part, ToolResult):
                yield from (one for one in part.content if isinstance(one, Media))


async def _all(wanted: Mapping[str, str], fetcher: Fetches) -> dict[str, _Fetched]:
    """What is behind each address, each fetched once. The first failure ends all."""
    slots = asyncio.Semaphore(_AT_ONCE)
    total = 0

    async def one(url: str, place: str) -> _Fetched:
        nonlocal total
        async with slots:
            try:
                data, said = await fetcher.fetch(url)
            except NotFetched as failed:
                raise _refused(place, str(failed)) from None
            total += len(data)
            if total > MAX_TOTAL:
                raise _refused(place, f"all media together exceed {MAX_TOTAL} bytes")
            coded = base64.b64encode(data).decode()
            return _Fetched(coded, media.sniff(coded), media.normal_mime(said))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(one(url, place)) for url, place in wanted.items()}
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return {url: task.result() for url, task in tasks.items()}


def _put(part: _P, places: Places, found: Mapping[str, _Fetched]) -> _P:
    if isinstance(part, ToolResult):
        content = tuple(_put(one, places, found) for one in part.content)
        return msgspec.structs.replace(part, content=content)
    if not isinstance(part, Media) or not isinstance(part.source, Url) or part.source.url not in found:
        return part
    fetched = found[part.source.url]
    mime = _mime(part.kind, (fetched.seen, fetched.said, media.normal_mime(part.source.mime or "")))
    if mime is None:
        raise _refused(
            places.media(part), f"it is not of a type for this part, but `{(fetched.said or fetched.seen)[:80]}`"
        )
    return msgspec.structs.replace(part, source=Data(mime, fetched.base64))


def _mime(kind: str, possible: tuple[str, ...]) -> str | None:
    """The first type that is one of `kind`: anything but the wanted goes to no provider (SEC-24)."""
    known = [mime for mime in possible if "/" in mime and mime != media.UNKNOWN]
    return next((mime for mime in known if kind == "file" or mime.startswith(f"{kind}/")), None)


def _refused(place: str, why: str) -> RequestRefused:
    return refuse(
        Kind.PARAM, f"the media in `{place}` could not be fetched: {why}", param=place, code="media_not_fetched"
    )
