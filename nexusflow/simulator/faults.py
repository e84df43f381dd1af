"""The ways in which a provider fails after it has taken the request: one function each, for every wire form."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import msgspec

from nexusflow.simulator.failure import Class, Failure
from nexusflow.simulator.form import JSON, Call, Event, Form, answer
from nexusflow.simulator.usage import Usage

ELSEWHERE = "http://elsewhere.invalid/v1/chat/completions"
OTHER_MODEL = "another-model-entirely"
# The beginning of an event's JSON that never ends.
BROKEN = b'{"half'
# Usage that cannot be true, by the option `kind` (U-31); `text` is not even made of numbers.
UNTRUE_USAGE = {
    "negative": Usage(input=-5, output=10**12),
    "absurd": Usage(input=10**12, output=10**12),
    "cached": Usage(input=5, output=5, cached=500),
}


async def refuse(call: Call, kind: Class) -> None:
    """A refusal of one class, in the vendor's words."""
    await call.refuse(call.form.vendor.failure(kind))


async def wait_and_answer(call: Call) -> None:
    """Nothing for a while, then a good answer."""
    await asyncio.sleep(call.options.seconds)
    await answer(call)


async def hang(call: Call) -> None:
    """Headers at once, and nothing behind them for a while."""
    if call.asked.stream:
        call.begin()
        await asyncio.sleep(call.options.seconds)
        await call.send(call.form.events(call))
        await call.connection.end()
        return
    data = _encoded(call)
    call.connection.head(200, _plain_headers(call, data))
    await asyncio.sleep(call.options.seconds)
    call.connection.write(data)
    await call.connection.drain()


async def stall(call: Call) -> None:
    """Half of the answer, silence for a while, then the rest."""
    if call.asked.stream:
        _, rest = await _begin(call)
        await asyncio.sleep(call.options.seconds)
        await call.send(rest)
        await call.connection.end()
        return
    rest_of_body = await _half(call)
    await asyncio.sleep(call.options.seconds)
    call.connection.write(rest_of_body)
    await call.connection.drain()


