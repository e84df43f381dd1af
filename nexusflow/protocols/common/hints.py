"""Hints that a model does not take, left out of a call that is not translated (protocols 2.0.3, 2.1.6).

A translated call loses them in its writer. A provider that speaks the client's own protocol would refuse them, some
even at their default values, so they go here in the same way: said, unless they have no effect.
"""

from collections.abc import Set

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import Origin
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_SAMPLING: dict[Origin, dict[str, object]] = {
    "openai/chat-completions": {"temperature": 1, "top_p": 1},
    "openai/responses": {"temperature": 1, "top_p": 1},
    "anthropic/messages": {"temperature": 1, "top_p": 1, "top_k": None},
    "google/generate-content": {"temperature": 1, "topP": 1, "topK": None},
}
"""By protocol: what a model without sampling is not sent, and the value that changes nothing."""
_PENALTIES_OF: dict[Origin, dict[str, object]] = {
    "openai/chat-completions": {"frequency_penalty": 0, "presence_penalty": 0},
    "openai/responses": {},
    "anthropic/messages": {},
    "google/generate-content": {"frequencyPenalty": 0, "presencePenalty": 0},
}
_INSIDE: dict[Origin, str] = {"google/generate-content": "generationConfig"}
"""The member that holds them, where they do not stand at the top."""


def leave_out(fields: Fields, protocol: Origin, flags: Capabilities, losses: Losses) -> None:
    """Take what the model does not take out of `fields`, the caller's body in `protocol`; changed in place."""
    untaken = {} if flags.penalties else _PENALTIES_OF[protocol]
    if not flags.sampling:
        untaken = untaken | _SAMPLING[protocol]
    if not untaken:
        return
    holder = _INSIDE.get(protocol)
    if holder is None:
        _drop(fields, untaken, "", losses)
        return
    held = fields.get(holder)
    if held is None or bytes(held) == b"null":
        return
    inner = jsonedit.split(bytes(held))
    if _drop(inner, untaken, f"{holder}.", losses):
        fields[holder] = Raw(jsonedit.join(inner))


def note_unknown(fields: Fields, known: Set[str], model: Model, losses: Losses) -> None:
    """Say what will be left out where the model drops parameters that are not `known` (`unknown_params: drop`)."""
    if model.unknown_params == "drop":
        for name in sorted(fields.keys() - known):
            losses.drop(name)


def _drop(fields: Fields, untaken: dict[str, object], prefix: str, losses: Losses) -> bool:
    """Whether there was any of them."""
    found = fields.keys() & untaken.keys()
    for name in sorted(found):
        value = msgspec.json.decode(fields.pop(name))
        if value is not None and value != untaken[name]:
            losses.drop(prefix + name)
    return bool(found)
