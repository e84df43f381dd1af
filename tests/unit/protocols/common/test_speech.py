"""Speech of a Google model for a Chat client (protocols 2.4): the voice on the way there, the bytes on the way back."""

import base64
import io
import json
import wave
from typing import Any

import pytest

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked
from nexusflow.protocols.dialects import DIALECTS
from tests.support import sse
from tests.support.canonical import CHAT, GEMINI

SPEAKER = Destination(model="gemini-tts", family="gemini", capabilities=Capabilities(output=("audio",)))
SAMPLES = bytes(range(64))
SPOKEN = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {
                        "inlineData": {
                            "mimeType": "audio/L16;codec=pcm;rate=24000",
                            "data": base64.b64encode(SAMPLES).decode(),
                        }
                    }
                ]
            },
            "finishReason": "STOP",
        }
    ]
}


def asked(audio: Any, *, stream: bool = False) -> ChatCall:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "modalities": ["text", "audio"],
        "audio": audio,
        "stream": stream,
    }
    return DIALECTS[CHAT].read_request.read(json.dumps(body).encode(), model="m", stream=stream)


def refused(audio: Any, **more: Any) -> str | None:
    with pytest.raises(RequestRefused) as caught:
        DIALECTS[GEMINI].write_request.write(asked(audio, **more), SPEAKER, Losses())
    return caught.value.problem.param


def test_the_voice_becomes_googles_speech_config() -> None:
    losses = Losses()
    sent = DIALECTS[GEMINI].write_request.write(asked({"voice": "Kore", "format": "pcm16"}), SPEAKER, losses)
    assert json.loads(sent)["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    assert not losses


@pytest.mark.parametrize(
    ("audio", "stream", "param"),
    [
        ({"voice": "Kore", "format": "mp3"}, False, "audio.format"),
        ({"voice": "Kore", "format": "wav"}, True, "audio.format"),
        ({"voice": {"id": "voice_1"}, "format": "wav"}, False, "audio.voice"),
    ],
)
def test_what_no_model_of_googles_can_give_is_refused(audio: Any, stream: bool, param: str) -> None:
    assert refused(audio, stream=stream) == param


def test_a_model_that_only_writes_is_not_made_to_speak() -> None:
    with pytest.raises(RequestRefused) as caught:
        to = Destination(model="g", family="gemini", capabilities=Capabilities())
        DIALECTS[GEMINI].write_request.write(asked({"voice": "Kore", "format": "wav"}), to, Losses())
    assert caught.value.problem.param == "modalities"


def answered(form: str) -> bytes:
    reply = DIALECTS[GEMINI].read_reply.read(json.dumps(SPOKEN).encode(), SPEAKER)
    call = asked({"voice": "Kore", "format": form})
    written = DIALECTS[CHAT].write_reply.write(reply, Asked(call=call, model="m", response_id="R", created=1), Losses())
    return base64.b64decode(json.loads(written)["choices"][0]["message"]["audio"]["data"])


def test_samples_are_a_wav_file_for_who_asked_for_one() -> None:
    assert answered("pcm16") == SAMPLES
    with wave.open(io.BytesIO(answered("wav"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.readframes(file.getnframes()) == SAMPLES


def test_streamed_samples_come_as_they_are() -> None:
    call = asked({"voice": "Kore", "format": "pcm16"}, stream=True)
    reader, writer = (
        DIALECTS[GEMINI].read_stream(SPEAKER),
        DIALECTS[CHAT].write_stream(Asked(call=call, model="m", response_id="R", created=1)),
    )
    events = reader.feed(b"data: " + json.dumps(SPOKEN).encode() + b"\r\n\r\n") + reader.close()
    chunks = [one for one in sse.events(b"".join(map(writer.feed, events))) if isinstance(one, dict)]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    (audio,) = [delta["audio"] for delta in deltas if "audio" in delta]
    assert base64.b64decode(audio["data"]) == SAMPLES
