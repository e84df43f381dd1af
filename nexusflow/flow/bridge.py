"""Joining two dialects: a client's request for a provider that speaks another protocol, and the answer back."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from nexusflow import tokens
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, Opaque, Refusal, Text, Thinking, ToolCall
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.events import Done, Event, Failed, Finished, PartDelta, PartEnded, PartStarted, UsageSeen
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.ir.usage import Usage
from nexusflow.protocols.dialect import Dialect, Reader, Writer

Remember = Callable[[ToolCall | Text, Opaque], None]
CHARACTERS_PER_TOKEN = 3
"""Of an answer that nobody counted: on the high side for European languages, about right for others' bytes."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """One translated call: `client` is the caller's dialect, `upstream` the provider's."""

    client: Dialect
    upstream: Dialect
    to: Destination
    asked: Asked
    losses: Losses
    remember: Remember

    def request(self, call: ChatCall) -> bytes:
        """The body for the provider. Raises `RequestRefused` for what cannot be carried over."""
        return self.upstream.write_request.write(call, self.to, self.losses)

    def reply(self, body: bytes) -> tuple[bytes, Usage]:
        """The provider's whole answer for the client, and what it used. Raises `RequestRefused`."""
        reply = self.upstream.read_reply.read(body, self.to)
        for candidate in reply.candidates:
            for part in candidate.parts:
                if isinstance(part, ToolCall | Text) and part.signature is not None:
                    self.remember(part, part.signature)
        usage = reply.usage or estimate(self.asked.call, _length(reply))
        if reply.usage is None:
            reply = msgspec.structs.replace(reply, usage=usage)
        return self.client.write_reply.write(reply, self.asked, self.losses), usage

    def stream(self) -> "BridgeStream":
        """The way of a stream."""
        return BridgeStream(self.upstream.read_stream(self.to), self.client.write_stream(self.asked), self)


class BridgeStream:
    """A `Tap` made of a reader and a writer."""

    __slots__ = ("_bridge", "_call", "_characters", "_reader", "_usage", "_writer", "done", "meaningful", "problem")

    def __init__(self, reader: Reader, writer: Writer, bridge: Bridge) -> None:
        self._reader = reader
        self._writer = writer
        self._bridge = bridge
        self._call: ToolCall | None = None
        self._usage: Usage | None = None
        self._characters = 0
        self.done = False
        self.meaningful = False
        self.problem: Problem | None = None

    def feed(self, piece: bytes) -> bytes:
        """The client's frames for a piece of the provider's stream."""
        return self._write(self._reader.feed(piece))

    def close(self) -> bytes:
        """The last frames, or a problem where the stream was cut."""
        return self._write(self._reader.close())

    def usage(self) -> Usage | None:
        """What was used as far as the stream went; marked as partial when it broke off."""
        early = getattr(self._reader, "usage", None)  # Google reports it all along, and the event comes at the end
        found = self._usage or (early() if early is not None else None)
        if found is not None:
            return found if self.done else msgspec.structs.replace(found, source="partial")
        return estimate(self._bridge.asked.call, self._characters) if self._characters else None

    @property
    def response(self) -> bytes | None:
        """The whole answer as one object, where the client's protocol ends its streams with it."""
        return getattr(self._writer, "response", None)

    def failure(self, problem: Problem) -> bytes:
        """The client's frame for a stream that breaks after it has begun."""
        return self._writer.feed(Failed(problem))

    def _write(self, events: list[Event]) -> bytes:
        frames = b""
        for event in events:
            kind = type(event)
            if kind is Failed:
                self.problem = event.problem  # type: ignore[union-attr]  # narrowed by the line above, cheaply
                break
            if kind is UsageSeen:
                self._usage = event.usage  # type: ignore[union-attr]
            elif kind is PartDelta or kind is Finished:
                self.meaningful = True
            elif kind is PartStarted or kind is PartEnded:
                # A text that has begun is still empty: until its first words the provider may fail unseen (U-17).
                if isinstance(event, PartStarted) and not isinstance(event.part, Text | Thinking | Refusal):
                    self.meaningful = True
                self._note_signature(event)
            elif kind is Done:
                if self._usage is None:
                    self._usage = estimate(self._bridge.asked.call, self._characters)
                    frames += self._writer.feed(UsageSeen(self._usage))
                self.done = True
            try:
                frames += self._writer.feed(event)
            except RequestRefused as refused:  # such as an answer that the client's protocol has no place for
                self.problem = refused.problem
                self.done = False
                break
            if self._usage is None:
                self._characters += len(getattr(event, "text", ""))
        return frames

    def _note_signature(self, event: Event) -> None:
        if isinstance(event, PartStarted):
            self._call = event.part if isinstance(event.part, ToolCall) else None
            signature = self._call.signature if self._call is not None else None
        else:
            signature = event.signature if isinstance(event, PartEnded) else None
        if signature is None:
            return
        if self._call is not None:
            self._bridge.remember(self._call, signature)
        elif isinstance(event, PartEnded) and event.said:
            self._bridge.remember(Text(text=event.said), signature)


def estimate(call: ChatCall, answer_characters: int) -> Usage:
    """What a provider that reported nothing is taken to have used (reliability B-: always marked as estimated)."""
    return Usage(
        input_text=tokens.estimate(call),
        output_text=-(-answer_characters // CHARACTERS_PER_TOKEN),
        source="estimated",
    )


def used_untranslated(dialect: Dialect, to: Destination, asked: bytes, model: str, answer: bytes) -> Usage:
    """What a unary call used whose bytes passed through: as `answer` reports it, else an estimate from both bodies.

    Nothing is read but the report where there is one. A body that only its own vendor understands weighs as text.
    """
    reported = dialect.identity_reply.usage(answer)
    if reported is not None:
        return reported
    try:
        said = _length(dialect.read_reply.read(answer, to))
    except RequestRefused:
        said = len(answer)
    try:
        return estimate(dialect.read_request.read(asked, model=model, stream=False), said)
    except RequestRefused:
        weight = tokens.tokens(tokens.weigh(asked))
        return Usage(input_text=weight, output_text=-(-said // CHARACTERS_PER_TOKEN), source="estimated")


def refuse_losses(losses: Losses) -> None:
    """Under `on_loss: reject`, or when the caller asks for strictness. Raises `RequestRefused` naming the first."""
    first = next(iter(losses), None)
    if first is not None:
        raise RequestRefused(
            Problem(
                kind=Kind.PARAM,
                message=f"`{first.path}` cannot be carried over to this model's provider ({losses.header()})",
                param=first.path,
                code="unsupported_parameter",
            )
        )


def _length(reply: ChatReply) -> int:
    return sum(
        len(getattr(part, "text", "")) + len(getattr(part, "arguments", ""))
        for candidate in reply.candidates
        for part in candidate.parts
    )
