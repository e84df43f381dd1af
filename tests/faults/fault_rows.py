"""Rows U-01 to U-35 of the fault matrix as data: what the provider does, and what has to come of it.

A row is written once and told in four protocols. Where a failure may be tried elsewhere a second deployment answers,
and alone its own error is seen; where it may not, the second one must not be asked.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Literal

from nexusflow.testing.faulty import END, STREAM_HEAD, Act, Script, Step, piece, unary
from tests.faults.dialects import (
    ANTHROPIC,
    CHAT,
    DIALECTS,
    GOOGLE,
    RESPONSES,
    SECRET_TEXT,
    TOLD,
    UPSTREAM_NAME,
    Dialect,
    Json,
    frame,
)

Mode = Literal["unary", "stream"]
Builder = Callable[[Dialect, Mode], Script]
UNARY: tuple[Mode, ...] = ("unary",)
STREAM: tuple[Mode, ...] = ("stream",)
READ, WRITTEN = 1_000, 200
"""Tokens that a good provider reports."""
BOTH: tuple[Mode, ...] = ("unary", "stream")


class Money(Enum):
    """What the customer pays."""

    VOID = "nothing: the reservation is released"
    SETTLE = "what the provider reported"
    ZERO = "nothing, as the provider reported"
    PART = "what the provider reported before it broke off"
    ESTIMATE = "a local estimate, and it is marked as one"


@dataclass(frozen=True, slots=True)
class Refused:
    """An error with a real status, before any content. `over`: another deployment is tried first.

    `lost`: the provider may have billed the attempt, so that it is booked as absorbed, whoever answers in the end.
    """

    kind: str = "E-UPSTREAM"
    over: bool = True
    lost: bool = False
    retry_after: tuple[int, int] | None = None
    """The smallest and largest `Retry-After` that is right."""
    money: Money = Money.VOID


@dataclass(frozen=True, slots=True)
class Broken:
    """An error inside a stream that has begun: the content so far, one error, no terminal marker."""

    kind: str = "E-UPSTREAM"
    money: Money = Money.ESTIMATE


@dataclass(frozen=True, slots=True)
class Served:
    """A good answer: the text, one terminal marker, the public name."""

    text: str = "Hello"
    money: Money = Money.SETTLE
    written: int = WRITTEN
    """Output tokens that are charged."""


End = Refused | Broken | Served


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `instead` has the end in a dialect where it differs; `without` those that cannot have this fault."""

    id: str
    script: Builder
    end: End
    modes: tuple[Mode, ...] = BOTH
    provider: str = "scripted"
    timeouts: Mapping[str, float] = field(default_factory=dict)
    instead: Mapping[str, End] = field(default_factory=dict)
    without: tuple[Dialect, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One row in one protocol and mode; `second` when another deployment stands by.

    The provider speaks `dialect`, its client the same or another one.
    """

    row: Row
    dialect: Dialect
    client: Dialect
    mode: Mode
    second: bool

    @property
    def id(self) -> str:
        """Also the model's name, here and at the provider."""
        by = f"-for-{self.client.name}" if self.translated else ""
        return f"{self.row.id}-{self.dialect.name}{by}-{self.mode}{'-over' if self.second else ''}"

    @property
    def translated(self) -> bool:
        """Whether the provider's words are not the client's."""
        return self.client is not self.dialect

    @property
    def stream(self) -> bool:
        """Whether the client asks for a stream."""
        return self.mode == "stream"

    @property
    def end(self) -> End:
        """What has to come of it, if the second deployment is not the one that answers."""
        return self.row.instead.get(self.dialect.name, self.row.end)

    @property
    def failover(self) -> bool:
        """Whether the second deployment has to answer."""
        return self.second and isinstance(self.end, Refused) and self.end.over


def cases() -> Iterator[Case]:
    """Every row in every protocol and mode it applies to."""
    for row in ROWS:
        for dialect in DIALECTS:
            if dialect in row.without:
                continue
            for mode in row.modes:
                case = Case(row, dialect, dialect, mode, second=True)
                yield case
                if case.failover:
                    yield Case(row, dialect, dialect, mode, second=False)


def translated() -> Iterator[Case]:
    """Every row with four pairs of protocols, so that each reads once and each is read once; all twelve take turns."""
    for at, row in enumerate(ROWS):
        if row.provider != "scripted":
            continue
        for place, dialect in enumerate(DIALECTS):
            client = DIALECTS[(place + at % 3 + 1) % len(DIALECTS)]
            if dialect not in row.without:
                for mode in row.modes:
                    yield Case(row, dialect, client, mode, second=False)


# How scripts are built.

HTML = "content-type: text/html"


def full(dialect: Dialect) -> Json:
    """The usage that a good provider reports."""
    return dialect.usage(READ, WRITTEN, 0)


def good(dialect: Dialect, mode: Mode, usage: Json | Literal["full"] | None = "full") -> Script:
    """A good answer with the given usage."""
    told = full(dialect) if usage == "full" else usage
    if mode == "unary":
        return (unary(_bytes(dialect.answer(told))),)
    parts = dialect.opening(told), dialect.content("Hello"), dialect.ending(told) + dialect.terminal
    return (STREAM_HEAD, *map(piece, parts), END)


def _bytes(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _same(*steps: Step) -> Builder:
    """The same bytes, whatever the protocol and mode."""
    return lambda dialect, mode: steps


def _streamed(*parts: Callable[[Dialect], bytes] | bytes | Act) -> Builder:
    """A stream of pieces, each in a transfer chunk of its own; without an end of its own unless `END` is among them."""

    def build(dialect: Dialect, mode: Mode) -> Script:
        steps: list[Step] = [STREAM_HEAD]
        for part in parts:
            if isinstance(part, Act) or part == END:
                steps.append(part)
            else:
                steps.append(piece(part if isinstance(part, bytes) else part(dialect)))
        return steps

    return build


def _opening(dialect: Dialect) -> bytes:
    return dialect.opening(full(dialect))


def _hello(dialect: Dialect) -> bytes:
    return dialect.content("Hello")


def _ending(dialect: Dialect) -> bytes:
    return dialect.ending(full(dialect)) + dialect.terminal


def _status(status: str, *headers: str, said: str = SECRET_TEXT) -> Builder:
    """An error status with the protocol's error body."""

    def build(dialect: Dialect, mode: Mode) -> Script:
        return (unary(_bytes(dialect.refusal(int(status[:3]), said)), status, *headers),)

    return build


def _in_200(status: int, said: str = SECRET_TEXT) -> Builder:
    """An error body behind a good status."""
    return lambda dialect, mode: (unary(_bytes(dialect.refusal(status, said))),)


def _ours_as_400(dialect: Dialect, mode: Mode) -> Script:
    """What two providers say of our key or account, with the status for a caller's mistake."""
    refusal = dialect.refusal(400, "Your credit balance is too low to access the API.")
    if dialect is GOOGLE:
        refusal["error"]["details"] = [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        ]
    return (unary(_bytes(refusal), "400 Bad Request"),)


def _metered(usage: Callable[[Dialect], Json | None]) -> Builder:
    """A good answer with an odd usage."""
    return lambda dialect, mode: good(dialect, mode, usage(dialect))


def _counts(read: Any, written: Any, cached: Any = 0) -> Builder:
    return _metered(lambda dialect: dialect.usage(read, written, cached))


def _repeated(dialect: Dialect, mode: Mode) -> Script:
    """Usage that grows with every frame that can carry it, and is said once more at the end."""
    parts = (
        dialect.opening(dialect.usage(READ, 1, 0)),
        dialect.content("Hello"),
        *(dialect.ending(dialect.usage(READ, written, 0)) for written in (100, WRITTEN, WRITTEN)),
    )
    return (STREAM_HEAD, *map(piece, parts), *((piece(dialect.terminal),) if dialect.terminal else ()), END)


def _cut(dialect: Dialect, mode: Mode) -> Script:
    """A break in the middle of the body; in a stream, in the middle of an event."""
    if mode == "unary":
        return (unary(_bytes(dialect.answer(full(dialect))))[:-20], Act.CLOSE)
    last = dialect.content("never seen whole").rstrip().rpartition(b"\n\n")[2]
    parts = _opening(dialect), _hello(dialect), last[:-20]
    return (STREAM_HEAD, *map(piece, parts), Act.RESET)


def _malformed(dialect: Dialect, mode: Mode) -> Script:
    if mode == "unary":
        return (unary(_bytes(dialect.answer(full(dialect)))[:-10]),)
    return (STREAM_HEAD, *map(piece, (_opening(dialect), b'data: {"half": [\n\n')), END)


def _mostly(dialect: Dialect) -> bytes:
    return dialect.opening(full(dialect)) + dialect.content("Grüße 世界") + _ending(dialect)


def _framed(change: Callable[[bytes], bytes]) -> Builder:
    """A good stream in another spelling, in one piece."""
    return lambda dialect, mode: (STREAM_HEAD, piece(change(_mostly(dialect))), END)


def _byte_by_byte(dialect: Dialect, mode: Mode) -> Script:
    return (STREAM_HEAD, *(piece(bytes([byte])) for byte in _mostly(dialect)), END)


def _multi_line(text: bytes) -> bytes:
    """Two data lines for each event, broken where JSON allows it."""
    return text.replace(b"data: {", b"data: {\ndata: ")


def _empty(dialect: Dialect, mode: Mode) -> Script:
    if mode == "unary":
        return (unary(_bytes(dialect.empty[0])),)
    return (STREAM_HEAD, piece(dialect.opening(None) + dialect.terminal), END)


def _failed(dialect: Dialect, code: str = "server_overloaded", said: str = SECRET_TEXT) -> bytes:
    error = {"code": code, "message": said}
    failed = {"id": "resp_1", "object": "response", "status": "failed", "model": UPSTREAM_NAME, "error": error}
    return frame({"type": "response.failed", "sequence_number": 5, "response": {**failed, "output": []}}, event=True)


def _blocked(dialect: Dialect, mode: Mode) -> Script:
    """Google's answer to a prompt that it will not read: a good status, and no candidate."""
    body = {
        "promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": UPSTREAM_NAME,
        "usageMetadata": {"promptTokenCount": READ, "totalTokenCount": READ},
    }  # fmt: skip
    return (unary(_bytes(body)),) if mode == "unary" else (STREAM_HEAD, piece(frame(body, end="\r\n\r\n")), END)


BOMB = gzip.compress(b" " * (96 * 1024 * 1024))
_LONG = b'data: {"long":"' + b"x" * (9 * 1024 * 1024)
_SHORT = {"connect_seconds": 0.3, "first_byte_seconds": 0.4}
_REDIRECT = "location: http://127.0.0.1:{port}/elsewhere"
_CLAMPED = (1, 120)
_GONE = Refused()
_SLOW = Refused("E-TIMEOUT")
_LOST = Refused(lost=True)

ROWS: tuple[Row, ...] = (
    # Not reached.
    Row("U01", _same(), _GONE, provider="refused"),
    Row("U02", _same(), _SLOW, provider="full"),
    Row("U03", _same(), _GONE, provider="nameless"),
    *(Row(f"U04-{name}", _same(), _GONE, provider=name) for name in ("unknown", "expired", "wrong-name", "plain")),
    # Silence.
    Row("U05", _same(Act.HANG), Refused("E-TIMEOUT", lost=True), STREAM, timeouts=_SHORT),
    Row(
        "U05-unary",
        _same(Act.HANG),
        Refused("E-TIMEOUT", lost=True),
        UNARY,
        timeouts={**_SHORT, "total_seconds": 0.6},
    ),
    Row("U06", _streamed(_opening, Act.HANG), Refused("E-TIMEOUT", lost=True), STREAM, timeouts=_SHORT),
    Row("U07", _streamed(_opening, _hello, Act.HANG), Broken("E-TIMEOUT"), STREAM, timeouts={"idle_seconds": 0.4}),
    # Breaks.
    Row("U08", _streamed(_opening, _hello, END), Broken(), STREAM),
    # The reason to finish and usage came, and only the marker is missing. Google's protocol has none, and that of
    # Responses is the event with the usage. In Anthropic's the official SDKs fail without it, and so does the gateway.
    Row(
        "U09",
        _streamed(_opening, _hello, lambda d: d.ending(full(d)), END),
        Served(),
        STREAM,
        instead={ANTHROPIC.name: Broken(money=Money.PART)},
    ),
    Row("U10", _cut, _LOST, UNARY),
    Row("U10", _cut, Broken(), STREAM),
    # Nonsense.
    Row("U11", _malformed, _LOST, UNARY),
    Row("U11-shape", _same(unary(b'{"hello":"there"}')), _LOST, UNARY),
    Row("U12-before", _malformed, _LOST, STREAM),
    Row("U12-after", _streamed(_opening, _hello, b'data: {"half": [\n\n', _ending, END), Broken(), STREAM),
    Row("U14", _streamed(_opening, _hello, _LONG, Act.HANG), Broken(), STREAM),
    Row("U15", _same(unary(b"<html>sign in</html>", "200 OK", HTML)), _LOST),
    Row("U16-429", _in_200(429), Refused("E-RATE")),
    Row("U16-503", _in_200(503), Refused("E-BUSY")),
    # A class each: our credential is not the caller's matter, the caller's request is nobody else's, and what failed
    # behind a good status may be billed.
    Row("U16-401", _in_200(401), _GONE),
    Row("U16-404", _in_200(404), _GONE),
    Row("U16-context", _in_200(400, TOLD["E-CTX"]), Refused("E-CTX", over=False)),
    Row("U16-500", _in_200(500), _LOST),
    Row("U17", _streamed(lambda d: d.error_frame(529), END), Refused("E-BUSY"), STREAM),
    Row("U17-429", _streamed(lambda d: d.error_frame(429), END), Refused("E-RATE"), STREAM),
    Row("U17-401", _streamed(lambda d: d.error_frame(401), END), _GONE, STREAM),
    Row(
        "U17-400",
        _streamed(_opening, lambda d: d.error_frame(400), END),
        Refused("E-PARAM", over=False),
        STREAM,
        without=(RESPONSES,),  # its codes are words
    ),
    Row("U17-500", _streamed(_opening, lambda d: d.error_frame(500), END), _LOST, STREAM),
    Row("U17-opened", _streamed(_opening, lambda d: d.error_frame(529), END), Refused("E-BUSY"), STREAM),
    Row("U18-busy", _streamed(_opening, _hello, lambda d: d.error_frame(529), END), Broken("E-BUSY"), STREAM),
    # The provider of Responses says it by a failed response, before its content or after.
    Row("U17-failed", _streamed(_opening, _failed, END), Refused("E-BUSY"), STREAM, without=(CHAT, ANTHROPIC, GOOGLE)),
    *(
        Row(
            f"U17-{code}",
            _streamed(_opening, partial(_failed, code=code, said=TOLD.get(end.kind, SECRET_TEXT)), END),
            end,
            STREAM,
            without=(CHAT, ANTHROPIC, GOOGLE),
        )
        for code, end in (
            ("server_error", _LOST),
            ("rate_limit_exceeded", Refused("E-RATE")),
            ("invalid_api_key", _GONE),
            ("context_length_exceeded", Refused("E-CTX", over=False)),
        )
    ),
    Row(
        "U18-failed",
        _streamed(_opening, _hello, _failed, END),
        Broken("E-BUSY"),
        STREAM,
        without=(CHAT, ANTHROPIC, GOOGLE),
    ),
    Row("U18", _streamed(_opening, _hello, lambda d: d.error_frame(502), END), Broken(), STREAM),
    Row("U19", _same(unary(BOMB, "200 OK", "content-encoding: gzip")), _LOST, UNARY),
    # Refusals.
    Row("U20", _status("429 Too Many Requests", "retry-after: 30"), Refused("E-RATE", retry_after=(30, 30))),
    *(
        Row(
            f"U21-{name}",
            _status("429 Too Many Requests", f"retry-after: {value}"),
            Refused("E-RATE", retry_after=_CLAMPED),
        )
        for name, value in (
            ("date", "Wed, 21 Oct 2099 07:28:00 GMT"),
            ("negative", "-5"),
            ("huge", "1000000000"),
            ("garbage", "soon"),
        )
    ),
    Row("U22-503", _status("503 Service Unavailable"), Refused("E-BUSY", retry_after=(1, 10))),
    Row("U22-529", _status("529 Overloaded"), Refused("E-BUSY", retry_after=(1, 10))),
    Row("U23-500", _status("500 Internal Server Error"), _GONE),
    Row("U23-502", _same(unary(b"<html>bad gateway</html>", "502 Bad Gateway", HTML)), _GONE),
    Row("U23-504", _status("504 Gateway Timeout"), _SLOW),
    Row("U24-401", _status("401 Unauthorized"), _GONE),
    Row("U24-403", _status("403 Forbidden"), _GONE),
    Row("U24-400", _ours_as_400, _GONE, without=(CHAT, RESPONSES)),
    Row("U25", _status("404 Not Found"), _GONE),
    Row("U26-context", _status("400 Bad Request", said=TOLD["E-CTX"]), Refused("E-CTX", over=False)),
    # Google has no word for it among its errors: a prompt that is refused is an answer, and its input is billed.
    Row(
        "U26-policy",
        _status("400 Bad Request", said=TOLD["E-CONTENT"]),
        Refused("E-CONTENT", over=False),
        without=(GOOGLE,),
    ),
    Row("U26-blocked", _blocked, Served("", written=0), without=(CHAT, RESPONSES, ANTHROPIC)),
    Row("U26-secret", _status("400 Bad Request"), Refused("E-PARAM", over=False)),
    *(
        Row(f"U29-{status}", _same(unary(b"", f"{status} Moved", _REDIRECT)), Refused(over=False))
        for status in (301, 302, 307, 308)
    ),
    # Odd but good.
    *(
        Row(f"U13-{name}", _framed(change), Served("Grüße 世界"), STREAM)
        for name, change in (
            ("crlf", lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")),
            ("cr", lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r")),
            ("bom", lambda text: b"\xef\xbb\xbf" + text),
            ("no-space", lambda text: text.replace(b"data: ", b"data:").replace(b"event: ", b"event:")),
            ("multi-line", _multi_line),
            ("no-last-blank", lambda text: text.rstrip(b"\r\n") + b"\n"),
            ("comments", lambda text: b": waiting\n\n" * 10_000 + text),
        )
    ),
    Row("U13-bytes", _byte_by_byte, Served("Grüße 世界"), STREAM),
    Row(
        "U28-1xx",
        lambda dialect, mode: (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
            *good(dialect, mode),
        ),
        Served(),
    ),
    Row("U30", _metered(lambda dialect: None), Served(money=Money.ESTIMATE)),
    Row("U31-negative", _counts(-5, WRITTEN), Served(money=Money.ESTIMATE)),
    Row("U31-absurd", _counts(10**12, WRITTEN), Served(money=Money.ESTIMATE)),
    Row("U31-text", _counts("NaN", "NaN"), Served(money=Money.ESTIMATE)),
    # Cache reads stand beside the input in Anthropic's protocol, and may well be more.
    Row("U31-cached", _counts(READ, WRITTEN, READ + 1), Served(money=Money.ESTIMATE), without=(ANTHROPIC,)),
    # Reports are doubted from four times the bound on: providers count reasoning and overshoot the bound by a little.
    Row("U31-output", _counts(READ, 1_000_000), Served(money=Money.ESTIMATE)),
    # A response has a single report, in its last event.
    Row("U32", _repeated, Served(), STREAM, without=(RESPONSES,)),
    Row("U33", _counts(0, 0), Served(money=Money.ZERO)),
    Row("U34", _empty, _LOST),
    # The list is there, and what is in it says nothing.
    Row("U34-hollow", lambda dialect, mode: (unary(_bytes(dialect.empty[-1])),), _LOST, UNARY),
    Row("U35", good, Served()),
)
