"""What kind of model is simulated: which requests it takes, and how it thinks."""

from dataclasses import dataclass
from typing import Literal

MAX_INPUT = 200_000
MAX_OUTPUT = 65_536


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts of a model, not of a protocol (protocols section 6).

    `efforts` are the levels of thinking it takes, none for a model that cannot think. `newest` stands for what the
    models of the last year have in common: they take no sampling parameters, no prefill, no stop sequences and no
    `max_tokens` of OpenAI, think always and by level alone, hide what they think unless asked, and insist on their
    signatures. `chat_tools` is false for one that takes functions on OpenAI Chat only while it does not think.
    `ending` is how its replies end when not well.
    """

    efforts: tuple[str, ...] = ()
    newest: bool = False
    chat_tools: bool = True
    ending: Literal["", "refusal", "filter"] = ""

    @property
    def thinks(self) -> bool:
        """Whether it can think."""
        return bool(self.efforts)

    @property
    def may_rest(self) -> bool:
        """Whether its thinking can be turned off."""
        return not self.newest or "none" in self.efforts
