"""A task as its row has it. Times are milliseconds since 1970, amounts nano-units."""

from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.task import Brief, Made, MediaType, State, Tokens
from nexusflow.store import Row, Value

DAY_MS = 86_400_000


class Stored(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was made, as it is kept: `name` in our storage, or `url` where it stays at the provider."""

    name: str | None = None
    url: str | None = None
    mime: str | None = None
    bytes: int | None = None
    seconds: float | None = None
    revised_prompt: str | None = None


class Task(Struct, frozen=True, kw_only=True):
    """One task. The fields are the columns, in their order.

    `made` is what the provider made and is not yet copied, `output` what is kept of it. `held` is the money set aside
    under a lease of the task's own id, `amount` what it cost in the end, `tokens` what the provider says it took.
    """

    id: str
    owner: str
    org: str
    team: str | None = None
    key_id: str
    user_tag: str | None = None
    face: str
    type: MediaType
    model: str
    provider: str
    upstream_model: str
    state: State = "queued"
    version: int = 0
    worker: str | None = None
    next_ms: int | None = None
    created_ms: int
    submitted_ms: int | None = None
    completed_ms: int | None = None
    deadline_ms: int
    expires_ms: int
    submits: int = 0
    polls: int = 0
    errors: int = 0
    cancel: bool = False
    handle: str | None = None
    progress: int | None = None
    brief: Brief
    price: str | None = None
    plan: str
    held: int = 0
    amount: int | None = None
    made: Made | None = None
    output: tuple[Stored, ...] | None = None
    tokens: Tokens | None = None
    error: str | None = None
    error_code: str | None = None
    webhook_url: str | None = None
    base_url: str = ""
    name: str | None = None
    fingerprint: bytes = b""

    @property
    def lease(self) -> str | None:
        """The name of the hold."""
        return self.id if self.held else None


COLUMNS = Task.__struct_fields__
_JSON: dict[str, Any] = {"brief": Brief, "made": Made, "output": tuple[Stored, ...], "tokens": Tokens}
_DECODERS = {name: msgspec.json.Decoder(kind).decode for name, kind in _JSON.items()}
_PLACES = {name: COLUMNS.index(name) for name in (*_JSON, "cancel")}
_encode = msgspec.json.Encoder().encode


def read(row: Row) -> Task:
    """The task of a row of all COLUMNS."""
    values: list[Any] = list(row)
    for name, decode in _DECODERS.items():
        at = _PLACES[name]
        if values[at] is not None:
            values[at] = decode(values[at])
    values[_PLACES["cancel"]] = bool(values[_PLACES["cancel"]])
    return Task(**dict(zip(COLUMNS, values, strict=True)))


def write(task: Task) -> list[Value]:
    """The row of a task."""
    return [column(name, getattr(task, name)) for name in COLUMNS]


def column(name: str, value: Any) -> Value:
    """A field's value as its column has it."""
    if name in _JSON:
        return None if value is None else _encode(value).decode()
    return int(value) if name == "cancel" else value
