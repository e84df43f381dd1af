"""The ways in which a provider fails after it has taken the request: one function each."""

import asyncio
import time
from email.utils import formatdate
from typing import Any

import msgspec

from nexusflow.simulator import wire
from nexusflow.simulator.chat import EVENTS, JSON, Call, answer, begin, finish, send

IN_BAND = {"error": {"message": "The server is overloaded.", "type": "overloaded_error", "code": "overloaded"}}
ELSEWHERE = "http://elsewhere.invalid/v1/chat/completions"
OTHER_MODEL = "another-model-entirely"
# Usage that cannot be true, by the option `kind` (U-31).
UNTRUE_USAGE: dict[str, dict[str, Any]] = {
    "negative": {"prompt_tokens": -5, "completion_tokens": 10**12, "total_tokens": "NaN"},
    "absurd": {"prompt_tokens": 10**12, "completion_tokens": 10**12, "total_tokens": 2 * 10**12},
    "text": {"prompt_tokens": "NaN", "completion_tokens": "many", "total_tokens": None},
    "cached": {
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 500},
    },
}


async def wait_and_answer(call: Call) -> None:
    """Nothing for a while, then a good answer."""
    await asyncio.sleep(call.options.seconds)
    await answer(call)


async def hang(call: Call) -> None:
    """Headers at once, and nothing behind them for a while."""
    if call.streams:
        call.connection.head(200, EVENTS)
        await asyncio.sleep(call.options.seconds)
        await send(call, call.chunks())
        await finish(call)
        return
    data = _encoded(call)
    call.connection.head(200, {**JSON, "content-length": str(len(data))})
    await asyncio.sleep(call.options.seconds)
    call.connection.write(data)
    await call.connection.drain()


async def stall(call: Call) -> None:
    """Half of the answer, silence for a while, then the rest."""
    if call.streams:
        rest = await begin(call)
        await asyncio.sleep(call.options.seconds)
        await send(call, rest)
        await finish(call)
        return
    rest_of_body = await _half(call)
    await asyncio.sleep(call.options.seconds)
    call.connection.write(rest_of_body)
    await call.connection.drain()


