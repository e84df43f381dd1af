"""A whole canonical answer, and the facts a writer needs to put it before its client."""

from msgspec import Struct

from nexusflow.ir.chat import Candidate, ChatCall, Ext, Origin
from nexusflow.ir.usage import Usage


class ChatReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One unary answer. `id` and `model` are the provider's own; `usage` is None when it reported none."""

    origin: Origin
    candidates: tuple[Candidate, ...]
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Usage | None = None
    tier: str | None = None
    ext: Ext | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """What the client of an answer asked for: writers name the model as it did and echo what its protocol echoes.

    `response_id` is ours, without any prefix; `created` is whole seconds since 1970.
    """

    call: ChatCall
    model: str
    response_id: str
    created: int
