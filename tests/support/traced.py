"""Calls that are over, for tests of what becomes of their traces."""

from dataclasses import dataclass

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.plan import Provider
from nexusflow.ledger.records import CallLine, Closed, Entry
from nexusflow.telemetry.trace import Attempt, Trace
from nexusflow.wire.traceparent import Parent

AT_NS = 1_795_478_780_000_000_000


@dataclass(frozen=True)
class Way:
    """A lane as a trace sees it."""

    base: str = "https://api.openai.com/v1"
    name: str = "openai"

    @property
    def provider(self) -> Provider:
        return Provider(id=self.name, title="", protocol="openai/chat-completions", base_url=self.base)

    @property
    def destination(self) -> Destination:
        return Destination(model="gpt-5", family="gpt", capabilities=Capabilities())


def line(**more: object) -> CallLine:
    """A good call of two seconds; `more` is what is otherwise."""
    told = {
        "protocol": "openai/chat-completions", "model": "m", "status": 200, "outcome": "done", "total_ms": 2_000,
        "input": 10, "output": 5, "attempts": 1,
    }  # fmt: skip
    return CallLine(**{**told, **more})  # type: ignore[arg-type]


def record(call: CallLine) -> Closed:
    """Its record, charged 7 nano-units."""
    entry = Entry(id="r", kind="charge", debit="a", credit="b", amount=7, basis="reported")
    return Closed(id="r", at_ms=0, org="org_1", key="key_1", team="team_1", entries=(entry,), call=call)


def over(call: CallLine | None = None, parent: Parent | None = None, failed_first: bool = False) -> Trace:
    """A call that began at 100 s and had everything, one attempt before its last where the first failed."""
    first = Attempt(
        Way("http://10.0.0.7:8000", "own"), 100.2, 100.5, Problem(kind=Kind.UPSTREAM, message="", cause=503)
    )
    return Trace(
        id=parent.trace if parent is not None else 0xA,
        span=0xB,
        request="01R",
        parent=parent,
        sampled=True,
        began=100.0,
        at_ns=AT_NS,
        admitted=100.1,
        held=100.2,
        settling=101.5,
        settled=101.6,
        ended=102.0,
        attempts=[*([first] if failed_first else []), Attempt(Way(), 100.5, 101.8)],
        endpoint="chat",
        record=record(call or line()),
        method="POST",
        path="/v1/chat/completions",
        protocol="openai/chat-completions",
    )
