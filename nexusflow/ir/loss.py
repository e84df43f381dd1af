"""Losses as values: what a translation could not carry over, said to the caller instead of kept in silence.

Three actions (protocols 2.0.3): `dropped` for a hint that the target has no place for, `changed` for a value put as
near as the target allows, `placed` for content that stands elsewhere than the caller put it. What would change the
meaning of a call is no loss but a refusal: `raise refuse(Kind.PARAM, ..., param=path)`.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Action = Literal["dropped", "changed", "placed"]
MAX_SHOWN = 24
"""How many losses of one action a header names; the rest is counted."""


class Loss(Struct, frozen=True):
    """One loss. `path` is in the caller's own spelling (`seed`, `messages[2].content[0].cache_control`)."""

    action: Action
    path: str
    detail: str = ""


class Losses:
    """Collects the losses of one call, each path once. The order is that of discovery."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[tuple[Action, str], Loss] = {}

    def drop(self, path: str) -> None:
        """`path` had to be left out."""
        self._add(Loss("dropped", path))

    def change(self, path: str, detail: str) -> None:
        """`path` took another value; `detail` says how, as in `1.4>1`."""
        self._add(Loss("changed", path, detail))

    def place(self, path: str, detail: str) -> None:
        """`path` went elsewhere; `detail` says where."""
        self._add(Loss("placed", path, detail))

    def _add(self, loss: Loss) -> None:
        self.found.setdefault((loss.action, loss.path), loss)

    def __bool__(self) -> bool:
        return bool(self.found)

    def __iter__(self) -> Iterator[Loss]:
        return iter(self.found.values())

    def header(self) -> str:
        """The value of `x-nexusflow-warnings`: `dropped=seed,logit_bias; changed=temperature:1.4>1`."""
        groups: dict[Action, list[str]] = {}
        for loss in self:
            groups.setdefault(loss.action, []).append(_shown(loss))
        return "; ".join(f"{action}={_listed(shown)}" for action, shown in groups.items())


def _shown(loss: Loss) -> str:
    joint = {"dropped": ":", "changed": ":", "placed": "@"}[loss.action]
    text = f"{loss.path}{joint}{loss.detail}" if loss.detail else loss.path
    return "".join(char if char.isascii() and char.isprintable() and char not in ",;" else "_" for char in text)[:120]


def _listed(shown: list[str]) -> str:
    more = len(shown) - MAX_SHOWN
    return ",".join(shown[:MAX_SHOWN]) + (f",+{more}" if more > 0 else "")
