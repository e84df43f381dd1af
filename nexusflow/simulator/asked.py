"""A request as the simulated model reads it, the same whichever wire form it came in."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from nexusflow.simulator.tokens import count

TOKENS_OF_MEDIA = 85
TOKENS_AROUND_A_MESSAGE = 3

Kind = Literal["text", "image", "file", "thought", "call", "result"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a turn.

    `text` is the text or thought, where a medium is (a data URL or an address), or what a call was given. `id` and
    `name` are those of a call, `id` and `parts` those of a result. `mark` is for how long the prompt up to here is to
    be cached, where that was asked.
    """

    kind: Kind
    text: str = ""
    name: str = ""
    id: str = ""
    parts: tuple["Part", ...] = ()
    mark: str | None = None

    @property
    def tokens(self) -> int:
        """What it costs as a part of a prompt."""
        if self.kind in ("image", "file"):
            return TOKENS_OF_MEDIA
        around = TOKENS_AROUND_A_MESSAGE if self.kind == "result" else 0
        return around + count(self.name) + count(self.text) + sum(part.tokens for part in self.parts)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. Results of tools are parts of a user's turn."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def tokens(self) -> int:
        """What it costs, without its parts."""
        return 0 if self.parts and all(part.kind == "result" for part in self.parts) else TOKENS_AROUND_A_MESSAGE


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer. `custom` ones take plain text; `parameters` is the JSON Schema of the others' arguments."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    custom: bool = False
    mark: str | None = None

    @property
    def tokens(self) -> int:
        """What it costs to describe it."""
        return count(self.name) + count(self.description) + count_json(self.parameters or {})


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether tools may be called: none, auto, required or named; `only` these, where that is not None."""

    mode: Literal["none", "auto", "required", "named"] = "auto"
    only: frozenset[str] | None = None
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    `bound` is the most tokens of one reply, `count` how many replies; `wants` is None for plain text, "json" for any
    JSON object, else the schema that the reply has to satisfy. `thinks` says whether the model thinks before it
    answers, `shows` whether the caller gets to read it. `chances` is None where nobody wants to know how likely each
    token was, else of how many alternatives too. `identity` is twenty hexadecimal digits that stand for the request:
    the same ones when it is streamed, hence the same ids in both answers.
    """

    turns: tuple[Turn, ...]
    identity: str
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    choice: Choice = field(default_factory=Choice)
    bound: int | None = None
    stops: tuple[str, ...] = ()
    count: int = 1
    wants: dict[str, Any] | Literal["json"] | None = None
    thinks: bool = False
    shows: bool = True
    chances: int | None = None

    @property
    def latest(self) -> tuple[Part, ...]:
        """All that the user and the tools said since the assistant's last turn; empty when the assistant's is last."""
        parts: list[Part] = []
        for turn in reversed(self.turns):
            if turn.role == "assistant":
                break
            if turn.role == "user":
                parts[:0] = turn.parts
        return tuple(parts)

    @property
    def tokens(self) -> int:
        """What the whole prompt costs."""
        return sum(tokens for tokens, _, _ in self.steps())

    def steps(self) -> Iterator[tuple[int, str | None, bool]]:
        """The prompt as a cache sees it, tools first: tokens, mark behind them, and whether they were there before.

        They were there before the assistant's last turn, that is in the request that this one continues.
        """
        spoken = [at for at, turn in enumerate(self.turns) if turn.role == "assistant"]
        past = spoken[-1] if spoken else -1
        for tool in self.tools:
            yield tool.tokens, tool.mark, past >= 0
        if isinstance(self.wants, dict):
            yield count_json(self.wants), None, past >= 0
        for at, turn in enumerate(self.turns):
            yield turn.tokens, None, at <= past
            for part in turn.parts:
                yield part.tokens, part.mark, at <= past


def merged(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """`turns` with those that follow one of the same role joined to it."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            turn = Turn(turn.role, (*joined.pop().parts, *turn.parts))
        joined.append(turn)
    return tuple(joined)


def texts(parts: Iterable[Part]) -> str:
    """The text among `parts`, joined by spaces."""
    return " ".join(part.text for part in parts if part.kind == "text")


def identify(body: dict[str, Any], *, but: tuple[str, ...] = ("stream", "stream_options")) -> str:
    """Twenty hexadecimal digits for a body, the same whatever it says in the fields `but`."""
    same = {name: value for name, value in body.items() if name not in but}
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()[:20]


def written(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


def count_json(value: Any) -> int:
    """Tokens of a value written as JSON."""
    return count(written(value))
