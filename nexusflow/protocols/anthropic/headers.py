"""Anthropic's own request headers: which version a caller speaks, which betas go on (protocols 1.1, 2.2)."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.errors import Kind, refuse

WITH_SAMPLING = "2023-06-01"
"""The version that has `temperature`, `top_p` and `top_k`, and that a request without a version means."""

LATEST = "2026-10-21"
"""The version that has none of them, whatever their values."""

VERSIONS = (WITH_SAMPLING, LATEST)
MAX_BETAS = 64

_BETA = re.compile(r"[A-Za-z0-9._-]{1,100}").fullmatch
Header = tuple[str, str]


class _Sampling(Struct, frozen=True):
    temperature: Raw = Raw()
    top_p: Raw = Raw()
    top_k: Raw = Raw()


_sampling = msgspec.json.Decoder(_Sampling).decode


def version(header: bytes | None) -> str:
    """The caller's `anthropic-version`. Raises `RequestRefused` for one that does not exist."""
    if header is None or not header.strip():
        return WITH_SAMPLING
    found = header.strip().decode("latin-1")
    if found not in VERSIONS:
        raise refuse(
            Kind.PARAM,
            f"the header anthropic-version must be one of: {', '.join(VERSIONS)}",
            param="anthropic-version",
            code="unknown_version",
        )
    return found


def betas(headers: Iterable[bytes]) -> tuple[str, ...]:
    """The names in all `anthropic-beta` headers, each once. The set of names is open; only their spelling is checked.

    Raises `RequestRefused` for text that could not be a name, or too many of them.
    """
    found: dict[str, None] = {}
    for header in headers:
        for name in header.decode("latin-1").split(","):
            if name := name.strip():
                found[name] = None
    if len(found) > MAX_BETAS or not all(map(_BETA, found)):
        message = f"the header anthropic-beta must be a list of at most {MAX_BETAS} names"
        raise refuse(Kind.PARAM, message, param="anthropic-beta", code="invalid_beta")
    return tuple(found)


def identity(version: str, betas: tuple[str, ...], capabilities: Capabilities) -> list[Header]:
    """The headers of a call that goes on in the same protocol: the caller's version, and the betas that this lane
    allows (T114). A lane without a list allows all."""
    allowed = capabilities.beta_allow
    kept = betas if allowed is None else tuple(name for name in betas if name in allowed)
    return [("anthropic-version", version), *([("anthropic-beta", ",".join(kept))] if kept else [])]


def lines(headers: Iterable[Header]) -> bytes:
    """The headers as they stand on the wire. Their values were checked: none holds a line break."""
    return b"".join(f"{name}: {value}\r\n".encode("ascii") for name, value in headers)


def bridged(body: bytes) -> list[Header]:
    """The headers of a call whose `body` we wrote ourselves: the newest version that takes its parameters."""
    found = _sampling(body)
    sampled = found.temperature or found.top_p or found.top_k
    return [("anthropic-version", WITH_SAMPLING if sampled else LATEST)]
