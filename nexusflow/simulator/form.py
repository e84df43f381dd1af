"""What a wire form is, and one call being answered in it."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import msgspec

from nexusflow.simulator.asked import Asked
from nexusflow.simulator.failure import Failure, Refused, Vendor
from nexusflow.simulator.http import Connection
from nexusflow.simulator.options import Options
from nexusflow.simulator.reply import Reply, reply
from nexusflow.simulator.tokens import pieces, slices
from nexusflow.simulator.traits import Traits
from nexusflow.simulator.usage import Usage, measure

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

# How a fault reports usage: the dictionary to send instead, or None for no usage at all.
Report = Callable[["Form", Usage], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. A `delta` carries a part of the reply; the `end` is what says that all went well."""

    data: Any
    kind: Literal["frame", "delta", "end"] = "frame"
    name: str | None = None


class Form(ABC):
    """A wire form, for one request: it knows what the request wants of the form alone."""

    vendor: ClassVar[Vendor]
    line_end: ClassVar[bytes] = b"\n"
    stream_headers: Mapping[str, str] = EVENTS
    in_events: bool = True  # whether a stream consists of server-sent events

    @abstractmethod
    def unary(self, call: "Call") -> Any:
        """The plain answer."""

    @abstractmethod
    def events(self, call: "Call") -> Iterator[Event]:
        """The events of the stream, to the last."""

    @abstractmethod
    def usage(self, usage: Usage) -> dict[str, Any]:
        """The usage object."""

    @abstractmethod
    def failing(self, failure: Failure, call: "Call", sent: Sequence[Event]) -> Event:
        """The event that ends a stream with an error, behind the events `sent`."""

    def block(self, call: "Call") -> "Form":
        """How a prompt that the vendor does not let through is answered. Raises `Refused` where that is an error."""
        raise Refused(self.vendor.failure("policy"))

    def frame(self, event: Event) -> bytes:
        """An event as it is sent."""
        return self.wrap(event.name, event.data if isinstance(event.data, bytes) else msgspec.json.encode(event.data))

    def wrap(self, name: str | None, data: bytes) -> bytes:
        """The text of an event as it is sent."""
        named = b"event: %b%b" % (name.encode(), self.line_end) if name else b""
        return b"%bdata: %b%b%b" % (named, data, self.line_end, self.line_end)


class Plain(Form):
    """A form that has no streams: one event would be all of it."""

    def events(self, call: "Call") -> Iterator[Event]:
        yield Event(self.unary(call), "end")

    def failing(self, failure: Failure, call: "Call", sent: Sequence[Event]) -> Event:
        return Event(self.vendor.error(failure, call.asked.identity)[1])


@dataclass(slots=True)
class Call:
    """One request being answered: what it asks, in which form, under which model's name, and on which connection."""

    asked: Asked
    form: Form
    model: str
    options: Options
    traits: Traits
    connection: Connection
    silent: bool = False  # says nothing at all
    repeats: bool = False  # reports usage so far wherever its form has room for it
    report: Report = field(default=lambda form, usage: form.usage(usage))
    _due: float = field(default=0, init=False)
    _measured: tuple[list[Reply], Usage] | None = field(default=None, init=False)

    @property
    def headers(self) -> dict[str, str]:
        """The vendor's own headers."""
        return self.form.vendor.headers(self.asked.identity)

    def but(self, **changed: Any) -> "Call":
        """The same call with some things changed."""
        return replace(self, **changed)

    def replies(self) -> list[Reply]:
        """All choices; none when it is silent."""
        size, events, ending = self.options.size, self.options.events, self.traits.ending
        count = 0 if self.silent else self.asked.count
        return [reply(self.asked, at, size=size, events=events, ending=ending) for at in range(count)]

    def pieces(self, text: str) -> list[str]:
        """The deltas of a reply's text."""
        return pieces(text) if self.options.events is None else slices(text, self.options.events)

    def measure(self, replies: list[Reply]) -> Usage:
        """What `replies` cost; counted once for as long as the same ones are asked about."""
        if self._measured is None or self._measured[0] is not replies:
            usage = measure(self.asked, replies, cached=self.options.cached, written=self.options.written)
            self._measured = replies, usage
        return self._measured[1]

    def usage(self, replies: list[Reply], *, spoken: int | None = None) -> dict[str, Any] | None:
        """The usage object to send, of all or when `spoken` tokens are out; None for none."""
        whole = self.measure(replies)
        if spoken is not None:
            whole = replace(whole, output=min(spoken, whole.output), thought=min(spoken, whole.thought))
        return self.report(self.form, whole)

    async def pace(self) -> None:
        """Wait until the next event is due: the delay counts from one event to the next, not from the writing."""
        if self.options.delay:
            now = time.monotonic()
            await asyncio.sleep(self._due - now)
            self._due = max(self._due, now) + self.options.delay / 1000

    def begin(self) -> None:
        """Send the head of a stream."""
        self.connection.head(200, {**self.headers, **self.form.stream_headers})

    async def send(self, events: Iterable[Event]) -> None:
        """Send events at the call's pace."""
        for event in events:
            await self.pace()
            await self.connection.chunk(self.form.frame(event))

    async def answer_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send a plain answer."""
        data = value if isinstance(value, bytes) else msgspec.json.encode(value)
        await self.connection.answer(status, data, {**self.headers, **JSON, **(headers or {})})

    async def refuse(self, failure: Failure) -> None:
        """Send a refusal."""
        status, body = self.form.vendor.error(failure, self.asked.identity)
        await self.answer_json(status, body, self.form.vendor.hints(failure))


async def answer(call: Call) -> None:
    """Answer in full."""
    if call.asked.stream:
        call.begin()
        await call.send(call.form.events(call))
        await call.connection.end()
    else:
        await call.answer_json(200, call.form.unary(call))


async def block(call: Call) -> None:
    """Answer as one whose prompt the vendor does not let through."""
    await answer(call.but(form=call.form.block(call)))
