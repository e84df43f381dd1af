"""What a check says."""

from collections.abc import Iterable

from msgspec import Struct

SHOWN = 20
"""How many offenders are told one by one."""


class Check(Struct, frozen=True, kw_only=True):
    """One invariant: `seen` rows were looked at, `offenders` of them break it, of which the first are named.

    `notes` are what the reader should know though nothing is broken.
    """

    id: str
    title: str
    seen: int
    offenders: int
    named: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.offenders


def check(id: str, title: str, seen: int, offenders: Iterable[object], notes: Iterable[str] = ()) -> Check:
    """A check from all its offenders."""
    named: list[str] = []
    count = 0
    for one in offenders:
        count += 1
        if count <= SHOWN:
            named.append(str(one))
    return Check(id=id, title=title, seen=seen, offenders=count, named=tuple(named), notes=tuple(notes))
