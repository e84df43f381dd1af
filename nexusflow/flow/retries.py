"""How often the calls of one model may be tried again, all together (R-01): a fifth of them, and never fewer than ten.

A provider that is in trouble gets no more than that on top of what callers send, however many of them there are. The
budget is the model's, not the deployment's: what fails at one goes to another, which may get nothing else.
"""

from collections.abc import Callable

SHARE = 0.2
FEWEST = 10
"""So that a model that is rarely called may still be tried elsewhere every time."""
HALF_LIFE_S = 15.0
"""After so long half of what there was is forgotten, of calls as of attempts."""


class RetryBudget:
    """What may be spent on attempts after the first. One that is answered well is given back: it was no storm.

    `exhausted` counts the calls that ended with an error though there was another way to try. `clock` tells seconds.
    """

    __slots__ = ("_calls", "_clock", "_since", "_spent", "exhausted")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._calls = self._spent = 0.0
        self.exhausted = 0

    def called(self) -> None:
        """One call more that may have to be tried again."""
        self._forget()
        self._calls += 1

    def take(self) -> bool:
        """Spend one attempt; False where there is none left."""
        self._forget()
        if self._spent + 1 > max(FEWEST, self._calls * SHARE):
            self.exhausted += 1
            return False
        self._spent += 1
        return True

    def give_back(self) -> None:
        """The attempt that was taken last answered well."""
        self._spent = max(self._spent - 1, 0.0)

    def _forget(self) -> None:
        times = (self._clock() - self._since) // HALF_LIFE_S
        if times > 0:
            left = 0.5 ** min(times, 60.0)
            self._calls *= left
            self._spent *= left
            self._since += times * HALF_LIFE_S
