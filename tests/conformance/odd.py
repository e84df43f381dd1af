"""Recordings that the gateway may read otherwise than the naive readings do, each with its reason."""

from dataclasses import replace

from tests.support.canonical import GEMINI
from tests.support.naive.values import Answer, Reading

STREAMS = {
    "anth-9c52be7d8def": "the message starts anew in the middle of a block",
    "resp-4990bb1017e8": "the recording lost deltas; the reader fills in what the ended item says",
    "resp-bb98ba7a60df": "the recording lost deltas; the reader fills in what the ended item says",
}
COUNTS = {
    "chat-72ca7e53b6a2": "as many tokens written to the cache as read from it, and more in sum than the prompt has",
}
REFUSED = {
    "resp-7e7b3b30a575": "queued in the background: there is no answer yet",
    "resp-a2967f1d84b8": "queued in the background: there is no answer yet",
    "resp-b4d407561e53": "queued in the background: there is no answer yet",
    "resp-cb6e7634e1ea": "queued in the background: there is no answer yet",
}
PAIRS = {
    ("resp-356092e9b937", GEMINI): "the recording's picture is cut short, so that it is no base64",
    ("resp-a0a55743e62c", GEMINI): "the recording's picture is cut short, so that it is no base64",
    ("chat-2e545e2fbfdb", GEMINI): "sound that is empty but for its transcript",
}
"""Recordings that clients of one protocol cannot get."""

ALL = STREAMS.keys() | COUNTS.keys() | REFUSED.keys()


def failures(reading: Reading) -> Reading:
    """A failed answer, for comparing: what came before the failure is compared, its unknown end is not."""
    begun = tuple(replace(one, finish="") for one in reading.answers)
    return replace(reading, usage=None, answers=tuple(one for one in begun if one != Answer(finish="")))
