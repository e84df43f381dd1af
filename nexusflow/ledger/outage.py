"""What a wallet may still spend while the database is away: a bounded trust, by amount and by time (engines C.4.6)."""

import time


class OutageAllowance:
    """Per wallet and worker. `lost` and `found` tell it of the database; `amount` 0 allows nothing."""

    def __init__(self, amount: int, milliseconds: int) -> None:
        self._amount = amount
        self._seconds = milliseconds / 1000
        self._since: float | None = None
        self._given: dict[str, int] = {}

    def lost(self) -> None:
        """The database does not answer; the time runs from the first such report."""
        if self._since is None:
            self._since = time.monotonic()

    def found(self) -> None:
        """The database answers: what was given is on its way there."""
        self._since = None
        self._given.clear()

    def take(self, org: str, amount: int) -> bool:
        """Whether the wallet of `org` may reserve `amount` without the database, and if so count it."""
        if self._since is None or time.monotonic() - self._since > self._seconds:
            return False
        given = self._given.get(org, 0) + amount
        if given > self._amount:
            return False
        self._given[org] = given
        return True

    def give_back(self, org: str, rest: int) -> None:
        """`rest` of what was reserved was not spent."""
        if org in self._given:
            # What an earlier outage gave is forgotten already, so its rest must not count against this one.
            self._given[org] = max(self._given[org] - rest, 0)
