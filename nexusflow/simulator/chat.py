"""Answering one chat, well or as badly as the model name asks for."""

import asyncio
import json
from typing import Any

from nexusflow.simulator import wire
from nexusflow.simulator.http import Connection
from nexusflow.simulator.models import Behaviour, Fault
from nexusflow.simulator.reply import Reply, reply

JSON = {"content-type": "application/json", "x-simulated": "true"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8", "x-simulated": "true"}
HUGE_BYTES = 9 * 1024 * 1024

_TOO_LONG = "This model's maximum context length is 8 tokens."
# Refusals before anything else: status, message, type, code.
REFUSALS: dict[Fault, tuple[int, str, str, str | None]] = {
    Fault.S400: (400, _TOO_LONG, "invalid_request_error", "context_length_exceeded"),
    Fault.S401: (401, "Incorrect API key provided: sk-simulated-secret.", "invalid_request_error", "invalid_api_key"),
    Fault.S404: (404, "The model does not exist.", "invalid_request_error", "model_not_found"),
    Fault.S429: (429, "Rate limit reached.", "requests", "rate_limit_exceeded"),
    Fault.S500: (500, "The server had an error in module simulated_secret_module.", "server_error", None),
    Fault.S503: (503, "The server is overloaded.", "server_error", "overloaded"),
}  # fmt: skip
IN_BAND = {"error": {"message": "The server is overloaded.", "type": "overloaded_error", "code": "overloaded"}}


async def answer(body: dict[str, Any], wanted: Behaviour, connection: Connection) -> None:
    """Send the answer to one request."""
    if wanted.fault is Fault.SLOW:
        await asyncio.sleep(wanted.seconds)
    if wanted.ttfb:
        await asyncio.sleep(wanted.ttfb)
    if wanted.fault in REFUSALS:
        status, message, kind, code = REFUSALS[wanted.fault]
        headers = {**JSON, "retry-after": wanted.retry} if wanted.fault is Fault.S429 else JSON
        await connection.answer(status, wire.error(message, kind, code), headers)
    elif wanted.fault is Fault.HTML:
        await connection.answer(200, b"<html>Please sign in to the network.</html>", {"content-type": "text/html"})
    elif wanted.fault is Fault.REDIRECT:
        await connection.answer(302, b"", {"location": "http://127.0.0.1:9/elsewhere"})
    elif wanted.fault is Fault.ERROR_200:
        await connection.answer(200, json.dumps(IN_BAND).encode(), JSON)
    elif body.get("stream"):
        await _stream(body, wanted, connection)
    else:
        await _unary(body, wanted, connection)


async def _unary(body: dict[str, Any], wanted: Behaviour, connection: Connection) -> None:
    answered = wire.completion(body, _model(wanted), _replies(body, wanted))
    _spoil_usage(answered, wanted)
    data = json.dumps(answered).encode()
    if wanted.fault is Fault.MALFORMED:
        data = data[:-20] + b"}}"
    if wanted.fault in (Fault.CUT, Fault.RESET, Fault.TRUNCATE):
        connection.head(200, {**JSON, "content-length": str(len(data))})
        connection.writer.write(data[: len(data) // 2])
        await connection.writer.drain()
        connection.cut(reset=wanted.fault is Fault.RESET)
        return
    if wanted.fault in (Fault.STALL, Fault.HANG):
        connection.head(200, {**JSON, "content-length": str(len(data))})
        await connection.writer.drain()
        await asyncio.sleep(wanted.seconds)
    await connection.answer(200, data, JSON)
    if wanted.fault is Fault.STALE:
        connection.cut()


async def _stream(body: dict[str, Any], wanted: Behaviour, connection: Connection) -> None:
    connection.head(200, EVENTS)
    await connection.writer.drain()
    if wanted.fault is Fault.HANG:
        await asyncio.sleep(wanted.seconds)
    if wanted.fault is Fault.ERROR_FIRST:
        await connection.chunk(wire.frame(IN_BAND))
        await connection.end()
        return
    chunks = list(wire.chunks(body, _model(wanted), _replies(body, wanted)))
    for at, chunk in enumerate(chunks):
        _spoil_usage(chunk, wanted)
        if at == wanted.after and await _strike(chunk, wanted, connection):
            return
        await _send(wire.frame(chunk), wanted, connection)
        if wanted.delay:
            await asyncio.sleep(wanted.delay)
    if wanted.fault is not Fault.NO_DONE:
        await _send(wire.DONE, wanted, connection)
    await connection.end()
    if wanted.fault is Fault.STALE:
        connection.cut()


async def _strike(chunk: dict[str, Any], wanted: Behaviour, connection: Connection) -> bool:
    """The fault of a stream that has begun. True when the answer ends with it."""
    fault = wanted.fault
    if fault in (Fault.CUT, Fault.RESET):
        half = wire.frame(chunk)[:20]
        connection.writer.write(b"%x\r\n%b" % (len(half) + 40, half))
        await connection.writer.drain()
        await asyncio.sleep(0.02)
        connection.cut(reset=fault is Fault.RESET)
    elif fault is Fault.TRUNCATE:
        await connection.end()
    elif fault is Fault.ERROR_EVENT:
        await connection.chunk(wire.frame(IN_BAND))
        await connection.end()
    elif fault is Fault.STALL:
        await asyncio.sleep(wanted.seconds)
        return False
    elif fault is Fault.MALFORMED:
        await connection.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"half\n\n')
        return False
    elif fault is Fault.HUGE:
        await connection.chunk(b"data: " + b"x" * HUGE_BYTES)
        return False
    else:
        return False
    return True


async def _send(frame: bytes, wanted: Behaviour, connection: Connection) -> None:
    if wanted.fault is not Fault.FRAMING:
        await connection.chunk(frame)
        return
    data = frame.removeprefix(b"data: ").removesuffix(b"\n\n")
    comma = data.find(b",") + 1
    lines = [b": comment\r", b"\r", b"data:" + data[:comma], b"\r", b"data:" + data[comma:], b"\r\r"]
    for byte in b"".join(lines) if comma else b"\xef\xbb\xbf"[3:] + b"data:" + data + b"\r\n\r\n":
        await connection.chunk(bytes((byte,)))


def _replies(body: dict[str, Any], wanted: Behaviour) -> list[Reply]:
    think = wanted.name == "reasoning"
    if wanted.fault is Fault.EMPTY:
        return []
    count = body.get("n") or 1
    return [reply(body, choice, tokens=wanted.events, think=think) for choice in range(count)]


def _model(wanted: Behaviour) -> str:
    return "another-model-entirely" if wanted.fault is Fault.OTHER_MODEL else wanted.name


def _spoil_usage(answered: dict[str, Any], wanted: Behaviour) -> None:
    if wanted.fault is Fault.NO_USAGE:
        answered.pop("usage", None)
    elif wanted.fault is Fault.BAD_USAGE and answered.get("usage"):
        answered["usage"] = {"prompt_tokens": -5, "completion_tokens": 10**12, "total_tokens": "NaN"}
