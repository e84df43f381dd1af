"""What a chat protocol brings: eight pieces for the bridge, three for the identity lane, and its errors.

Each protocol folder holds one module per piece; a module is the implementation of a `Protocol` class below. With N
protocols there are N dialects, and every pair of them can be joined (architecture 8.2).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, Origin
from nexusflow.ir.errors import Problem
from nexusflow.ir.events import Event
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model, RequestBounds, StreamUsage
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common.demand import Demand
from nexusflow.wire.jsonedit import Fields


class Tap(Protocol):
    """One stream on its way from a provider to a client. `feed` takes the provider's bytes, returns the client's.

    `meaningful` turns true with the first content, `done` at the good end; `problem` says what broke it.
    """

    @property
    def meaningful(self) -> bool: ...
    @property
    def done(self) -> bool: ...
    @property
    def problem(self) -> Problem | None: ...
    def feed(self, piece: bytes) -> bytes: ...
    def close(self) -> bytes: ...
    def usage(self) -> Usage | None: ...


class OpensTap(Protocol):
    """The class of an identity stream."""

    def __call__(self, public_model: Raw, *, hide_usage: bool = False) -> Tap: ...


class Reader(Protocol):
    """A provider's stream as canonical events."""

    def feed(self, piece: bytes) -> list[Event]: ...
    def close(self) -> list[Event]: ...


class OpensReader(Protocol):
    """The class of a stream reader."""

    def __call__(self, to: Destination) -> Reader: ...


class Writer(Protocol):
    """Canonical events as a client's stream."""

    def feed(self, event: Event) -> bytes: ...


class OpensWriter(Protocol):
    """The class of a stream writer."""

    def __call__(self, asked: Asked) -> Writer: ...


class Errors(Protocol):
    """A protocol's error forms, in both directions."""

    def status(self, problem: Problem) -> int: ...
    def envelope(self, problem: Problem, request_id: str = "") -> bytes: ...
    def event(self, problem: Problem, request_id: str = "") -> bytes: ...
    def read(self, http_status: int, body: bytes, retry_after: int | None = None) -> Problem: ...


class IdentityRequest(Protocol):
    """A client's request, checked, and edited for a provider that speaks the same protocol."""

    @property
    def KNOWN(self) -> frozenset[str]: ...  # a module's constant
    @property
    def MONEY_FIELDS(self) -> tuple[str, ...]: ...  # a module's constant
    def validate(self, body: bytes, decoder: msgspec.json.Decoder[Any], model: Model, bounds: RequestBounds) -> Any: ...
    def demand(self, request: Any) -> Demand: ...
    def prepare(
        self, fields: Fields, model: Model, upstream_model: Raw, *, stream: bool, usage: StreamUsage
    ) -> bytes: ...


class IdentityReply(Protocol):
    """A provider's answer for a client that speaks the same protocol."""

    def relabel(self, body: bytes, public_model: Raw) -> bytes: ...
    def usage(self, body: bytes) -> Usage | None: ...


class ReadRequest(Protocol):
    def read(self, body: bytes, *, model: str, stream: bool) -> ChatCall: ...


class WriteRequest(Protocol):
    def write(self, call: ChatCall, to: Destination, losses: Losses) -> bytes: ...
    def path(self, to: Destination, *, stream: bool) -> str: ...


class ReadReply(Protocol):
    def read(self, body: bytes, to: Destination) -> ChatReply: ...


class WriteReply(Protocol):
    def write(self, reply: ChatReply, asked: Asked, losses: Losses) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """One chat protocol. `keep_alive` is what may be sent to a waiting client at any time (R-21)."""

    id: Origin
    errors: Errors
    identity_request: IdentityRequest
    identity_reply: IdentityReply
    identity_stream: OpensTap
    read_request: ReadRequest
    write_request: WriteRequest
    read_reply: ReadReply
    write_reply: WriteReply
    read_stream: OpensReader
    write_stream: OpensWriter
    keep_alive: bytes
