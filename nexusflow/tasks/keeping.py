"""Copying what a provider made into our own storage, as it comes and within bounds (contract 2.8, U-37)."""

import base64
import binascii
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from nexusflow.flow.served import join
from nexusflow.ir.task import Made, Output
from nexusflow.protocols.makers.maker import BASE
from nexusflow.results.names import KINDS, name_of
from nexusflow.results.results import Results, ResultsError
from nexusflow.tasks.lanes import MediaLane
from nexusflow.tasks.model import Stored, Task
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.guard import NotFetched, pair, parse
from nexusflow.upstream.transport import UpstreamFault

MAX_BYTES = 2 * 1024**3
SECONDS = 600.0
PIECE = 256 * 1024
_USUAL = {"image": "image/png", "video": "video/mp4"}


class NotKept(Exception):
    """It could not be copied now; the message is for the log."""


async def keep(task: Task, made: Made, lane: MediaLane, results: Results, fetcher: Fetcher) -> tuple[Stored, ...]:
    """What is kept of `made`. Raises `NotKept`: nothing, or only a part, was copied."""
    return tuple(
        [await _keep(task, at, one, lane, results, fetcher) for at, one in enumerate(made.outputs[: _n(task)])]
    )


def elsewhere(made: Made) -> tuple[Stored, ...]:
    """What there is of something that could not be copied: the provider's own addresses."""
    return tuple(Stored(url=one.url, mime=one.mime, seconds=one.seconds) for one in made.outputs if one.url)


def _n(task: Task) -> int:
    return max(task.brief.n, 1)


async def _keep(task: Task, at: int, output: Output, lane: MediaLane, results: Results, fetcher: Fetcher) -> Stored:
    usual = output.mime or _USUAL[task.type]
    try:
        if output.data is not None:
            data = base64.b64decode(output.data, validate=True)
            return await _put(task, at, output, usual, results, _pieces(data))
        url, headers, own = _source(output.url or "", lane)
        async with fetcher.open(url, headers, max_bytes=MAX_BYTES, seconds=SECONDS, also=own) as found:
            said = found.content_type.partition(";")[0].strip().lower()
            mime = said if said in KINDS.values() and said.startswith(task.type) else usual
            return await _put(task, at, output, mime, results, found.pieces)
    except (NotFetched, ResultsError, UpstreamFault, OSError, TimeoutError, binascii.Error, ValueError) as error:
        raise NotKept(f"result {at} of {task.id}: {error}") from error


async def _put(
    task: Task, at: int, output: Output, mime: str, results: Results, pieces: AsyncIterator[bytes]
) -> Stored:
    name = name_of(task.id, at, mime)
    size = await results.put(name, pieces, mime)
    return Stored(name=name, mime=mime, bytes=size, seconds=output.seconds, revised_prompt=output.revised_prompt)


def _source(url: str, lane: MediaLane) -> tuple[str, dict[str, str], frozenset[str]]:
    """The address, the credential where it is the provider's own, and its host where that may be a private one."""
    if url.startswith(BASE):
        url = join(lane.base, url.removeprefix(BASE))
    base = urlsplit(lane.base)
    if (urlsplit(url).scheme, urlsplit(url).netloc) != (base.scheme, base.netloc):
        return url, {}, frozenset()
    return url, lane.credential, frozenset((pair(parse(url)),))


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]
