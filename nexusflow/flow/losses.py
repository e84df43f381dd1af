"""How often translations lost something in this worker, by action and field, for operators to see."""

from collections import Counter

from nexusflow.ir.loss import Losses

MAX_SERIES = 1_000
"""Beyond this many different fields the rest is counted together: paths can hold a caller's own words."""


class LossCount:
    """Counts of `action field`, indexes left out (`dropped messages[].name`)."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def count(self, losses: Losses) -> None:
        """Add the losses of one call."""
        for loss in losses:
            name = f"{loss.action} {_unindexed(loss.path)}"
            known = name in self.found or len(self.found) < MAX_SERIES
            self.found[name if known else f"{loss.action} other"] += 1


def _unindexed(path: str) -> str:
    head, *rest = path.split("[")
    return head + "".join("[" + one[one.find("]") :] for one in rest)
