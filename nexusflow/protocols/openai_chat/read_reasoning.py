"""How hard a client wants the model to think, in any of the spellings that servers of this protocol take (2.1.5)."""

from typing import get_args

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Effort, Reasoning
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import raw

FIELDS = frozenset(
    (
        "reasoning_effort",
        "reasoning",
        "thinking",
        "enable_thinking",
        "thinking_budget",
        "include_reasoning",
    )
)
_WORDS: dict[str, Effort] = {word: word for word in get_args(Effort)}
_USUAL: Effort = "medium"


def read(fields: dict[str, Raw]) -> Reasoning:
    """The first spelling that says something. Raises `RequestRefused` for a word or type that does not fit."""
    for name, spelling in _SPELLINGS.items():
        given = raw.optional(fields, name)
        if given is not None:
            found = spelling(given, name)
            break
    else:
        found = Reasoning()
    budget = raw.optional(fields, "thinking_budget")
    if budget is not None and found.effort != "none":
        tokens = raw.integer(budget, "thinking_budget")
        found = Reasoning(budget=tokens, path="thinking_budget")
    if found.expose is None and _thinks(found):
        found = msgspec.structs.replace(found, expose="summary")
    shown = raw.optional(fields, "include_reasoning")
    if shown is not None:
        wanted = raw.boolean(shown, "include_reasoning")
        found = msgspec.structs.replace(found, expose="summary" if wanted else "none")
    return found


def of_google(config: Raw, path: str) -> Reasoning:
    """Google's `thinking_config`, which clients of its compatible endpoint send."""
    fields = raw.obj(config, path)
    level, budget = raw.optional(fields, "thinking_level"), raw.optional(fields, "thinking_budget")
    shown = raw.optional(fields, "include_thoughts")
    return Reasoning(
        effort=_effort(level, f"{path}.thinking_level") if level is not None else None,
        budget=raw.integer(budget, f"{path}.thinking_budget") if budget is not None else None,
        expose="summary" if shown is not None and raw.boolean(shown, f"{path}.include_thoughts") else "none",
        path=path,
    )


def _thinks(asked: Reasoning) -> bool:
    return asked.effort not in (None, "none") or asked.budget not in (None, 0)


def _effort(given: Raw, path: str) -> Effort | None:
    word = raw.string(given, path).lower()
    if word in ("default", "auto"):
        return None
    if word not in _WORDS:
        message = f"`{path}` must be one of: {', '.join(_WORDS)}"
        raise refuse(Kind.PARAM, message, param=path, code="invalid_value")
    return _WORDS[word]


def _by_word(given: Raw, path: str) -> Reasoning:
    return Reasoning(effort=_effort(given, path), path=path)


def _by_object(given: Raw, path: str) -> Reasoning:
    """OpenRouter's `reasoning`: effort or tokens, or only that it is on."""
    fields = raw.obj(given, path)
    effort, tokens = raw.optional(fields, "effort"), raw.optional(fields, "max_tokens")
    enabled, hidden = raw.optional(fields, "enabled"), raw.optional(fields, "exclude")
    word = _effort(effort, f"{path}.effort") if effort is not None else None
    if word is None and tokens is None and enabled is not None:
        word = _USUAL if raw.boolean(enabled, f"{path}.enabled") else "none"
    return Reasoning(
        effort=word,
        budget=raw.integer(tokens, f"{path}.max_tokens") if tokens is not None else None,
        expose="none" if hidden is not None and raw.boolean(hidden, f"{path}.exclude") else None,
        path=path,
    )


def _by_block(given: Raw, path: str) -> Reasoning:
    """`thinking` as Anthropic, and after it Z.ai and DeepSeek, have it."""
    fields = raw.obj(given, path)
    kind, tokens = raw.optional(fields, "type"), raw.optional(fields, "budget_tokens")
    word = raw.string(kind, f"{path}.type") if kind is not None else ""
    if word == "disabled":
        return Reasoning(effort="none", path=path)
    if tokens is not None:
        return Reasoning(budget=raw.integer(tokens, f"{path}.budget_tokens"), path=path)
    if word == "adaptive":
        return Reasoning(expose="summary", path=path)
    return Reasoning(effort=_USUAL if word == "enabled" else None, path=path)


def _by_switch(given: Raw, path: str) -> Reasoning:
    return Reasoning(effort=_USUAL if raw.boolean(given, path) else "none", path=path)


_SPELLINGS = {
    "reasoning_effort": _by_word,
    "reasoning": _by_object,
    "thinking": _by_block,
    "enable_thinking": _by_switch,
}
