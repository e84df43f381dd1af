"""Responses that OpenAI keeps, so that a later one can go on from them."""

from collections import OrderedDict
from typing import Any

REMEMBERED = 1000


class Kept:
    """The last thousand responses, with the input that led to each."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[dict[str, Any], list[Any]]] = OrderedDict()

    def keep(self, answer: dict[str, Any], before: list[Any], given: Any) -> None:
        """Keep an answer, and the items that a response going on from it begins with."""
        said = given if isinstance(given, list) else [{"role": "user", "content": given or ""}]
        self._answers[answer["id"]] = answer, [*before, *said, *answer["output"]]
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def items(self, id_: str) -> list[Any] | None:
        """All items up to the end of a response; None when it is not kept."""
        found = self._answers.get(id_)
        return None if found is None else found[1]

    def answer(self, id_: str) -> dict[str, Any] | None:
        """A response; None when it is not kept."""
        found = self._answers.get(id_)
        return None if found is None else found[0]

    def forget(self, id_: str) -> bool:
        """Forget a response. Says whether it was kept."""
        return self._answers.pop(id_, None) is not None
