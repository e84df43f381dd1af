"""W3C Trace Context: how a caller tells of the trace that its request belongs to, and how a provider is told (OBS-21).

Headers that break the format's rules count as absent, as the format itself wants it.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

MOST_STATE = 512
"""Bytes of `tracestate` that are passed on; a longer one is left out."""
_MOST_MEMBERS = 32
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = rb"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(rb"(" + _KEY + rb")=" + _VALUE)


class Parent(NamedTuple):
    """The caller's span. `state` is what the systems before it want to be passed on, empty where there is nothing."""

    trace: int
    span: int
    sampled: bool
    state: bytes = b""


def read(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """The parent of a request; None where no valid one is named, or more than one. Names are in lower case."""
    told = [value for name, value in headers if name == b"traceparent"]
    found = _parent(told[0]) if len(told) == 1 else None
    if found is None:
        return None
    return found._replace(state=_state([value for name, value in headers if name == b"tracestate"]))


def lines(trace: int, span: int, sampled: bool, state: bytes = b"") -> bytes:
    """Header lines for whoever is called."""
    parent = b"traceparent: 00-%032x-%016x-%02x\r\n" % (trace, span, sampled)
    return parent + b"tracestate: %b\r\n" % state if state else parent


def _parent(value: bytes) -> Parent | None:
    found = _PARENT.fullmatch(value.strip(b" \t"))
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    # Later versions may say more behind a hyphen; the first, and the one that is none, may not.
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    parent = Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & 1))
    return parent if parent.trace and parent.span else None


def _state(values: list[bytes]) -> bytes:
    """All `tracestate` headers as one, or nothing where a member breaks the rules or is named twice."""
    members = [one for value in values for member in value.split(b",") if (one := member.strip(b" \t"))]
    found = [_MEMBER.fullmatch(member) for member in members]
    names = {one[1] for one in found if one is not None}
    if len(members) > _MOST_MEMBERS or len(names) < len(members):
        return b""
    state = b",".join(members)
    return state if len(state) <= MOST_STATE else b""