async def truncate(call: Call) -> None:
    """A clean end in the middle: no finish reason, no usage, no `[DONE]`. A plain answer ends within its JSON."""
    if call.streams:
        await begin(call)
    else:
        data = _encoded(call)
        call.connection.head(200, JSON)
        await call.connection.chunk(data[: len(data) // 2])
    await call.connection.end()


async def omit_done(call: Call) -> None:
    """A complete stream but for `[DONE]`."""
    if not call.streams:
        await answer(call)
        return
    call.connection.head(200, EVENTS)
    await send(call, call.chunks())
    await call.connection.end()


async def cut(call: Call, *, reset: bool = False) -> None:
    """Close the connection in the middle of an event and of its chunk, or of the plain body."""
    if call.streams:
        rest = await begin(call)
        event = wire.frame(next(rest))
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
    if not call.streams:
        await call.connection.answer(200, _encoded(call)[:-20] + b"}}", JSON)
        return
    rest = await begin(call)
    await call.connection.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"half\n\n')
    await send(call, rest)
    await finish(call)


async def frame_badly(call: Call) -> None:
    """Legal but unusual framing, a byte at a time; no byte of the content is wrong.

    A byte order mark, comments, line ends of CR alone, `data:` without a space, and events of several data lines.
    """
    if not call.streams:
        call.connection.head(200, JSON)
        await _trickle(call, _encoded(call))
        await call.connection.end()
        return
    call.connection.head(200, EVENTS)
    await _trickle(call, b"\xef\xbb\xbf: comment\r")
    await call.connection.chunk(b": comment\r" * call.options.comments)
    for chunk in call.chunks():
        await call.pace()
        data = msgspec.json.encode(chunk)
        comma = data.index(b",") + 1
        await _trickle(call, b"data:%b\rdata:%b\r: comment\r\r" % (data[:comma], data[comma:]))
    await _trickle(call, b"data:[DONE]\r\r")
    await call.connection.end()


async def swell(call: Call) -> None:
    """One event with a text of `size` bytes; the plain answer has it whole too."""
    await answer(Call(call.asked, call.model, msgspec.structs.replace(call.options, events=1), call.connection))


async def fail_first(call: Call) -> None:
    """An error where the first event should be; a plain answer is the error, with status 200."""
    await _fail(call, stream=call.streams)


async def fail_late(call: Call) -> None:
    """An error event after content; a plain answer is the error, with status 200."""
    if call.streams:
        await begin(call)
        await call.connection.chunk(wire.frame(IN_BAND))
        await call.connection.end()
        return
    await _fail(call, stream=False)


async def fail_in_200(call: Call) -> None:
    """Status 200, and an error as the JSON body, asked for a stream or not."""
    await _fail(call, stream=False)


async def answer_html(call: Call) -> None:
    """A web page with status 200."""
    await call.connection.answer(200, b"<html>Please sign in to the network.</html>", {"content-type": "text/html"})


async def redirect(call: Call) -> None:
    """A redirect to another host, one that never exists."""
    await call.connection.answer(call.options.status, b"", {"location": ELSEWHERE})


async def limit_rate(call: Call) -> None:
    """429 with Retry-After."""
    retry = call.options.retry
    value = formatdate(time.time() + call.options.seconds, usegmt=True) if retry == "date" else retry
    body = wire.error("Rate limit reached.", "requests", "rate_limit_exceeded")
    await call.connection.answer(429, body, {**JSON, "retry-after": value})


async def say_nothing(call: Call) -> None:
    """A good form without any output or finish reason."""
    if not call.streams:
        empty = wire.completion(call.asked, call.model, [])
        await call.connection.answer(200, msgspec.json.encode(empty), JSON)
        return
    call.connection.head(200, EVENTS)
    await send(call, wire.chunks(call.asked, call.model, []))
    await finish(call)


async def omit_usage(call: Call) -> None:
    """No usage, even where it was asked for."""

    def edited(answered: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in answered.items() if name != "usage"}

    if not call.streams:
        await answer(call, edited)
        return
    call.connection.head(200, EVENTS)
    await send(call, (edited(chunk) for chunk in call.chunks() if chunk["choices"]))
    await finish(call)


async def report_untrue_usage(call: Call) -> None:
    """Usage that cannot be true."""
    untrue = UNTRUE_USAGE[call.options.kind]
    await answer(call, lambda answered: {**answered, "usage": untrue} if answered.get("usage") else answered)


async def report_zero_usage(call: Call) -> None:
    """Usage of nothing at all, for a reply that says something."""
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    await answer(call, lambda answered: {**answered, "usage": zero} if answered.get("usage") else answered)


async def repeat_usage(call: Call) -> None:
    """Usage so far on every chunk, cumulative, the last one being the whole."""
    whole = call.completion()["usage"]
    prompt, spoken = whole["prompt_tokens"], 0

    def edited(answered: dict[str, Any]) -> dict[str, Any]:
        nonlocal spoken
        if answered.get("usage"):
            return answered
        spoken = min(spoken + wire.speaks(answered), whole["completion_tokens"])
        so_far = {"prompt_tokens": prompt, "completion_tokens": spoken, "total_tokens": prompt + spoken}
        return {**answered, "usage": so_far}

    await answer(call, edited)


async def name_another_model(call: Call) -> None:
    """A good answer under another model's name."""
    await answer(Call(call.asked, OTHER_MODEL, call.options, call.connection))


async def close_idle(call: Call) -> None:
    """A good answer, and the connection that was to be kept alive is closed behind it."""
    await answer(call)
    await asyncio.sleep(call.options.seconds)
    call.connection.cut()


def _encoded(call: Call) -> bytes:
    return msgspec.json.encode(call.completion())


async def _half(call: Call) -> bytes:
    """Send the head and half of the plain answer; return the other half."""
    data = _encoded(call)
    call.connection.head(200, {**JSON, "content-length": str(len(data))}, data[: len(data) // 2])
    await call.connection.drain()
    return data[len(data) // 2 :]


async def _fail(call: Call, *, stream: bool) -> None:
    if not stream:
        await call.connection.answer(200, msgspec.json.encode(IN_BAND), JSON)
        return
    call.connection.head(200, EVENTS)
    await call.connection.chunk(wire.frame(IN_BAND))
    await call.connection.end()


async def _trickle(call: Call, data: bytes) -> None:
    for byte in data:
        await call.connection.chunk(bytes((byte,)))
