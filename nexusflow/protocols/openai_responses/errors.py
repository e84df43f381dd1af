"""Errors of the Responses protocol: OpenAI's table and envelope, with its own forms inside a stream.

A stream that has announced its response ends with `response.failed`, which carries that response; one that has not
ends with a plain `error` event (protocols 1.10.3). Both carry the envelope's words.
"""

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.openai_chat.errors import TABLE, envelope, read, read_in_band, status

__all__ = ["TABLE", "envelope", "event", "failed_event", "fault", "of_failed", "read", "read_in_band", "status"]


class _Envelope(msgspec.Struct, frozen=True):
    error: Raw


class _Fault(msgspec.Struct, frozen=True):
    code: str
    message: str


_raw_error = msgspec.json.Decoder(_Envelope).decode


def event(problem: Problem, request_id: str = "", *, sequence_number: int = 0) -> bytes:
    """`problem` as an `error` event, after which nothing follows.

    The member `error` is what both official SDKs raise on; the flat members are those of their event type. The
    protocol has no place for `request_id`, which is a header.
    """
    error = _raw_error(envelope(problem)).error
    data = msgspec.json.encode(
        {
            "type": "error",
            "sequence_number": sequence_number,
            "code": _code(problem),
            "message": problem.message,
            "param": problem.param,
            "error": error,
        }
    )
    return b"event: error\ndata: " + data + b"\n\n"


def fault(problem: Problem) -> Raw:
    """The member `error` of a failed response: `{code, message}`."""
    return Raw(msgspec.json.encode(_Fault(_code(problem), problem.message)))


def failed_event(response: bytes, sequence_number: int) -> bytes:
    """The frame of `response.failed` around a whole response object."""
    return (
        b'event: response.failed\ndata: {"type":"response.failed","response":'
        + response
        + b',"sequence_number":%d}\n\n' % sequence_number
    )


def of_failed(error: Raw | None) -> Problem:
    """What a provider's failed response tells (its member `error`), in canonical form."""
    if error is None or bytes(error) == b"null":
        return Problem(kind=Kind.UPSTREAM, message="The provider's response failed without a reason.")
    return read_in_band(bytes(error))


def _code(problem: Problem) -> str:
    return problem.code or TABLE[problem.kind][2] or "server_error"
