"""Speech as an answer: what a Chat client asks for in `audio`, and the bytes it gets (protocols 2.4).

Google's speaking models answer with bare samples, 16 bits each, one channel; Chat's clients ask for a file format.
"""

import base64
import binascii
import struct

from msgspec import Struct

from nexusflow.ir.chat import ChatCall, Data
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import raw

FIELD = "audio"
RATE = 24_000
"""Samples in a second, of Google's speech and of Chat's `pcm16` alike."""
_SAMPLES = ("audio/l16", "audio/pcm")


class Speech(Struct, frozen=True):
    """A voice by name, None for the model's own, and Chat's word for the form of the bytes."""

    voice: str | None
    format: str


def wanted(call: ChatCall) -> Speech | None:
    """The speech that a Chat client asked for. Raises `RequestRefused` for what no model of Google's can give."""
    given = (call.ext or {}).get(FIELD)
    if call.origin != "openai/chat-completions" or given is None or FIELD not in call.modalities:
        return None
    fields = raw.obj(given, FIELD)
    voice, form = raw.optional(fields, "voice"), raw.optional(fields, "format")
    if voice is not None and not bytes(voice).startswith(b'"'):
        raise _refused("voice", "this model speaks only with voices that have a name")
    word = raw.string(form, f"{FIELD}.format") if form is not None else "wav"
    if word not in ("pcm16", "wav"):
        raise _refused("format", "this model speaks only as wav or pcm16")
    if call.stream and word != "pcm16":
        raise _refused("format", "speech can only be streamed as pcm16")
    return Speech(raw.string(voice, f"{FIELD}.voice") if voice is not None else None, word)


def as_asked(source: Data, call: ChatCall) -> str:
    """The bytes of an answer in base64, with the head of a WAV file where samples came and that was asked for."""
    if source.mime.lower() not in _SAMPLES:
        return source.base64
    speech = wanted(call)
    if speech is None or speech.format != "wav":
        return source.base64
    try:
        samples = base64.b64decode(source.base64)
    except binascii.Error:
        return source.base64
    size = len(samples)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    return base64.b64encode(head + samples).decode()


def _refused(name: str, message: str) -> RequestRefused:
    path = f"{FIELD}.{name}"
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_parameter")
