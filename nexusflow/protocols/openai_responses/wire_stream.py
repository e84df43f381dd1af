"""Typed wire form of streamed events: one struct for all, for the type is one of its members (protocols 1.3)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.protocols.openai_responses.wire import ABSENT
from nexusflow.protocols.openai_responses.wire_items import LogprobForm


class EventForm(Struct, frozen=True):
    """A streamed event."""

    type: str = ""
    delta: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    logprobs: list[LogprobForm] | None = None
    item: Raw = ABSENT
    part: Raw = ABSENT
    annotation: Raw = ABSENT
    response: Raw = ABSENT
    error: Any = None
    code: Any = None
    message: Any = None


event_form = msgspec.json.Decoder(EventForm).decode
