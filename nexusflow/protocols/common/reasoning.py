"""How hard to think, in the words and numbers of each kind of model (protocols 2.1.5)."""

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, Effort
from nexusflow.ir.loss import Losses

WORDS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MIN_BUDGET = 1024
_BOUNDS: tuple[tuple[int, Effort], ...] = (
    (0, "none"),
    (1024, "low"),
    (8192, "medium"),
    (24576, "high"),
    (32768, "xhigh"),
)
BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32000,
    "max": 63999,
}
"""Tokens of Anthropic's older form."""
GOOGLE_BUDGETS: dict[Effort, int] = BUDGETS | {"minimal": 512, "xhigh": 24576, "max": 24576}
"""Tokens of Google's 2.5 models: no more than the smallest of them takes."""
MAX_GOOGLE_BUDGET = 32768


def effort(call: ChatCall, to: Destination, losses: Losses) -> str | None:
    """The nearest word that the model takes: the next lower one, or for `none` the lowest. None when unset."""
    wanted = wanted_effort(call)
    if wanted is None:
        return None
    flags = to.capabilities.reasoning
    if flags.shape == "none":
        if wanted != "none":
            losses.drop(_path(call))
        return None
    if flags.always_on and wanted == "none":
        losses.drop(_path(call))
        return None
    return _nearest(call, wanted, flags.values, losses)


def budget(call: ChatCall, to: Destination, losses: Losses, max_tokens: int | None) -> int | None:
    """Thinking tokens; 0 is off, -1 leaves it to the model, None is unset.

    Kept below `max_tokens`, which is never raised; where less than the minimum is left, thinking is dropped (T99).
    """
    asked = call.reasoning.budget
    word = call.reasoning.effort
    if asked is None and word is not None:
        asked = (to.capabilities.max_output_tokens or BUDGETS["max"] + 1) - 1 if word == "max" else BUDGETS[word]
    if asked is None or asked <= 0:
        return asked
    found = max(asked, MIN_BUDGET)
    if max_tokens is not None and found >= max_tokens:
        found = max_tokens - 1
    if found < MIN_BUDGET:
        losses.drop(_path(call))
        return None
    if call.reasoning.budget is not None and found != asked:
        losses.change(_path(call), f"{asked}>{found}")
    return found


def google_budget(call: ChatCall, losses: Losses) -> int | None:
    """Google's `thinkingBudget`, which may be small and may exceed the answer's limit; 0 is off, -1 the model's choice.

    What no model takes is brought down to what one does (protocols 2.1.5).
    """
    word, asked = call.reasoning.effort, call.reasoning.budget
    if asked is None:
        if word in ("xhigh", "max"):
            losses.change(_path(call), f"{word}>{GOOGLE_BUDGETS[word]}")
        return None if word is None else GOOGLE_BUDGETS[word]
    if asked > MAX_GOOGLE_BUDGET:
        losses.change(_path(call), f"{asked}>{MAX_GOOGLE_BUDGET}")
    return min(asked, MAX_GOOGLE_BUDGET)


def level(call: ChatCall, to: Destination, losses: Losses) -> str | None:
    """Google's `thinkingLevel`, in lower case. It has no `none`: the lowest level stands for it."""
    wanted = wanted_effort(call)
    if wanted is None:
        return None
    values = to.capabilities.reasoning.values or ("minimal", "low", "medium", "high")
    if wanted == "medium" and wanted not in values and "high" in values:
        losses.change(_path(call), "medium>high")  # of the Pro models, whose `low` hardly thinks (protocols 2.1.5)
        return "high"
    return _nearest(call, wanted, values, losses)


def effort_of_budget(tokens: int) -> Effort | None:
    """The word for a budget; None leaves it to the model."""
    if tokens < 0:
        return None
    return next((word for bound, word in _BOUNDS if tokens <= bound), "max")


def wanted_effort(call: ChatCall) -> Effort | None:
    """The caller's effort, or that of the budget it gave."""
    asked = call.reasoning
    if asked.effort is not None:
        return asked.effort
    return effort_of_budget(asked.budget) if asked.budget is not None else None


def _nearest(call: ChatCall, wanted: Effort, values: tuple[str, ...], losses: Losses) -> str | None:
    if not values or wanted in values:
        return wanted
    known = [word for word in WORDS if word in values]
    if not known:
        losses.drop(_path(call))
        return None
    at = WORDS.index(wanted)
    lower = [word for word in known if WORDS.index(word) < at]
    found = lower[-1] if lower else known[0]
    losses.change(_path(call), f"{wanted}>{found}")
    return found


def _path(call: ChatCall) -> str:
    return call.reasoning.path or call.spelled("reasoning")
