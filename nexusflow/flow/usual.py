"""How long a model's answers usually are, as this worker sees them: what is reserved for the next (engines D.2)."""

from collections import deque

REMEMBERED = 64
"""Answers of each model."""
FEWEST = 8
"""Before so many were seen, the bound on the answer counts."""


class Usual:
    """By model id. The 95th per cent of the last answers, with a fifth on top."""

    def __init__(self) -> None:
        self._answers: dict[str, deque[int]] = {}

    def note(self, model: str, tokens: int) -> None:
        """An answer had so many tokens."""
        answers = self._answers.get(model)
        if answers is None:
            answers = self._answers[model] = deque(maxlen=REMEMBERED)
        answers.append(tokens)

    def output(self, model: str, bound: int) -> int:
        """What to expect of the next answer, which has at most `bound` tokens."""
        answers = self._answers.get(model, ())
        if len(answers) < FEWEST:
            return bound
        return min(bound, sorted(answers)[len(answers) * 95 // 100] * 6 // 5)