async def truncate(call: Call) -> None:
    """A clean end in the middle: no finish reason, no usage, no end. A plain answer ends within its JSON."""
    if call.asked.stream:
        await _begin(call)
    else:
        data = _encoded(call)
        call.connection.head(200, {**call.headers, **JSON})
        await call.connection.chunk(data[: len(data) // 2])
    await call.connection.end()


async def omit_end(call: Call) -> None:
    """A complete stream but for the event that says so, in a form that has one."""
    if not call.asked.stream:
        await answer(call)
        return
    call.begin()
    await call.send(event for event in call.form.events(call) if event.kind != "end")
    await call.connection.end()


async def cut(call: Call, *, reset: bool = False) -> None:
    """Close the connection in the middle of an event and of its chunk, or of the plain body."""
    if call.asked.stream:
        _, rest = await _begin(call)
        event = call.form.frame(next(rest))
        call.connection.write(b"%x\r\n%b" % (len(event), event[: len(event) // 2]))
        await call.connection.drain()
    else:
        await _half(call)
    if reset:
        await asyncio.sleep(0.02)  # what was sent is read first: a reset takes unread bytes with it on some systems
    call.connection.cut(reset=reset)


async def reset(call: Call) -> None:
    """As `cut`, by TCP reset."""
    await cut(call, reset=True)


async def malform(call: Call) -> None:
    """One event of the stream, or the plain answer, is not JSON."""
    if not call.asked.stream:
        data = _encoded(call)
        await call.answer_json(200, data[: len(data) // 2] + BROKEN)
        return
    _, rest = await _begin(call)
    following = next(rest)
    await call.connection.chunk(call.form.wrap(following.name, BROKEN))
    await call.send([following])
    await call.send(rest)
    await call.connection.end()


async def frame_badly(call: Call) -> None:
    """Legal but unusual framing, a byte at a time; no byte of the content is wrong.

    A byte order mark, comments, line ends of CR alone, `data:` without a space, and events of several data lines.
    """
    if not call.asked.stream or not call.form.in_events:
        call.connection.head(200, {**call.headers, **JSON})
        events = call.form.events(call) if call.asked.stream else None
        for data in [_encoded(call)] if events is None else map(call.form.frame, events):
            await _trickle(call, data)
        await call.connection.end()
        return
    call.begin()
    await _trickle(call, b"\xef\xbb\xbf: comment\r")
    await call.connection.chunk(b": comment\r" * call.options.comments)
    for event in call.form.events(call):
        await call.pace()
        await _trickle(call, _oddly(event))
    await call.connection.end()


def _oddly(event: Event) -> bytes:
    named = b"event:%b\r" % event.name.encode() if event.name else b""
    if isinstance(event.data, bytes):
        return b"%bdata:%b\r\r" % (named, event.data)
    data = msgspec.json.encode(event.data)
    begin, comma, rest = data.partition(b",")
    more = b"data:%b\r" % rest if comma else b""
    return b"%bdata:%b%b\r%b: comment\r\r" % (named, begin, comma, more)


async def swell(call: Call) -> None:
    """One event with a text of `size` bytes, whatever bound the request sets; the plain answer has it whole too."""
    asked = replace(call.asked, bound=None)
    await answer(call.but(asked=asked, options=msgspec.structs.replace(call.options, events=1)))


async def fail_first(call: Call) -> None:
    """An error where the first event should be; a plain answer is the error, with status 200."""
    if not call.asked.stream:
        await fail_in_200(call)
        return
    call.begin()
    await call.send([call.form.failing(_overloaded(call), call, [])])
    await call.connection.end()


async def fail_late(call: Call) -> None:
    """An error event after content; a plain answer is the error, with status 200."""
    if not call.asked.stream:
        await fail_in_200(call)
        return
    sent, _ = await _begin(call)
    await call.send([call.form.failing(_overloaded(call), call, sent)])
    await call.connection.end()


async def fail_in_200(call: Call) -> None:
    """Status 200, and an error as the JSON body, asked for a stream or not."""
    await call.answer_json(200, call.form.vendor.error(_overloaded(call), call.asked.identity)[1])


async def answer_html(call: Call) -> None:
    """A web page with status 200."""
    await call.connection.answer(200, b"<html>Please sign in to the network.</html>", {"content-type": "text/html"})


async def redirect(call: Call) -> None:
    """A redirect to another host, one that never exists."""
    await call.connection.answer(call.options.status, b"", {"location": ELSEWHERE})


async def limit_rate(call: Call) -> None:
    """429, with word of when to come again where the vendor has it."""
    retry = call.options.retry
    if retry == "date":
        retry = formatdate(time.time() + call.options.seconds, usegmt=True)
    await call.refuse(call.form.vendor.failure("rate", retry=retry))


async def say_nothing(call: Call) -> None:
    """A good form without any output or finish reason."""
    await answer(call.but(silent=True))


async def omit_usage(call: Call) -> None:
    """No usage, even where it was asked for."""
    await answer(call.but(report=lambda form, usage: None))


async def report_untrue_usage(call: Call) -> None:
    """Usage that cannot be true."""

    def report(form: Form, usage: Usage) -> dict[str, Any]:
        kind = call.options.kind
        return _wordy(form.usage(usage)) if kind == "text" else form.usage(UNTRUE_USAGE[kind])

    await answer(call.but(report=report))


def _wordy(value: Any) -> Any:
    """`value` with a word for every number."""
    if isinstance(value, dict):
        return {key: _wordy(one) for key, one in value.items()}
    return "NaN" if isinstance(value, int) else value


async def report_zero_usage(call: Call) -> None:
    """Usage of nothing at all, for a reply that says something."""
    await answer(call.but(report=lambda form, usage: form.usage(Usage(0, 0))))


async def repeat_usage(call: Call) -> None:
    """Usage so far wherever the form has room for it, cumulative, the last one being the whole."""
    await answer(call.but(repeats=True))


async def name_another_model(call: Call) -> None:
    """A good answer under another model's name."""
    await answer(call.but(model=OTHER_MODEL))


async def close_idle(call: Call) -> None:
    """A good answer, and the connection that was to be kept alive is closed behind it."""
    await answer(call)
    await asyncio.sleep(call.options.seconds)
    call.connection.cut()


async def _begin(call: Call) -> tuple[list[Event], Iterator[Event]]:
    """Start a stream and send `after` deltas, at most all there are; return the events sent and those to come."""
    call.begin()
    events = list(call.form.events(call))
    spoken = [at for at, event in enumerate(events) if event.kind == "delta"]
    until = spoken[call.options.after] if call.options.after < len(spoken) else max(spoken, default=0) + 1
    await call.send(events[:until])
    return events[:until], iter(events[until:])


def _encoded(call: Call) -> bytes:
    return msgspec.json.encode(call.form.unary(call))


def _plain_headers(call: Call, data: bytes) -> dict[str, str]:
    return {**call.headers, **JSON, "content-length": str(len(data))}


async def _half(call: Call) -> bytes:
    """Send the head and half of the plain answer; return the other half."""
    data = _encoded(call)
    call.connection.head(200, _plain_headers(call, data), data[: len(data) // 2])
    await call.connection.drain()
    return data[len(data) // 2 :]


def _overloaded(call: Call) -> Failure:
    return call.form.vendor.failure("overloaded")


async def _trickle(call: Call, data: bytes) -> None:
    for byte in data:
        await call.connection.chunk(bytes((byte,)))
