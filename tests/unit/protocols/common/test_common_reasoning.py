"""How hard to think, in the words and numbers of each kind of model (protocols 2.1.5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.capabilities import Capabilities, Destination, ReasoningFlags
from nexusflow.ir.chat import ChatCall, Effort, Reasoning
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import reasoning

GPT_5 = ReasoningFlags(values=("minimal", "low", "medium", "high"))
GPT_6 = ReasoningFlags(values=("none", "low", "medium", "high", "xhigh"))
CLAUDE = ReasoningFlags(shape="adaptive", values=("low", "medium", "high", "max"))
FLASH = ReasoningFlags(shape="level", values=("minimal", "low", "medium", "high"))
PRO = ReasoningFlags(shape="level", values=("low", "high"), always_on=True)
EFFORTS = st.sampled_from(reasoning.WORDS)


def call(effort: Effort | None = None, budget: int | None = None) -> ChatCall:
    asked = Reasoning(effort=effort, budget=budget, path="reasoning_effort")
    return ChatCall(origin="openai/chat-completions", model="m", turns=(), reasoning=asked)


def to(flags: ReasoningFlags, **others: Any) -> Destination:
    return Destination(model="m", family="m", capabilities=Capabilities(reasoning=flags, **others))


def said(losses: Losses) -> str:
    return losses.header().replace("reasoning_effort", "it")


@pytest.mark.parametrize(
    ("wanted", "flags", "word", "loss"),
    [
        ("high", GPT_5, "high", ""),
        ("none", GPT_6, "none", ""),
        ("none", GPT_5, "minimal", "changed=it:none>minimal"),
        ("xhigh", GPT_5, "high", "changed=it:xhigh>high"),
        ("max", GPT_6, "xhigh", "changed=it:max>xhigh"),
        ("minimal", CLAUDE, "low", "changed=it:minimal>low"),
        ("xhigh", CLAUDE, "high", "changed=it:xhigh>high"),
        ("max", CLAUDE, "max", ""),
        ("minimal", ReasoningFlags(), "minimal", ""),
        ("none", ReasoningFlags(always_on=True), None, "dropped=it"),
        ("high", ReasoningFlags(shape="none"), None, "dropped=it"),
        ("none", ReasoningFlags(shape="none"), None, ""),
        ("high", ReasoningFlags(values=("brisk",)), None, "dropped=it"),
        (None, GPT_5, None, ""),
    ],
)
def test_an_effort_is_the_nearest_word_below(
    wanted: Effort | None, flags: ReasoningFlags, word: str | None, loss: str
) -> None:
    losses = Losses()
    assert reasoning.effort(call(wanted), to(flags), losses) == word
    assert said(losses) == loss


@given(EFFORTS, st.sets(EFFORTS, min_size=1))
def test_an_effort_is_always_one_of_the_models_own(wanted: Effort, values: set[str]) -> None:
    losses = Losses()
    found = reasoning.effort(call(wanted), to(ReasoningFlags(values=tuple(values))), losses)
    assert found in values
    assert bool(losses) == (found != wanted)
    higher = [word for word in reasoning.WORDS[reasoning.WORDS.index(wanted) + 1 :] if word in values]
    assert found not in higher or not [word for word in reasoning.WORDS if word in values and word not in higher]


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        (-1, None),
        (0, "none"),
        (1, "low"),
        (1024, "low"),
        (1025, "medium"),
        (8192, "medium"),
        (24576, "high"),
        (32768, "xhigh"),
        (32769, "max"),
    ],
)
def test_a_budget_as_a_word(tokens: int, word: str | None) -> None:
    assert reasoning.effort_of_budget(tokens) == word
    assert reasoning.effort(call(budget=tokens), to(ReasoningFlags()), Losses()) == word


def test_the_callers_word_counts_more_than_its_budget() -> None:
    assert reasoning.wanted_effort(call("low", 30_000)) == "low"
    assert reasoning.wanted_effort(call()) is None


@pytest.mark.parametrize(
    ("wanted", "flags", "level", "loss"),
    [
        ("none", FLASH, "minimal", "changed=it:none>minimal"),
        ("none", PRO, "low", "changed=it:none>low"),
        ("minimal", FLASH, "minimal", ""),
        ("minimal", PRO, "low", "changed=it:minimal>low"),
        ("medium", FLASH, "medium", ""),
        ("medium", PRO, "high", "changed=it:medium>high"),
        ("xhigh", FLASH, "high", "changed=it:xhigh>high"),
        ("max", PRO, "high", "changed=it:max>high"),
        ("max", ReasoningFlags(shape="level"), "high", "changed=it:max>high"),
        (None, FLASH, None, ""),
    ],
)
def test_T98_none_is_googles_lowest_level(
    wanted: Effort | None, flags: ReasoningFlags, level: str | None, loss: str
) -> None:
    losses = Losses()
    assert reasoning.level(call(wanted), to(flags), losses) == level
    assert said(losses) == loss


@pytest.mark.parametrize(
    ("wanted", "limit", "tokens", "loss"),
    [
        (call("none"), 9_000, 0, ""),
        (call("minimal"), 9_000, 1024, ""),
        (call("low"), 9_000, 1024, ""),
        (call("medium"), 9_000, 8192, ""),
        (call("high"), 64_000, 24576, ""),
        (call("xhigh"), 64_000, 32000, ""),
        (call("max"), None, 63_999, ""),
        (call("high"), 4_000, 3_999, ""),
        (call(budget=500), 4_000, 1024, "changed=it:500>1024"),
        (call(budget=4_000), 4_000, 3_999, "changed=it:4000>3999"),
        (call(budget=4_000), 1_025, 1024, "changed=it:4000>1024"),
        (call(budget=4_000), 1_024, None, "dropped=it"),
        (call("low"), 100, None, "dropped=it"),
        (call(budget=0), 100, 0, ""),
        (call(budget=-1), 100, -1, ""),
        (call("low", 5_000), 9_000, 5_000, ""),
        (call(), 100, None, ""),
    ],
)
def test_T99_a_budget_is_at_least_1024_and_below_the_limit(
    wanted: ChatCall, limit: int | None, tokens: int | None, loss: str
) -> None:
    losses = Losses()
    destination = to(ReasoningFlags(shape="budget"), max_output_tokens=64_000)
    assert reasoning.budget(wanted, destination, losses, limit) == tokens
    assert said(losses) == loss


@given(st.integers(-5, 100_000), st.integers(1, 100_000))
def test_T99_whatever_is_asked_a_budget_is_possible_or_not_sent(asked: int, limit: int) -> None:
    losses = Losses()
    found = reasoning.budget(call(budget=asked), to(ReasoningFlags(shape="budget")), losses, limit)
    assert found is None or found <= 0 or 1024 <= found < limit
    assert bool(losses) == (found != asked)


@pytest.mark.parametrize(
    ("wanted", "tokens", "loss"),
    [
        (call("none"), 0, ""),
        (call("minimal"), 512, ""),
        (call("low"), 1024, ""),
        (call("medium"), 8192, ""),
        (call("high"), 24576, ""),
        (call("xhigh"), 24576, "changed=it:xhigh>24576"),
        (call("max"), 24576, "changed=it:max>24576"),
        (call(budget=128), 128, ""),
        (call(budget=32_768), 32_768, ""),
        (call(budget=60_000), 32_768, "changed=it:60000>32768"),
        (call(budget=-1), -1, ""),
        (call(budget=0), 0, ""),
        (call(), None, ""),
    ],
)
def test_T98_a_budget_of_googles_older_models(wanted: ChatCall, tokens: int | None, loss: str) -> None:
    losses = Losses()
    assert reasoning.google_budget(wanted, losses) == tokens
    assert said(losses) == loss
