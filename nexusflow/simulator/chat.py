"""Answering a chat as a good provider does, at the pace that was asked for."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nexusflow.simulator import wire
from nexusflow.simulator.asked import Asked
from nexusflow.simulator.http import Connection
from nexusflow.simulator.options import Options
from nexusflow.simulator.reply import Reply, reply

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

Edit = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(slots=True)
class Call:
    """One chat being answered: the request, the model's name and options, and the connection to answer on."""

    asked: Asked
    model: str
    options: Options
    connection: Connection
    thinks: bool = False
    _due: float = field(default=0, init=False)

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.asked.chat.stream)

    def replies(self) -> list[Reply]:
        """All choices."""
        size, events = self.options.size, self.options.events
        count = self.asked.chat.n or 1
        return [reply(self.asked, at, size=size, events=events, thinks=self.thinks) for at in range(count)]

    def completion(self) -> dict[str, Any]:
        """The unary answer."""
        return wire.completion(self.asked, self.model, self.replies())

    def chunks(self) -> Iterator[wire.Chunk]:
        """The chunks of the stream, without `[DONE]`."""
        return wire.chunks(self.asked, self.model, self.replies(), self.options.events)

    async def pace(self) -> None:
        """Wait until the next event is due: the delay counts from one event to the next, not from the writing."""
        if self.options.delay:
            now = time.monotonic()
            await asyncio.sleep(self._due - now)
            self._due = max(self._due, now) + self.options.delay / 1000


async def answer(call: Call, edit: Edit | None = None) -> None:
    """Answer in full; `edit` changes each chunk, or the whole completion, before it is sent."""
    if call.streams:
        call.connection.head(200, EVENTS)
        await send(call, call.chunks() if edit is None else map(edit, call.chunks()))
        await finish(call)
    else:
        completion = call.completion()
        await call.connection.answer(200, msgspec.json.encode(edit(completion) if edit else completion), JSON)


async def begin(call: Call) -> Iterator[wire.Chunk]:
    """Start a stream and send `after` deltas, at most all there are; return the chunks still to come."""
    call.connection.head(200, EVENTS)
    chunks = list(call.chunks())
    spoken = [at for at, chunk in enumerate(chunks) if wire.speaks(chunk)]
    until = spoken[call.options.after] if call.options.after < len(spoken) else max(spoken, default=0) + 1
    await send(call, chunks[:until])
    return iter(chunks[until:])


async def send(call: Call, chunks: Iterable[wire.Chunk]) -> None:
    """Send chunks at the call's pace."""
    for chunk in chunks:
        await call.pace()
        await call.connection.chunk(wire.frame(chunk))


async def finish(call: Call) -> None:
    """Send `[DONE]` and end the stream."""
    await call.pace()
    await call.connection.chunk(wire.DONE)
    await call.connection.end()
